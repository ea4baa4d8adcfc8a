"""Pictures for a README or a terminal run: frames with mask and box, and text under them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tgs_pipeline.data.media import read_image
from tgs_pipeline.metrics import rle
from tgs_pipeline.report.records import Record, Row, read_records
from tgs_pipeline.report.thumbnails import shrink, size_of
from tgs_pipeline.workspace import Workspace

MASK_RGB = (255, 149, 0)
FILL = 0.45  # opacity of a mask inside its contour
BOX_RGB = (255, 255, 255)
INK_RGB, PAPER_RGB = (32, 36, 42), (255, 255, 255)
GAP_PX = 6
FONT_PX = 16
NAME_PX = 11
LINE_PX = 22


@dataclass(frozen=True)
class NamedBox:
    """A box, x0 y0 x1 y1 in px of its frame; name: of its object, None where there is nothing to tell apart."""

    xyxy_px: Sequence[float]
    name: str | None = None


def overlay(frame: np.ndarray, mask: np.ndarray, boxes: Sequence[NamedBox]) -> np.ndarray:
    """Draw a mask (translucent, with an opaque contour) and boxes over a frame.

    frame: RGB uint8 (H, W, 3); mask: bool (H, W). Returns a new RGB uint8 (H, W, 3).
    Raises ValueError where the mask has another size than the frame.
    """
    if mask.shape != frame.shape[:2]:
        raise ValueError(f"the mask is (height, width) {mask.shape}, but the frame is {frame.shape[:2]}")
    mask = mask.astype(bool)
    opacity = np.where(_interior(mask), FILL, 1.0) * mask
    blended = frame * (1 - opacity[..., None]) + np.array(MASK_RGB) * opacity[..., None]
    image = Image.fromarray(np.round(blended).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for box in boxes:
        x0, y0, x1, y1 = box.xyxy_px
        draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(0, 0, 0), width=3)
        draw.rectangle((x0, y0, x1, y1), outline=BOX_RGB, width=1)
    _write_names(draw, [box for box in boxes if box.name is not None], size=image.size)
    return np.asarray(image)


def _write_names(draw: ImageDraw.ImageDraw, boxes: Sequence[NamedBox], *, size: tuple[int, int]) -> None:
    """Each name at the upper left corner of its box, moved down while it would cover another one."""
    font = ImageFont.load_default(NAME_PX)
    taken: list[tuple[float, float, float]] = []  # left, top, right
    for box in boxes:
        assert box.name is not None
        wide, high = font.getlength(box.name) + 4, NAME_PX + 4
        left = max(0, min(box.xyxy_px[0], size[0] - wide))
        top = max(0, min(box.xyxy_px[1], size[1] - high))
        for x0, y0, x1 in sorted(taken, key=lambda one: one[1]):
            if left < x1 and x0 < left + wide and top < y0 + high and y0 < top + high:
                top = y0 + high
        taken.append((left, top, left + wide))
        draw.rectangle((left, top, left + wide, top + high), fill=(0, 0, 0))
        draw.text((left + 2, top + 1), box.name, fill=BOX_RGB, font=font)


def strip(
    frames: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    boxes: Sequence[Sequence[NamedBox]],
    *,
    captions: Sequence[str],
    frame_width_px: int = 224,
) -> Image.Image:
    """Frames side by side with their masks and boxes, and paragraphs of text under them.

    frames, masks, boxes: one for each frame, as in `overlay`; captions: paragraphs, wrapped to the width of the strip.
    """
    tiles = [_tile(*parts, width_px=frame_width_px) for parts in zip(frames, masks, boxes, strict=True)]
    if not tiles:
        raise ValueError("a strip needs at least one frame")
    strip_width = sum(tile.width for tile in tiles) + GAP_PX * (len(tiles) - 1)
    strip_height = max(tile.height for tile in tiles)
    font = ImageFont.load_default(FONT_PX)
    lines = [line for caption in captions for line in _wrap(caption, font, strip_width)]
    image = Image.new("RGB", (strip_width, strip_height + LINE_PX * len(lines) + GAP_PX), PAPER_RGB)
    left = 0
    for tile in tiles:
        image.paste(tile, (left, 0))
        left += tile.width + GAP_PX
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((0, strip_height + GAP_PX + LINE_PX * number), line, fill=INK_RGB, font=font)
    return image


def _tile(frame: np.ndarray, mask: np.ndarray, boxes: Sequence[NamedBox], *, width_px: int) -> Image.Image:
    """A frame of at most `width_px` with mask and boxes; they are drawn last, so that their lines stay sharp."""
    height, width = size_of(*frame.shape[:2], width_px=width_px)
    scale = np.tile((width / frame.shape[1], height / frame.shape[0]), 2)
    small = Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS)
    scaled = [NamedBox((scale * box.xyxy_px).tolist(), box.name) for box in boxes]
    return Image.fromarray(overlay(np.asarray(small), shrink(mask, (height, width)), scaled))


def picture(workspace: Workspace, path: Path, *, rows: Sequence[int], num_frames: int = 5) -> None:
    """Write a PNG of some samples under each other: frames, reference and chain.

    rows: values of the column `row` in samples, top to bottom; num_frames: frames of each, evenly spread.
    Raises ValueError where a row is not among the samples, or a frame cannot be read.
    """
    found = {record.sample["row"]: record for record in read_records(workspace) if record.sample["row"] in rows}
    absent = [row for row in rows if row not in found]
    if absent:
        raise ValueError(f"{workspace.samples}: holds no rows {absent}; choose from its column `row`")
    strips = [_strip_of(found[row], workspace.dataset, num_frames) for row in rows]
    margin = 4 * GAP_PX
    size = (
        max(part.width for part in strips) + 2 * margin,
        sum(part.height for part in strips) + margin * (len(strips) + 1),
    )
    whole = Image.new("RGB", size, PAPER_RGB)
    top = margin
    for part in strips:
        whole.paste(part, (margin, top))
        top += part.height + margin
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.save(path, format="PNG", optimize=True)


def _strip_of(record: Record, dataset: Path, num_frames: int) -> Image.Image:
    """The strip of one sample."""
    sample, chain = record.sample, record.chain
    count = len(sample["frame_indices"])
    if not count:
        raise ValueError(f"{sample['uid']} (row {sample['row']}): has no frames: {sample['reason']}")
    chosen = np.unique(np.linspace(0, count - 1, num_frames).round().astype(int))
    indices = [sample["frame_indices"][place] for place in chosen]
    size = (sample["height"], sample["width"])
    masks = [record.masks.get(index) for index in indices]
    return strip(
        [read_image(dataset / sample["frame_paths"][place]) for place in chosen],
        [
            np.zeros(size, bool)
            if row is None or row["status"] == "failed"
            else rle.decode(row["rle"], height=row["height"], width=row["width"])
            for row in masks
        ],
        [named_boxes(record.drawn(index)) for index in indices],
        captions=captions_of(chain),
    )


def named_boxes(rows: Sequence[Row]) -> list[NamedBox]:
    """Boxes of the rows of `records.drawn`."""
    return [NamedBox(row["box_xyxy_px"], row["object"]) for row in rows]


def captions_of(chain: dict) -> list[str]:
    """What stands under the frames of a sample: reference, chain and answer, from its row of chains."""
    name = chain["s_object"] or "null (nothing is referred to)"
    answer = f"s_object: {name}" if chain["status"] == "ok" else f"think: {chain['status']}"
    return [f"“{chain['reference']}”", " ".join((chain["think"] or "").split()), answer]


def _interior(mask: np.ndarray) -> np.ndarray:
    """Pixels of a bool (H, W) mask whose four neighbours are in it too; those at the border are contour."""
    padded = np.pad(mask, 1)
    return mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int) -> list[str]:
    """Lines of words that fit into `width_px`; a longer word has a line of its own."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
