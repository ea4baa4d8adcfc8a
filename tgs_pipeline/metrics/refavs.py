"""Protocol `refavs`: the official evaluator of Ref-AVS. Arrays in, sums over frames out.

Source: UPSTREAM_FACTS 5.1 (row Ref-AVS official), after utils/metric/utility.py, scripts/train.py and
datasets/dataset_refavs.py of GeWu-Lab/Ref-AVS; Wang et al., ECCV 2024. As protocol `avsbench` (batches of four videos,
here 40 frames), but J takes p > 0.4, the grid is 256 x 256, and S is the square root of the foreground among all pixels
of a batch (traps T31, T32).

Legend: H, W = size of the score map (256 upstream). A mask is bool (H, W), levels are uint8 (H, W) (metrics/levels.py).
"""

from collections.abc import Sequence

import numpy as np

from tgs_pipeline.metrics.tally import Tally

BATCH_SIZE = 4


def resize_gt(grey_HW: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Ground truth on the grid of the score map, bool (height, width), from grey uint8 of any size.

    Upstream resizes with OpenCV's bilinear kernel and calls everything above 0 foreground. It does so on the three
    equal channels of a colour image, which its conversion to grey then leaves as they are.
    """
    import cv2

    return cv2.resize(grey_HW, (width, height), interpolation=cv2.INTER_LINEAR) > 0


def null_tally(pred_THW: Sequence[np.ndarray]) -> Tally:
    """What is predicted, at p > 0.5, in one sample where nothing is referred to."""
    return Tally(
        num_frames=len(pred_THW),
        num_foreground_px=sum(int(np.count_nonzero(pred_HW)) for pred_HW in pred_THW),
        num_px=sum(pred_HW.size for pred_HW in pred_THW),
    )


def null_scores(batch: Tally) -> dict[str, float]:
    """S of one batch, 0..1, lower is better."""
    return {"S": batch.root_of_share}
