"""Merging: the masks of a clip's objects as one label map for each frame, without the objects that are silent there.

Frame t shows second t, as in AVSBench. Masks are bool (T, H, W), one for each object.
"""

from collections.abc import Mapping, Sequence

import numpy as np


def label(
    masks: Mapping[str, np.ndarray],
    active: Sequence[Sequence[str]],
    *,
    size: tuple[int, int],
    classes: Mapping[str, int],
) -> np.ndarray:
    """uint8 (T, H, W): class of each pixel (0: background); of objects that overlap the later one of `active` wins.

    active: the objects of each frame. size: (H, W) of the frames. classes: number of each object, 1 to 255. ValueError
    where a mask is missing or of another shape.
    """
    shape = (len(active), *size)
    for name, mask in masks.items():
        if mask.shape != shape or mask.dtype != bool:
            raise ValueError(f"mask of {name!r}: {mask.dtype} {mask.shape}, expected bool {shape}")
    painted = np.zeros(shape, np.uint8)
    for frame, names in enumerate(active):
        for name in names:
            if name not in masks or name not in classes:
                raise ValueError(
                    f"{name!r} sounds in frame {frame} but has no mask or no class; masks: {sorted(masks)}"
                )
            painted[frame][masks[name][frame]] = classes[name]
    return painted
