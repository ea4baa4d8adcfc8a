"""Protocol `davis`: J, boundary F and J&F of DAVIS 2017, at the size of the frame. Arrays in, scores out.

Source: UPSTREAM_FACTS 5.1 (row DAVIS-2017), after davis2017/metrics.py of fperazzi/davis-2017-evaluation; Perazzi et
al., CVPR 2016, section 4. All frames of a video count, as in MeViS and the referring benchmarks (the semi-supervised
DAVIS challenge leaves out the first and the last).

Legend: H, W = frame size, px. A mask is bool (H, W).
"""

import math
from collections.abc import Sequence

import numpy as np

TOLERANCE = 0.008  # of the frame diagonal


def jaccard(pred_HW: np.ndarray, gt_HW: np.ndarray) -> float:
    """J of one frame, 0..1: intersection / union; 1 where both are empty."""
    union = np.count_nonzero(pred_HW | gt_HW)
    return np.count_nonzero(pred_HW & gt_HW) / union if union else 1.0


def boundary(mask_HW: np.ndarray) -> np.ndarray:
    """The 1 px wide boundary, bool (H, W): pixels that differ from their neighbour to the east, south or south-east.

    The last row has only its eastern neighbour, the last column only its southern one, and the last pixel none.
    """
    edge_HW = np.zeros_like(mask_HW)
    here = mask_HW[:-1, :-1]
    edge_HW[:-1, :-1] = (here ^ mask_HW[:-1, 1:]) | (here ^ mask_HW[1:, :-1]) | (here ^ mask_HW[1:, 1:])
    edge_HW[-1, :-1] = mask_HW[-1, :-1] ^ mask_HW[-1, 1:]
    edge_HW[:-1, -1] = mask_HW[:-1, -1] ^ mask_HW[1:, -1]
    return edge_HW


def radius_px(height: int, width: int, *, tolerance: float = TOLERANCE) -> int:
    """How far a boundary may lie from the other and still match: a share of the diagonal if below 1, else pixels."""
    return math.ceil(tolerance * math.sqrt(height**2 + width**2)) if tolerance < 1 else math.ceil(tolerance)


def dilate(points_HW: np.ndarray, *, radius_px: int) -> np.ndarray:
    """Pixels within `radius_px` (a disk, x^2 + y^2 <= r^2) of a point, bool (H, W).

    The disk is a stack of horizontal runs: for each of its rows, the points of a run are counted by one difference
    of cumulative sums.
    """
    height, width = points_HW.shape
    r = radius_px
    padded = np.pad(points_HW, r).astype(np.int32)
    num_before = np.pad(padded.cumsum(axis=1, dtype=np.int32), ((0, 0), (1, 0)))
    near_HW = np.zeros_like(points_HW)
    for dy in range(-r, r + 1):
        half = math.isqrt(r * r - dy * dy)
        rows = num_before[r + dy : r + dy + height]
        near_HW |= rows[:, r + half + 1 : r + half + 1 + width] > rows[:, r - half : r - half + width]
    return near_HW


def boundary_f(pred_HW: np.ndarray, gt_HW: np.ndarray, *, tolerance: float = TOLERANCE) -> float:
    """Boundary F of one frame, 0..1: harmonic mean of the shares of either boundary that lie near the other.

    Both empty: 1. One empty: 0.
    """
    pred_edge, gt_edge = boundary(pred_HW), boundary(gt_HW)
    num_pred, num_gt = np.count_nonzero(pred_edge), np.count_nonzero(gt_edge)
    if not num_pred or not num_gt:
        return float(num_pred == num_gt)
    radius = radius_px(*gt_HW.shape, tolerance=tolerance)
    window = _window(pred_edge | gt_edge)  # nothing outside it can match, and most masks are small
    pred_edge, gt_edge = pred_edge[window], gt_edge[window]
    precision = np.count_nonzero(pred_edge & dilate(gt_edge, radius_px=radius)) / num_pred
    recall = np.count_nonzero(gt_edge & dilate(pred_edge, radius_px=radius)) / num_gt
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def score_video(pred_THW: Sequence[np.ndarray], gt_THW: Sequence[np.ndarray]) -> tuple[float, float]:
    """(J, F) of one video of one or more frames: means over its frames."""
    frames = list(zip(pred_THW, gt_THW, strict=True))
    return (
        float(np.mean([jaccard(pred_HW, gt_HW) for pred_HW, gt_HW in frames])),
        float(np.mean([boundary_f(pred_HW, gt_HW) for pred_HW, gt_HW in frames])),
    )


def _window(points_HW: np.ndarray) -> tuple[slice, slice]:
    """The smallest window that holds all points (at least one)."""
    rows = np.flatnonzero(points_HW.any(axis=1))
    columns = np.flatnonzero(points_HW.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
