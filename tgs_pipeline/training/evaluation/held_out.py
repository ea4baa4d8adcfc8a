"""Clips on which a segmenter is measured: of seeds that it was not trained on, as they are read back from the dataset.

Three kinds: `plain`, as the world is; `covered`, where another object passes in front of one; `gone`, where one is out
of the scene for some frames. Of the last two, one object is asked about, which is seen in the first frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tgs_pipeline.tinyworld.clip import Split, plan_clip
from tgs_pipeline.tinyworld.pretraining.mask_samples import CLIP_FRAMES, MIN_BOXED_PX, SIZE_PX, cross, interrupt
from tgs_pipeline.tinyworld.render import render_scene
from tgs_pipeline.tinyworld.scene import Scene
from tgs_pipeline.training.evaluation.media import through_jpeg

Kind = Literal["plain", "covered", "gone"]
KINDS: tuple[Kind, ...] = ("plain", "covered", "gone")
SPLITS: tuple[Split, ...] = ("test_s", "test_u")  # taken in turn
MIDDLE = 4  # the frame in which an object is covered
GAP = (3, 4)  # the frames in which one is gone
MAX_COVERED_SHARE = 0.5  # of what is seen in the first frame, that is still seen in the middle one


@dataclass(frozen=True)
class HeldOutClip:
    """frames: uint8 RGB (T, S, S, 3). masks: bool (N, T, S, S), exact, of the visible parts of the objects."""

    seed: int
    number: int
    kind: Kind
    frames: np.ndarray
    masks: np.ndarray


def held_out_clips(seed: int, number: int) -> Iterator[HeldOutClip]:
    """Clip `number` of a seed, of each kind that its scene can be made into."""
    scene = plan_clip(seed, SPLITS[number % 2], number // 2, references_per_clip=0).scene
    for code, kind in enumerate(KINDS):
        rng = np.random.default_rng([seed, number, code])
        targets = [None] if kind == "plain" else rng.permutation(len(scene.objects)).tolist()
        for target in targets:
            changed = _change(rng, scene, target, kind=kind)
            if changed is None:
                continue
            frames, masks = render_scene(changed, frame_size_px=SIZE_PX, rng=rng, moments=range(CLIP_FRAMES))
            masks = masks if target is None else masks[[target]]
            if kind == "plain" or _is_fit(masks[0], kind=kind):
                yield HeldOutClip(seed, number, kind, np.stack([through_jpeg(frame) for frame in frames]), masks)
                break


def _change(rng: np.random.Generator, scene: Scene, target: int | None, *, kind: Kind) -> Scene | None:
    if target is None:
        return scene
    if kind == "covered":
        return cross(rng, scene, target, middle=MIDDLE)
    return interrupt(scene, target, without=GAP)


def _is_fit(mask_THW: np.ndarray, *, kind: Kind) -> bool:
    """Whether the object is seen at the start, is covered or gone as meant, and is seen again."""
    seen = mask_THW.sum(axis=(1, 2))
    if min(seen[0], seen[-1]) < MIN_BOXED_PX:
        return False
    return bool(kind == "gone" or seen[MIDDLE] < MAX_COVERED_SHARE * seen[0])
