"""Sprites: a category's drawing with outline, shading and grain, as an RGBA image whose alpha is the silhouette."""

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS
from tgs_pipeline.tinyworld.drawings import DRAWINGS
from tgs_pipeline.tinyworld.pen import Pen

SUPERSAMPLING = 2


def draw_sprite(category: str, *, color: str, size_px: float, flipped: bool, rng: np.random.Generator) -> Image.Image:
    """Draw one object upright, `SUPERSAMPLING` times as large as it will appear.

    Returns an RGBA image; alpha is 255 on the silhouette, which carries a dark outline, soft shading from above and a
    grain of its own. Raises ValueError for an unknown category or colour.
    """
    if category not in DRAWINGS or color not in COLORS:
        raise ValueError(f"cannot draw {color!r} {category!r}: see CATEGORIES and COLORS")
    aspect = CATEGORIES[category].aspect
    longer = size_px * SUPERSAMPLING
    width = max(8, round(longer * min(1.0, aspect)))
    height = max(8, round(longer / max(1.0, aspect)))
    pen = Pen((width, height), COLORS[color])
    DRAWINGS[category](pen)
    image = pen.image
    if flipped:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    alpha = image.getchannel("A")
    padded = Image.new("L", (width + 2, height + 2))
    padded.paste(alpha, (1, 1))
    inner = padded.filter(ImageFilter.MinFilter(2 * SUPERSAMPLING - 1)).crop((1, 1, width + 1, height + 1))
    edge = ImageChops.subtract(alpha, inner)
    image.paste((18, 18, 20), mask=edge.point([value * 3 // 5 for value in range(256)]))
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    shading = np.linspace(1.06, 0.88, height, dtype=np.float32)[:, None, None]
    coarse = rng.normal(0.0, 5.0, (height // 6 + 1, width // 6 + 1)).astype(np.float32)
    grain = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))[:, :, None]
    shaded = Image.fromarray(np.clip(pixels * shading + grain, 0, 255).astype(np.uint8))
    shaded.putalpha(alpha)
    return shaded
