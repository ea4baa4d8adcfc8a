"""SAM 2 as a propagator: boxes in one frame in, masks in all frames of the clip out (the package's video predictor).

The predictor tracks to the end of the clip first, then back to its start with the same memories.
"""

import contextlib
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from tgs_pipeline.backends.segmenter.sam2 import fit
from tgs_pipeline.backends.segmenter.sam2_config import build_video_predictor
from tgs_pipeline.weights import assign, without_memory

if TYPE_CHECKING:
    from sam2.sam2_video_predictor import SAM2VideoPredictor

JPEG_QUALITY = 100  # the predictor reads a folder of JPEG files


class Sam2Propagator:
    """A Propagator (backends/segmenter/base.py) around SAM 2's video predictor."""

    def __init__(self, predictor: "SAM2VideoPredictor", *, device: str) -> None:
        self.predictor = predictor.to(device).eval()

    def propagate(self, frames: np.ndarray, boxes_xyxy_px: np.ndarray, *, frame_index: int) -> np.ndarray:
        """See `Propagator.propagate`."""
        masks_NTHW = np.zeros((len(boxes_xyxy_px), *frames.shape[:3]), bool)
        if not len(boxes_xyxy_px):
            return masks_NTHW
        with _silent(), TemporaryDirectory() as folder:
            for number, frame in enumerate(frames):
                file = Path(folder) / f"{number:05d}.jpg"
                Image.fromarray(frame).save(file, quality=JPEG_QUALITY, subsampling=0)
            state = self.predictor.init_state(folder)
            for number, box in enumerate(boxes_xyxy_px):
                self.predictor.add_new_points_or_box(state, frame_index, obj_id=number, box=torch.from_numpy(box))
            for is_reverse in (False, True):
                tracked = self.predictor.propagate_in_video(state, start_frame_idx=frame_index, reverse=is_reverse)
                for number, objects, logits_N1HW in tracked:
                    masks_NTHW[objects, number] = (logits_N1HW[:, 0] > 0).cpu().numpy()
        return masks_NTHW


def load_propagator(config: Path, weights: Path, *, device: str) -> Sam2Propagator:
    """From the files that sam2.load_model takes; ValueError as there."""
    with without_memory():
        predictor = build_video_predictor(config)
    state = fit(predictor, config=config, weights=weights)
    assign(predictor, state, device=device, dtype=torch.float32)
    return Sam2Propagator(predictor, device=device)


def _silent() -> contextlib.AbstractContextManager:
    """The predictor draws a progress bar for each clip."""
    return contextlib.redirect_stderr(io.StringIO())
