"""Pictures of several frames for a multimodal model: tiled, numbered in circles, with candidate boxes painted.

Frames, boxes and numbers come in, one RGB uint8 picture goes out. Sizes are parts of a tile, so that they look the same
whatever the frames measure (upstream's are fixed pixels, UPSTREAM_FACTS 6.1 and 6.2). The same input gives the same
pixels.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tgs_pipeline.prompts.visible_boxes import COLOURS, VisibleBox

Colour = tuple[int, int, int]

VERSION = 1  # of the drawing; raise when a picture changes, so that questions are asked anew
WHITE: Colour = (255, 255, 255)
CIRCLE: Colour = (31, 119, 180)
NUMBER_RADIUS = 0.07  # of the shorter side of a tile
BOX_NUMBER_RADIUS = 0.05
LINE_WIDTH = 0.012
MIN_RADIUS_PX = 8


def describe_layout(num_frames: int, *, columns: int) -> str:
    """What `tile` makes, in words: how many frames, in which order, and where their numbers are."""
    if num_frames == 1:
        shown = "The picture shows one frame of a video."
    elif columns >= num_frames:
        shown = f"The picture shows {num_frames} frames of a video, from left to right."
    elif columns == 1:
        shown = f"The picture shows {num_frames} frames of a video, from top to bottom."
    else:
        rows = [f"{low + 1} to {min(low + columns, num_frames)}" for low in range(0, num_frames, columns)]
        shown = (
            f"The picture shows {num_frames} frames of a video, row by row from left to right: {', then '.join(rows)}."
        )
    return f"{shown} The number of each frame stands in a circle in its upper left corner."


def tile(
    frames: Sequence[np.ndarray],
    *,
    columns: int,
    tile_width_px: int,
    boxes: Mapping[int, Sequence[VisibleBox]],
) -> np.ndarray:
    """RGB uint8 (H, W, 3): the frames in rows of `columns`, numbered from 1.

    frames: RGB uint8 (h, w, 3); all take the shape of the first, `tile_width_px` wide and never enlarged.
    boxes: those to paint, by the number of their frame; box 1 has the first colour, and so on.
    """
    if not frames:
        raise ValueError("a picture needs at least one frame")
    unknown = sorted(set(boxes) - set(range(1, len(frames) + 1)))
    if unknown:
        raise ValueError(f"boxes for frames {unknown}, but the picture has frames 1 to {len(frames)}")
    height, width = frames[0].shape[:2]
    scale = min(1.0, tile_width_px / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    columns = min(columns, len(frames))
    whole = Image.new("RGB", (size[0] * columns, size[1] * math.ceil(len(frames) / columns)))
    for number, frame in enumerate(frames, start=1):
        image = Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)
        _paint_boxes(image, boxes.get(number, ()))
        radius = _radius(size, NUMBER_RADIUS)
        _circled(image, number, centre=(radius * 1.3, radius * 1.3), radius=radius, fill=CIRCLE)
        whole.paste(image, ((number - 1) % columns * size[0], (number - 1) // columns * size[1]))
    return np.asarray(whole)


def _paint_boxes(image: Image.Image, boxes: Sequence[VisibleBox]) -> None:
    """Rectangles first, then their numbers at the lower right corners, so that no line crosses a number."""
    if len(boxes) > len(COLOURS):
        raise ValueError(f"{len(boxes)} boxes cannot be told apart: there are {len(COLOURS)} colours")
    width, height = image.size
    line = max(2, round(LINE_WIDTH * min(image.size)))
    radius = _radius(image.size, BOX_NUMBER_RADIUS)
    draw = ImageDraw.Draw(image)
    corners = []
    for (_, colour), box in zip(COLOURS, boxes, strict=False):
        x0, x1 = sorted((_clip(box.box_xyxy[0] * width, width - 1), _clip(box.box_xyxy[2] * width, width - 1)))
        y0, y1 = sorted((_clip(box.box_xyxy[1] * height, height - 1), _clip(box.box_xyxy[3] * height, height - 1)))
        draw.rectangle((x0, y0, x1, y1), outline=colour, width=line)
        corners.append((max(x1 - radius, radius), max(y1 - radius, radius)))
    for number, (centre, (_, colour)) in enumerate(zip(corners, COLOURS, strict=False), start=1):
        _circled(image, number, centre=centre, radius=radius, fill=colour)


def _circled(image: Image.Image, number: int, *, centre: tuple[float, float], radius: float, fill: Colour) -> None:
    """A number in a filled circle with a white edge; white on dark, black on light."""
    draw = ImageDraw.Draw(image)
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill, outline=WHITE, width=2)
    bright = 0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2] > 160
    font = ImageFont.load_default(size=max(6.0, radius * (1.1 if number < 100 else 0.8)))
    draw.text(centre, str(number), fill=(0, 0, 0) if bright else WHITE, font=font, anchor="mm")


def _radius(size: tuple[int, int], share: float) -> float:
    return max(float(MIN_RADIUS_PX), share * min(size))


def _clip(value: float, highest: int) -> float:
    return min(max(value, 0.0), float(highest))
