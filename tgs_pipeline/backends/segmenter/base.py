"""Segmenter: what every segmenter backend offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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


class Propagator(Protocol):
    """Turns boxes in one frame of a clip into masks in all its frames."""

    def propagate(self, frames: np.ndarray, boxes_xyxy_px: np.ndarray, *, frame_index: int) -> np.ndarray:
        """Masks bool (N, T, H, W) of the objects that the boxes show; all background where one is not seen.

        frames: uint8 RGB (T, H, W, 3). boxes_xyxy_px: float32 (N, 4), in pixels of frame `frame_index`.
        """
        ...
