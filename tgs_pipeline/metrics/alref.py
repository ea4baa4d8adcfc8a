"""Protocol `alref`: J and F of AL-Ref-SAM 2 on AVSBench S4, MS3 and V2-binary. Arrays in, sums over frames out.

Source: UPSTREAM_FACTS 5.1 (row AL-Ref-SAM2 S4/MS3/V2), after avs/*/eval_miou_and_fscore.py of appletea233/AL-Ref-SAM2;
Huang et al., AAAI 2025. It reads masks of 0 and 1 at the size of the frame. F of a frame is its best over 255
thresholds, which for such masks is the better of the mask and of everything (threshold 0); a frame without ground truth
has F = 0 and counts. Both are averaged over all frames of a split, whichever video they are of.

Legend: H, W = size of the frame, px. A mask is bool (H, W).
"""

from collections.abc import Sequence

import numpy as np

from tgs_pipeline.metrics import tgs
from tgs_pipeline.metrics.tally import Tally

BATCH_SIZE = None  # all frames of a split at once


def f_measure(pred_HW: np.ndarray, gt_HW: np.ndarray) -> float:
    """F of one frame, 0..1."""
    if not gt_HW.any():
        return 0.0
    num_gt, hits, num_predicted = (int(np.count_nonzero(mask)) for mask in (gt_HW, pred_HW & gt_HW, pred_HW))
    return max(_f(num_gt, gt_HW.size, num_gt), _f(hits, num_predicted, num_gt))


def tally(pred_THW: Sequence[np.ndarray], gt_THW: Sequence[np.ndarray]) -> Tally:
    """The frames of one sample of one or more frames."""
    frames = list(zip(pred_THW, gt_THW, strict=True))
    return Tally(
        num_frames=len(frames),
        region=sum(tgs.jaccard(pred_HW, gt_HW) for pred_HW, gt_HW in frames),
        contour=sum(f_measure(pred_HW, gt_HW) for pred_HW, gt_HW in frames),
    )


def scores(batch: Tally) -> dict[str, float]:
    """J and F over all frames tallied, 0..1."""
    return {"J": batch.mean_region, "F": batch.mean_contour}


def _f(hits: int, num_predicted: int, num_gt: int) -> float:
    """F = (1 + b) p r / (b p + r) with b = 0.3; 0 without a hit."""
    if not hits:
        return 0.0
    precision, recall = hits / num_predicted, hits / num_gt
    return (1 + tgs.BETA_SQUARED) * precision * recall / (tgs.BETA_SQUARED * precision + recall)
