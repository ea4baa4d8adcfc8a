"""Levels: a score map in one byte for each pixel, from which metrics over 255 thresholds are computed exactly.

The F of protocol `tgs` is a maximum over the thresholds t_i = linspace(0, 1 - 1e-10, 255), pred = p >= t_i, in float32
(UPSTREAM_FACTS 5.1). All that those 255 comparisons can tell about a pixel is how many thresholds it passes. One more
cut, just above 0.5, makes the binary mask p > 0.5 readable from the same byte:

    level = index of the highest of the 256 ascending CUTS that p reaches     0..255; CUTS[0] = 0, so 0 is p < t_1

Protocol `refavs` also cuts at p > 0.4, which lies within level 101 and for which a byte has no value left. So a stored
map ends with one bit for each of its pixels of that level, usually a few hundred.

Legend: H, W = size of the score map.
"""

import zlib
from collections.abc import Sequence

import numpy as np

NUM_THRESHOLDS = 255


def thresholds() -> np.ndarray:
    """t_i as `torch.linspace(0, 1 - 1e-10, 255)` gives them, float32 (255,), bit for bit, without torch.

    torch steps from the nearer end with a fused multiply-add: the product of a float32 step and a small integer is
    exact in float64, so the one rounding left is that to float32.
    """
    end = np.float32(1 - 1e-10)
    step = np.float64(end / np.float32(NUM_THRESHOLDS - 1))
    index = np.arange(NUM_THRESHOLDS)
    from_start = step * index
    from_end = np.float64(end) - step * (NUM_THRESHOLDS - 1 - index)
    return np.where(index < NUM_THRESHOLDS // 2, from_start, from_end).astype(np.float32)


_JUST_ABOVE_HALF = np.nextafter(np.float32(0.5), np.float32(1))
_THRESHOLDS = thresholds()

CUTS = np.sort(np.append(_THRESHOLDS, _JUST_ABOVE_HALF))
# p >= t_i is level >= THRESHOLD_LEVELS[i]; p > 0.5 is level >= FOREGROUND_LEVEL.
THRESHOLD_LEVELS = np.searchsorted(CUTS, _THRESHOLDS)
FOREGROUND_LEVEL = int(np.searchsorted(CUTS, _JUST_ABOVE_HALF))
# p > LOW_CUT is level > LOW_LEVEL; at that level, it is the bit that `compress` adds.
LOW_CUT = np.float32(0.4)
LOW_LEVEL = int(np.searchsorted(CUTS, LOW_CUT, side="right")) - 1


def encode(probabilities_HW: np.ndarray) -> np.ndarray:
    """Levels uint8 of probabilities float32 0..1, any shape; ValueError where one is NaN or outside 0..1."""
    if probabilities_HW.dtype != np.float32:
        raise ValueError(f"probabilities must be float32, as the thresholds are, got {probabilities_HW.dtype}")
    if not ((probabilities_HW >= 0) & (probabilities_HW <= 1)).all():
        raise ValueError("probabilities must lie in 0..1 and not be NaN")
    return (np.searchsorted(CUTS, probabilities_HW, side="right") - 1).astype(np.uint8)


def foreground(levels_HW: np.ndarray) -> np.ndarray:
    """The binary mask p > 0.5, bool, of levels uint8."""
    return levels_HW >= FOREGROUND_LEVEL


def compress(probabilities_HW: np.ndarray) -> bytes:
    """A score map as it is stored: zlib of its levels in C order, then of one bit, p > 0.4, for each at LOW_LEVEL.

    probabilities_HW: float32 0..1; errors as in `encode`.
    """
    return _pack(encode(probabilities_HW), probabilities_HW > LOW_CUT)


def merge(stored: Sequence[bytes], *, size: int) -> bytes:
    """The pixelwise maximum of score maps (size, size), all as `compress` stores them; errors as in `decompress`."""
    levels_HW = np.maximum.reduce([decompress(one, size=size) for one in stored])
    return _pack(levels_HW, np.logical_or.reduce([decompress_low(one, size=size) for one in stored]))


def decompress(data: bytes | None, *, size: int) -> np.ndarray:
    """Levels uint8 (size, size) as stored by `compress`; None is an empty score map, all zero.

    ValueError where the data is damaged or of another size.
    """
    return _expand(data, size=size)[0]


def decompress_low(data: bytes | None, *, size: int) -> np.ndarray:
    """The binary mask p > 0.4, bool (size, size), of what `compress` stored; errors as in `decompress`."""
    levels_HW, bits = _expand(data, size=size)
    low_HW = levels_HW > LOW_LEVEL
    unclear = levels_HW == LOW_LEVEL
    low_HW[unclear] = np.unpackbits(bits, count=np.count_nonzero(unclear)).astype(bool)
    return low_HW


def _pack(levels_HW: np.ndarray, low_HW: np.ndarray) -> bytes:
    """See `compress`; low_HW: p > 0.4, bool."""
    bits = np.packbits(low_HW[levels_HW == LOW_LEVEL])
    return zlib.compress(levels_HW.tobytes() + bits.tobytes(), level=6)


def _expand(data: bytes | None, *, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The levels uint8 (size, size) and the packed bits of the pixels at LOW_LEVEL."""
    if data is None:
        return np.zeros((size, size), np.uint8), np.zeros(0, np.uint8)
    num_px = size * size
    expander = zlib.decompressobj()
    try:
        flat = np.frombuffer(expander.decompress(data, num_px + (num_px + 7) // 8 + 1), np.uint8)
    except zlib.error as error:
        raise ValueError(f"the score map is damaged ({error}): run `dvc repro segment` again") from None
    levels_HW, bits = flat[:num_px], flat[num_px:]
    if len(levels_HW) != num_px or not expander.eof or len(bits) != (np.count_nonzero(levels_HW == LOW_LEVEL) + 7) // 8:
        raise ValueError(f"the score map holds {len(flat)} bytes or more, which is not one of {size} x {size} px")
    return levels_HW.reshape(size, size), bits
