"""Segmenter: what every segmenter backend offers, and the choice of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from tgs_pipeline import weights
from tgs_pipeline.params import Segment


@dataclass(frozen=True)
class Segmentation:
    """The mask of one box.

    mask: bool (H, W), at the size of the frame.
    low_res_logits: float32 (h, w), the network's own grid over the whole frame, clamped to -32..32; foreground > 0.
    predicted_iou: the network's own estimate of its IoU, 0..1.
    """

    mask: np.ndarray
    low_res_logits: np.ndarray
    predicted_iou: float


class Segmenter(Protocol):
    """Turns boxes into masks, image by image."""

    def segment(self, images: Sequence[np.ndarray], boxes_xyxy_px: Sequence[np.ndarray]) -> list[list[Segmentation]]:
        """The masks of each image's boxes, in the order of the boxes.

        images: uint8 RGB (H, W, 3), of any sizes. boxes_xyxy_px: float32 (n_i, 4) for each image, in its pixels.
        ValueError where the network yields NaN.
        """
        ...


def build(params: Segment, *, device: str) -> Segmenter:
    """The segmenter that the params name, with its weights loaded."""
    match params.backend:
        case "sam2":
            from tgs_pipeline.backends.segmenter import sam2

            return sam2.Sam2Segmenter(
                sam2.load_model(sam2.find_config(params.config), Path(params.weights)),
                device=device,
                dtype=params.dtype,
                input_size_px=params.input_size_px,
                swap_channels=params.swap_channels,
            )


def digest(params: Segment) -> str:
    """Digest of every file that decides what the segmenter computes: its weights and its configuration."""
    match params.backend:
        case "sam2":
            from tgs_pipeline.backends.segmenter import sam2

            return f"{weights.digest(Path(params.weights))}-{weights.digest(sam2.find_config(params.config))}"
