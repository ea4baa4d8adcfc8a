"""Protocol `tgs`: the metrics of TGS-Agent on Ref-AVSBench. Arrays in, scores out.

Source: UPSTREAM_FACTS 5.1 (row TGS ground/segment), after utils/avss_utils.py of jasongief/TGS-Agent; the metrics are
those of AVSBench (Zhou et al., ECCV 2022) and Ref-AVS (Wang et al., ECCV 2024). Reproduced on purpose: the score of a
frame without ground truth (trap T29), the floor of F at threshold 0 and its maximum over thresholds (trap T30), and the
square root in S (trap T31).

Legend: H, W = size of the score map (224 upstream). A mask is bool (H, W), levels are uint8 (H, W) (metrics/levels.py).
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image

from tgs_pipeline.metrics import levels

BETA_SQUARED = 0.3
UNION_EPSILON = 1e-7
COUNT_EPSILON = 1e-20


def resize_gt(grey_HW: np.ndarray, *, height: int, width: int, how: Literal["nearest", "bicubic_bool"]) -> np.ndarray:
    """Ground truth on the grid of the score map, bool (height, width), from grey uint8 of any size.

    nearest: foreground where the nearest pixel is > 0. bicubic_bool: upstream's way, which calls everything that a
    bicubic kernel touches foreground and so dilates the object, by 7 % of its area on a real mask (trap T28).
    """
    if how == "nearest":
        binary = Image.fromarray((grey_HW > 0).astype(np.uint8))
        return np.asarray(binary.resize((width, height), Image.Resampling.NEAREST)).astype(bool)
    return np.asarray(Image.fromarray(grey_HW).resize((width, height), Image.Resampling.BICUBIC)).astype(bool)


def jaccard(pred_HW: np.ndarray, gt_HW: np.ndarray) -> float:
    """J of one frame, 0..1: intersection / union; where nothing is to be found, the share of true negatives (T29)."""
    if not gt_HW.any():
        return float(np.count_nonzero(~pred_HW) / pred_HW.size)
    intersection = np.count_nonzero(pred_HW & gt_HW)
    union = np.count_nonzero(pred_HW | gt_HW)
    return intersection / (union + UNION_EPSILON)


def f_curves(levels_THW: Sequence[np.ndarray], gt_THW: Sequence[np.ndarray]) -> np.ndarray:
    """F of frames with ground truth at each of the 255 thresholds, float64 (T, 255), 0..1.

    F = (1 + b) p r / (b p + r) with b = 0.3, 0 where p = r = 0. The pixels at or above every threshold are counted in
    one pass, from the histograms of the levels over all pixels and over the foreground.
    """
    histograms = np.array([_histograms(*frame) for frame in zip(levels_THW, gt_THW, strict=True)])  # (T, 2, 256)
    reaching = histograms[..., ::-1].cumsum(axis=-1)[..., ::-1]
    predicted, hits = reaching[:, 0, levels.THRESHOLD_LEVELS], reaching[:, 1, levels.THRESHOLD_LEVELS]
    precision = hits / (predicted + COUNT_EPSILON)
    recall = hits / (reaching[:, 1, :1] + COUNT_EPSILON)
    weighted = BETA_SQUARED * precision + recall
    return np.divide((1 + BETA_SQUARED) * precision * recall, weighted, out=np.zeros_like(weighted), where=weighted > 0)


def f_measure(levels_THW: Sequence[np.ndarray], gt_THW: Sequence[np.ndarray]) -> float:
    """F of one video, 0..1: the curve averaged over the frames with ground truth, then its maximum (T30).

    A video without any ground truth foreground scores 0, and is counted.
    """
    frames = [(levels_HW, gt_HW) for levels_HW, gt_HW in zip(levels_THW, gt_THW, strict=True) if gt_HW.any()]
    if not frames:
        return 0.0
    return float(f_curves(*zip(*frames, strict=True)).mean(axis=0).max())


def score_video(levels_THW: Sequence[np.ndarray], gt_THW: Sequence[np.ndarray]) -> tuple[float, float]:
    """(J, F) of one video of one or more frames, from levels and ground truth of one size per frame."""
    frames = zip(levels_THW, gt_THW, strict=True)
    region = np.mean([jaccard(levels.foreground(levels_HW), gt_HW) for levels_HW, gt_HW in frames])
    return float(region), f_measure(levels_THW, gt_THW)


def null_score(pred_THW: Sequence[np.ndarray]) -> float:
    """S of one video where nothing is referred to, 0..1, lower is better: mean of sqrt(foreground share)."""
    return float(np.mean([np.sqrt(np.count_nonzero(pred_HW) / pred_HW.size) for pred_HW in pred_THW]))


def _histograms(levels_HW: np.ndarray, gt_HW: np.ndarray) -> tuple[list[int], list[int]]:
    """How many pixels lie at each of the 256 levels, in all and in the ground truth.

    PIL counts bytes more than twice as fast as np.bincount.
    """
    return Image.fromarray(levels_HW).histogram(), Image.fromarray(levels_HW[gt_HW][None]).histogram()
