"""A sheet to look at: for each clip a few frames with outlined objects, the waveform, and the references below."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tgs_pipeline.tinyworld.categories import name_with_color
from tgs_pipeline.tinyworld.clip import Clip, ClipPlan
from tgs_pipeline.tinyworld.references import Reference

_FRAMES = (0, 3, 6, 9)
_CLIPS_PER_ROW = 2
_LINE_PX = 13
_WAVE_PX = 40
_MARGIN_PX = 8
_MAX_LINES = 9
_INK = (30, 30, 34)
_PAPER = (252, 252, 250)
_OUTLINES = ((255, 60, 200), (0, 235, 255), (120, 255, 60), (255, 170, 0))


def draw_contact_sheet(clips: Sequence[Clip]) -> Image.Image:
    """Draw the clips, two in a row. Without clips the sheet is one blank line."""
    if not clips:
        return Image.new("RGB", (240, _LINE_PX), _PAPER)
    tiles = [_draw_clip(clip) for clip in clips]
    width, height = tiles[0].size
    num_rows = -(-len(tiles) // _CLIPS_PER_ROW)
    sheet = Image.new("RGB", (_CLIPS_PER_ROW * width, num_rows * height), _PAPER)
    for position, tile in enumerate(tiles):
        sheet.paste(tile, (position % _CLIPS_PER_ROW * width, position // _CLIPS_PER_ROW * height))
    return sheet


def _draw_clip(clip: Clip) -> Image.Image:
    side = clip.frames.shape[1]
    width = len(_FRAMES) * side
    height = side + _WAVE_PX + _MAX_LINES * _LINE_PX
    tile = Image.new("RGB", (width + 2 * _MARGIN_PX, height + 2 * _MARGIN_PX), _PAPER)
    for column, frame in enumerate(_FRAMES):
        outlined = _outline(clip.frames[frame], clip.masks[:, frame])
        tile.paste(Image.fromarray(outlined), (_MARGIN_PX + column * side, _MARGIN_PX))
    waveform = clip.waveform
    if clip.null_waveform is not None and not clip.plan.references:  # only the null variant is written
        waveform = clip.null_waveform
    tile.paste(_draw_waveform(waveform, width), (_MARGIN_PX, _MARGIN_PX + side))
    draw = ImageDraw.Draw(tile)
    for line, text in enumerate(_lines(clip.plan)[:_MAX_LINES]):
        position = (_MARGIN_PX, _MARGIN_PX + side + _WAVE_PX + line * _LINE_PX)
        draw.text(position, text, fill=_INK, font=ImageFont.load_default(11))
    return tile


def _outline(frame: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Colour the inner edge of every mask: frame uint8 (H, W, 3), masks bool (num_objects, H, W)."""
    outlined = frame.copy()
    for index, mask in enumerate(masks):
        padded = np.pad(mask, 1)
        inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        outlined[mask & ~inside] = _OUTLINES[index % len(_OUTLINES)]
    return outlined


def _draw_waveform(waveform: np.ndarray, width: int) -> Image.Image:
    """Draw the envelope of a mono waveform: an image of `width` x _WAVE_PX."""
    pixels = np.full((_WAVE_PX, width, 3), _PAPER, np.uint8)
    edges = np.linspace(0, len(waveform), width + 1).astype(int)
    middle = _WAVE_PX // 2
    for column in range(width):
        peak = float(np.abs(waveform[edges[column] : edges[column + 1]]).max())
        reach = round(peak * (middle - 1))
        pixels[middle - reach : middle + reach + 1, column] = (70, 110, 170)
    return Image.fromarray(pixels)


def _lines(plan: ClipPlan) -> list[str]:
    def name(reference: Reference) -> str:
        if reference.target is None:
            return "null"
        item = plan.scene.objects[reference.target]
        return name_with_color(item.category, item.color)

    lines = [f"{plan.vid}: " + ", ".join(name_with_color(item.category, item.color) for item in plan.scene.objects)]
    lines += [f"{reference.text.strip()}  > {name(reference)}" for reference in plan.references]
    lines += [f"R2: {other.text}  > {name(other)}" for other in plan.reasoning if other is not None]
    if plan.null is not None:
        lines += [f"{plan.null.prefix}: {reference.text.strip()}  > null" for reference in plan.null.references]
    return lines
