"""COCO run lengths: how masks lie on disk. Thin calls of pycocotools.

A run-length code is the compressed `counts` bytes of COCO; height and width stand beside it in the table.
"""

import numpy as np
from pycocotools import mask as coco


def encode(mask_HW: np.ndarray) -> bytes:
    """Run lengths of a bool mask (H, W)."""
    return coco.encode(np.asfortranarray(mask_HW, np.uint8))["counts"]


def empty(height: int, width: int) -> bytes:
    """Run lengths of an all-background mask."""
    return encode(np.zeros((height, width), bool))


def decode(counts: bytes, *, height: int, width: int) -> np.ndarray:
    """The bool mask (H, W) of run lengths; ValueError where they run past its end."""
    try:
        return coco.decode({"size": [height, width], "counts": counts}).astype(bool)
    except ValueError as error:
        raise ValueError(f"the run lengths do not fit a mask of {width} x {height} px ({error})") from None
