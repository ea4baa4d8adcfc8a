"""Segmenter: what every segmenter backend offers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np


@dataclass(frozen=True)
class Segmentation:
    """The mask of one box.

    mask: bool (H, W), at the size of the frame.
    low_res_logits: float32 (h, w), the network's own grid over the whole frame, clamped to -32..32; foreground > 0.
    predicted_iou: the network's own estimate of its IoU, 0..1.
    reason: why there is no result, else None.
    """

    mask: np.ndarray
    low_res_logits: np.ndarray
    predicted_iou: float
    reason: str | None = None


class Segmenter(Protocol):
    """Turns boxes into masks, image by image."""

    def segment(self, images: Sequence[np.ndarray], boxes_xyxy_px: Sequence[np.ndarray]) -> list[list[Segmentation]]:
        """The masks of each image's boxes, in the order of the boxes.

        images: uint8 RGB (H, W, 3), of any sizes. boxes_xyxy_px: float32 (n_i, 4) for each image, in its pixels.
        """
        ...


class Prompt(NamedTuple):
    """Where an object is in one frame of a clip. position: of the frame, from 0; box_xyxy_px: float32 (4,), in it."""

    position: int
    box_xyxy_px: np.ndarray


class Propagator(Protocol):
    """Turns boxes in some frames of a clip into masks in all its frames."""

    def propagate(self, frames: Sequence[np.ndarray], prompts: Sequence[Sequence[Prompt]]) -> Iterator[np.ndarray]:
        """The logits of each frame in their order: float32 (N, h, w) of N objects, h and w as in `Segmentation`.

        frames: uint8 RGB (H, W, 3), all of one size; each is asked for a few times at most, and need not be held.
        prompts: of each object, at positions of their own; an object without a prompt is background everywhere.
        ValueError where a frame cannot be read, a prompt lies outside the clip, or the network yields NaN.
        """
        ...
