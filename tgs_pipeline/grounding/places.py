"""Places: which boxes of a frame show the same thing. Arrays in, arrays out.

Boxes are float32 (n, 4), x0 y0 x1 y1 in any one unit; scores float32 (n,).
"""

import numpy as np


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of each box (n, 4) with each other one (m, 4), float (n, m); 0 where both are empty."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clip(min=0).prod(axis=-1)
    union = _area(boxes)[:, None] + _area(others)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def places(boxes: np.ndarray, scores: np.ndarray, *, same_place_iou: float) -> list[int]:
    """Index of the best box of each place, best first; in a tie the first index is better.

    Boxes that overlap a better one by more than `same_place_iou` are of its place (non-maximum suppression).
    """
    overlaps = iou(boxes, boxes)
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        if not (overlaps[index, kept] > same_place_iou).any():
            kept.append(index)
    return kept


def support(boxes: np.ndarray, others: np.ndarray, other_scores: np.ndarray) -> np.ndarray:
    """How well other scored boxes speak for each box: the best score * overlap among them, 0 where there is none."""
    if not len(others):
        return np.zeros(len(boxes), np.float32)
    return (iou(boxes, others) * other_scores[None, :]).max(axis=1)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(axis=-1)
