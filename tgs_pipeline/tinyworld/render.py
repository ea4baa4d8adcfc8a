"""From a scene to pixels: frames, and for every object the exact mask of its visible part.

A frame is painted from the farthest object to the nearest. An object owns the pixels where its silhouette is at least
half opaque and no nearer object's is, so the masks of a frame are disjoint.
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene, SceneObject
from tgs_pipeline.tinyworld.silhouettes import SUPERSAMPLING, draw_sprite

OPAQUE = 128  # alpha from which a pixel belongs to an object
_NOISE_AMPLITUDE = 5


def render_scene(
    scene: Scene, *, frame_size_px: int, rng: np.random.Generator, moments: Sequence[int] = range(NUM_FRAMES)
) -> tuple[np.ndarray, np.ndarray]:
    """Paint a scene at some `moments`, numbers of frames; the pixels of a moment do not depend on the others.

    Returns frames uint8 RGB (num_moments, frame_size_px, frame_size_px, 3) and visible masks bool
    (num_objects, num_moments, frame_size_px, frame_size_px).
    """
    side = frame_size_px
    background = _paint_background(rng, side)
    sprites = [
        draw_sprite(item.category, color=item.color, size_px=item.size * side, flipped=item.flipped, rng=rng)
        for item in scene.objects
    ]
    noise = rng.integers(-_NOISE_AMPLITUDE, _NOISE_AMPLITUDE + 1, (side, side, 3), dtype=np.int16)
    shifts = rng.integers(0, side, (NUM_FRAMES, 2))
    frames = np.empty((len(moments), side, side, 3), np.uint8)
    masks = np.zeros((len(scene.objects), len(moments), side, side), bool)
    patches: dict[tuple[int, float], np.ndarray] = {}
    for place, frame in enumerate(moments):
        canvas = background.copy()
        for item in sorted(scene.objects, key=lambda item: item.depth):
            if not item.visible[frame]:
                continue
            key = (item.index, item.angles_deg[frame])
            if key not in patches:
                patches[key] = _rotate(sprites[item.index], item.angles_deg[frame])
            silhouette = _paint(canvas, patches[key], item, frame)
            masks[:, place] &= ~silhouette
            masks[item.index, place] = silhouette
        grainy = canvas + np.roll(noise, tuple(shifts[frame]), axis=(0, 1))
        frames[place] = np.clip(grainy, 0, 255).astype(np.uint8)
    return frames, masks


def _rotate(sprite: Image.Image, angle_deg: float) -> np.ndarray:
    """Turn a sprite counter-clockwise and reduce it to its final size: float32 RGBA (n, n, 4), n odd, centred."""
    width, height = sprite.size
    half = math.ceil(math.hypot(width, height) / SUPERSAMPLING / 2) + 1
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    scale = float(SUPERSAMPLING)
    coefficients = (
        *(scale * cos, -scale * sin, width / 2 - scale * (cos - sin) * (half + 0.5)),
        *(scale * sin, scale * cos, height / 2 - scale * (sin + cos) * (half + 0.5)),
    )
    size = (2 * half + 1, 2 * half + 1)
    turned = sprite.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    return np.asarray(turned, dtype=np.float32)


def _paint(canvas: np.ndarray, patch: np.ndarray, item: SceneObject, frame: int) -> np.ndarray:
    """Blend a patch into the canvas float32 (side, side, 3), in place; return its silhouette bool (side, side)."""
    side = canvas.shape[0]
    half = patch.shape[0] // 2
    left = round(item.centers[frame][0] * side) - half
    top = round(item.centers[frame][1] * side) - half
    rows = slice(max(top, 0), min(top + patch.shape[0], side))
    columns = slice(max(left, 0), min(left + patch.shape[1], side))
    inside = patch[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    alpha = inside[:, :, 3:] / 255
    canvas[rows, columns] += alpha * (inside[:, :, :3] - canvas[rows, columns])
    silhouette = np.zeros((side, side), bool)
    silhouette[rows, columns] = inside[:, :, 3] >= OPAQUE
    return silhouette


def _paint_background(rng: np.random.Generator, side: int) -> np.ndarray:
    """Muted wall and floor with soft clutter: float32 (side, side, 3), without the objects' saturated colours."""
    small = 112
    wall = rng.uniform(112, 186) + rng.uniform(-16, 16, 3)
    floor = wall * rng.uniform(0.66, 0.9) + rng.uniform(-10, 10, 3)
    horizon = int(small * rng.uniform(0.55, 0.85))
    image = Image.new("RGB", (small, small), _clip_color(wall))
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, horizon, small, small], fill=_clip_color(floor))
    for _ in range(int(rng.integers(5, 12))):
        x, y = rng.uniform(0, small, 2)
        width, height = rng.uniform(5, 30, 2)
        tint = _clip_color(wall + rng.uniform(-34, 34) + rng.uniform(-13, 13, 3))
        if rng.random() < 0.5:
            draw.rectangle([x - width / 2, y - height / 2, x + width / 2, y + height / 2], fill=tint)
        else:
            draw.ellipse([x - width / 2, y - height / 2, x + width / 2, y + height / 2], fill=tint)
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(1.6, 3.2))))
    enlarged = image.resize((side, side), Image.Resampling.BILINEAR)
    light = np.linspace(rng.uniform(-10, 10), rng.uniform(-10, 10), side, dtype=np.float32)
    return np.asarray(enlarged, dtype=np.float32) + light[None, :, None]


def _clip_color(color: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in np.clip(color, 60, 215))
    return red, green, blue
