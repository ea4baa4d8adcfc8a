"""Temporal stability: how steadily a mask sequence errs. Ours, no benchmark's; arrays in, scores out.

A mask may change from one frame to the next because the object moves, which is right, or because the segmenter wavers,
which is not. The ground truth tells them apart: with E_t = M_t xor G_t, the pixels that are wrong in frame t,

    wavering_t = |E_t xor E_t+1| / (|M_t or M_t+1| + |G_t or G_t+1|)            0..1; 0 where nothing is there

is the share of pixels that turn from right to wrong or back (which is where the change of the mask differs from the
change of the truth). Temporal stability is 1 minus its mean over the pairs of consecutive frames: 1 for a perfect
sequence and for one that leaves out the same part of a resting object in every frame, low for one that flickers. It
says nothing of quality alone (an empty sequence is as steady as its object rests), so it belongs beside J and F.

Legend: T = frames, H, W = size of the grid that is scored.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def temporal_stability(
    pred_THW: Sequence[np.ndarray], gt_THW: Sequence[np.ndarray], *, frame_indices: Sequence[int]
) -> float | None:
    """0..1 of one sample, higher is steadier; None where no two frames follow each other in the clip.

    pred_THW, gt_THW: masks bool (H, W). frame_indices: of these frames in the clip, ascending; across a gap nothing is
    compared.
    """
    frames = list(zip(frame_indices, pred_THW, gt_THW, strict=True))
    found = [
        _wavering(before, after, truth_before, truth_after)
        for (index, before, truth_before), (following, after, truth_after) in pairwise(frames)
        if following == index + 1
    ]
    return 1 - float(np.mean(found)) if found else None


def _wavering(before: np.ndarray, after: np.ndarray, truth_before: np.ndarray, truth_after: np.ndarray) -> float:
    there = np.count_nonzero(before | after) + np.count_nonzero(truth_before | truth_after)
    turned = np.count_nonzero(before ^ truth_before ^ after ^ truth_after)
    return turned / there if there else 0.0
