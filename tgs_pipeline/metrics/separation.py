"""How well a score tells two groups apart: what is present should score above what is absent."""

import math

import numpy as np

from tgs_pipeline.metrics.shares import wilson_interval


def auc(present: np.ndarray, absent: np.ndarray) -> float | None:
    """The chance that one of the present scores above one of the absent (ties count half); None without one of each.

    It is the area under the ROC curve (Mann and Whitney 1947). Both float (n,).
    """
    if not len(present) or not len(absent):
        return None
    ordered = np.sort(absent)
    below, not_above = (np.searchsorted(ordered, present, side=side) for side in ("left", "right"))
    return float((below + not_above).sum() / 2 / len(present) / len(absent))


def best_threshold(present: np.ndarray, absent: np.ndarray) -> float:
    """The threshold of the best balanced accuracy, where what scores above it counts as present.

    It lies midway between two scores, the lowest such one. ValueError without one of each group.
    """
    if not len(present) or not len(absent):
        raise ValueError(f"a threshold needs scores of both groups: got {len(present)} present, {len(absent)} absent")
    scores = np.unique(np.concatenate([present, absent]))
    above = 1 - np.searchsorted(np.sort(present), scores, side="right") / len(present)
    below = np.searchsorted(np.sort(absent), scores, side="right") / len(absent)
    best = int((above + below).argmax())
    return float(scores[best : best + 2].mean())


def balanced_accuracy(
    num_present: int, total_present: int, num_absent: int, total_absent: int
) -> tuple[float, float, float]:
    """The mean of two shares that are right, with an interval of 95 % from those of both (Zou and Donner 2008).

    ValueError for counts that are no shares.
    """
    groups = ((num_present, total_present), (num_absent, total_absent))
    shares, intervals = [num / total if total else 0.0 for num, total in groups], [wilson_interval(*g) for g in groups]
    center = sum(shares) / 2
    low = math.hypot(*(share - interval[0] for share, interval in zip(shares, intervals, strict=True))) / 2
    high = math.hypot(*(interval[1] - share for share, interval in zip(shares, intervals, strict=True))) / 2
    return center, max(0.0, center - low), min(1.0, center + high)
