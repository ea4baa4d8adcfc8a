"""Thumbnails: frames, masks and sound in the small forms that the page carries.

Frames become JPEG, masks COCO run lengths at the size of the JPEG, sound MP3 and peaks of its waveform. All of them are
text (base64, or the ASCII of compressed run lengths) and depend on their input alone: MP3 rather than Ogg, because an
Ogg stream carries a random serial number.
"""

import base64
import io

import numpy as np
import soundfile
from PIL import Image

from tgs_pipeline.metrics import rle

SOUND_HZ = 16_000  # what the audio encoder hears (UPSTREAM_FACTS 2.2)
NUM_PEAKS = 400
JPEG_QUALITY = 82


def size_of(height: int, width: int, *, width_px: int) -> tuple[int, int]:
    """(height, width) of a thumbnail: at most `width_px` wide, never enlarged; (0, 0) stays (1, 1)."""
    scale = min(1.0, width_px / max(1, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def jpeg(frame: np.ndarray, size: tuple[int, int]) -> str:
    """frame: RGB uint8 (H, W, 3); returns base64 of a JPEG of `size` (height, width)."""
    image = Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def shrink(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """mask: bool (H, W); returns bool of `size` (height, width): a pixel is set where half of its area is."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BOX)) >= 128


def run_lengths(mask: np.ndarray, size: tuple[int, int]) -> str:
    """mask: bool (H, W); returns COCO compressed counts of the mask at `size` (height, width)."""
    return rle.encode(shrink(mask, size)).decode("ascii")


def mp3(sound: np.ndarray) -> str:
    """sound: float32 (num_samples,) at SOUND_HZ, clipped to -1..1; returns base64 of an MP3 file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(sound, -1, 1), SOUND_HZ, format="MP3", subtype="MPEG_LAYER_III")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def peaks(sound: np.ndarray) -> str:
    """Lowest and highest value in each of NUM_PEAKS equal parts; base64 of int8 (NUM_PEAKS, 2), -127..127 = -1..1."""
    edges = np.linspace(0, len(sound), NUM_PEAKS + 1).astype(np.int64)
    starts = np.minimum(edges[:-1], len(sound) - 1)
    lows, highs = np.minimum.reduceat(sound, starts), np.maximum.reduceat(sound, starts)
    pairs = np.clip(np.stack([lows, highs], axis=1), -1, 1)
    return base64.b64encode(np.round(pairs * 127).astype(np.int8).tobytes()).decode("ascii")
