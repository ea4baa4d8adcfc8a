"""Protocol `avsbench`: J and F of AVSBench S4 and MS3. Arrays in, sums over frames out.

Source: UPSTREAM_FACTS 5.1 (row AVSBench S4/MS3 official), after avs_scripts/avs_s4/utils/utility.py and test.py of
OpenNLPLab/AVSBench; Zhou et al., ECCV 2022. J and the F curve of a frame are those of protocol `tgs`. What differs is
what is averaged: test.sh scores batches of four videos (20 frames), F takes one threshold for a whole batch, and the
batches are averaged, the last and smaller one with the weight of the others. So a score depends on the order of the
samples.

Legend: H, W = size of the score map (224 upstream). A mask is bool (H, W), levels are uint8 (H, W) (metrics/levels.py).
"""

from collections.abc import Sequence

import numpy as np

from tgs_pipeline.metrics import levels, tgs
from tgs_pipeline.metrics.tally import Tally

BATCH_SIZE = 4


def tally(levels_THW: Sequence[np.ndarray], gt_THW: Sequence[np.ndarray]) -> Tally:
    """J at p > 0.5 and the F curves of one sample of one or more frames."""
    return tally_masks([levels.foreground(levels_HW) for levels_HW in levels_THW], levels_THW, gt_THW)


def tally_masks(
    pred_THW: Sequence[np.ndarray], levels_THW: Sequence[np.ndarray], gt_THW: Sequence[np.ndarray]
) -> Tally:
    """As `tally`, with the binary masks for J given: protocol `refavs` cuts them elsewhere."""
    shown = [(levels_HW, gt_HW) for levels_HW, gt_HW in zip(levels_THW, gt_THW, strict=True) if gt_HW.any()]
    region = sum(tgs.jaccard(pred_HW, gt_HW) for pred_HW, gt_HW in zip(pred_THW, gt_THW, strict=True))
    if not shown:
        return Tally(num_frames=len(gt_THW), region=region)
    curve = tgs.f_curves(*zip(*shown, strict=True)).sum(axis=0)
    return Tally(num_frames=len(gt_THW), region=region, curve=curve, num_curves=len(shown))


def scores(batch: Tally) -> dict[str, float]:
    """J and F of one batch, 0..1."""
    return {"J": batch.mean_region, "F": batch.best_of_curve}
