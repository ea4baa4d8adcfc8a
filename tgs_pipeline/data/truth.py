"""Ground truth masks by their place: a file, or a part of one.

<file>.png             foreground where the luma is > 0
<file>.png#2           a PNG of labels (palette or grey): foreground where the label is 2
<file>.json#12+13@5    mask_dict.json of MeViS (COCO run lengths): the union of annotations 12 and 13 in frame 5

Places travel as paths, in `Sample.masks` and in the column `mask_paths`.
"""

import functools
import json
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

import numpy as np
from PIL import Image

from tgs_pipeline.data.media import MAX_FILE_BYTES, image_size, read_mask
from tgs_pipeline.metrics import rle

FOREGROUND = 255

AnyPath = TypeVar("AnyPath", bound=PurePath)


def file_of(place: AnyPath) -> AnyPath:
    """The file that holds a mask."""
    return place.with_name(place.name.partition("#")[0])


def labelled(file: PurePosixPath, label: int) -> PurePosixPath:
    """The place of one object in a PNG of labels."""
    return file.with_name(f"{file.name}#{label}")


def annotated(file: PurePosixPath, anno_ids: tuple[int, ...], *, frame_index: int) -> PurePosixPath:
    """The place of the union of some annotations in a mask_dict.json."""
    return file.with_name(f"{file.name}#{'+'.join(map(str, anno_ids))}@{frame_index}")


def read_truth(place: Path) -> np.ndarray:
    """A mask as uint8 (H, W), foreground where > 0; ValueError where it is missing, truncated or of another kind."""
    file, part = file_of(place), place.name.partition("#")[2]
    if not part:
        return read_mask(file)
    if file.suffix == ".json":
        return _read_annotations(file, part, size=truth_size(place))
    return np.where(read_labels(file) == int(part), FOREGROUND, 0).astype(np.uint8)


def truth_size(place: Path) -> tuple[int, int]:
    """(height, width) of a mask; errors as in `read_truth`."""
    file, part = file_of(place), place.name.partition("#")[2]
    if file.suffix != ".json":
        return image_size(file)
    ids = part.partition("@")[0].split("+")
    sized = next((frame for name in ids for frame in _mask_dict(file).get(name, []) if frame is not None), None)
    if sized is None:
        raise ValueError(f"{file}: annotations {', '.join(ids)} have no mask in any frame, so their size is unknown")
    return sized["size"][0], sized["size"][1]


def read_labels(file: Path) -> np.ndarray:
    """A PNG of labels as uint8 (H, W): palette indices, or grey levels; ValueError for any other kind of image."""
    image_size(file)  # the header is read within the limits, and errors name the file
    with Image.open(file) as image:
        if image.mode not in ("P", "L", "1"):
            raise ValueError(f"{file}: PIL mode {image.mode!r}, expected a palette or 8-bit grey image of labels")
        try:
            return np.asarray(image, np.uint8)
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"{file}: the image is truncated or corrupt ({error})") from None


def _read_annotations(file: Path, part: str, *, size: tuple[int, int]) -> np.ndarray:
    mask_HW = np.zeros(size, bool)
    for found in _annotations(file, part):
        if found is None:
            continue
        if tuple(found["size"]) != size:
            raise ValueError(f"{file}: masks of annotations {part} are of size {found['size']} and {list(size)}")
        try:
            mask_HW |= rle.decode(found["counts"].encode(), height=size[0], width=size[1])
        except ValueError as error:
            raise ValueError(f"{file}: annotations {part}: {error}; fetch the file again") from None
    return np.where(mask_HW, FOREGROUND, 0).astype(np.uint8)


def _annotations(file: Path, part: str) -> list[dict | None]:
    """COCO run lengths of the annotations named in `part` in its frame, None for those that are not visible there."""
    ids, _, frame = part.partition("@")
    known = _mask_dict(file)
    found: list[dict | None] = []
    for name in ids.split("+"):
        if name not in known:
            raise ValueError(
                f"{file}: holds no annotation {name}; is it of the split that meta_expressions.json is of?"
            )
        if int(frame) >= len(known[name]):
            raise ValueError(f"{file}: annotation {name} has {len(known[name])} frames, expected one of index {frame}")
        found.append(known[name][int(frame)])
    return found


@functools.lru_cache(maxsize=2)
def _mask_dict(file: Path) -> dict[str, list[dict | None]]:
    """The frames of each annotation of a mask_dict.json."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"{file}: larger than {MAX_FILE_BYTES} bytes; split it by videos")
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{file}: no such file") from None
    except (json.JSONDecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not valid JSON ({error}); fetch it again") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file}: expected an object of annotations, found {type(content).__name__}")
    for name, frames in content.items():
        if not isinstance(frames, list) or not all(map(_is_run_lengths, frames)):
            raise ValueError(f"{file}: annotation {name} is not a list of COCO run lengths (size, counts) or null")
    return content


def _is_run_lengths(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict) or not isinstance(value.get("counts"), str):
        return False
    size = value.get("size")
    return isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) and 0 < side < 8193 for side in size)
