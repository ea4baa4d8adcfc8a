"""Numbers that the original module and ours both get, drawn by name, so that no weights need to be kept.

numpy's RandomState is frozen: its streams are the same in every version. Used by the makers beside this file, in the
environment of the originals, and by the tests.
"""

import zlib

import numpy as np


def numbers(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 of `shape`, standard normal, the same for the same name."""
    return np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of a model, float32: matrices keep the size of what they map, gains lie around 1, the rest around 0."""
    drawn = numbers(name, shape)
    if name.endswith(("query_tokens", "embed_tokens.weight")):
        return drawn
    if len(shape) > 1:
        return drawn / np.float32(np.prod(shape[1:]) ** 0.5)
    is_gain = name.endswith("weight")
    return np.float32(0.2) * drawn + np.float32(is_gain)


def picture(name: str, *, height: int, width: int, block: int = 8) -> np.ndarray:
    """uint8 RGB (height, width, 3): blocks of colour."""
    drawn = np.random.RandomState(zlib.crc32(name.encode())).randint(0, 256, (height // block, width // block, 3))
    return drawn.astype(np.uint8).repeat(block, 0).repeat(block, 1)
