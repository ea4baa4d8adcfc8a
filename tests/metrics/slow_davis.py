"""Boundary F of DAVIS 2017, transcribed directly from UPSTREAM_FACTS 5.1, pixel by pixel."""

import math

import numpy as np


def boundary(mask: np.ndarray) -> np.ndarray:
    height, width = mask.shape
    edge = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            last_row, last_column = y == height - 1, x == width - 1
            others = []
            if not last_column:
                others.append(mask[y, x + 1])
            if not last_row:
                others.append(mask[y + 1, x])
            if not last_row and not last_column:
                others.append(mask[y + 1, x + 1])
            edge[y, x] = any(other != mask[y, x] for other in others)
    return edge


def disk(radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (x**2 + y**2 <= radius**2).astype(np.uint8)


def boundary_f(pred: np.ndarray, gt: np.ndarray, *, tolerance: float) -> float:
    radius = math.ceil(tolerance * np.linalg.norm(gt.shape)) if tolerance < 1 else int(tolerance)
    pred_points, gt_points = np.argwhere(boundary(pred)), np.argwhere(boundary(gt))

    def share_near(points: np.ndarray, others: np.ndarray) -> float:
        return float(np.mean([((others - point) ** 2).sum(axis=1).min() <= radius**2 for point in points]))

    if len(pred_points) == 0 and len(gt_points) > 0:
        precision, recall = 1.0, 0.0
    elif len(pred_points) > 0 and len(gt_points) == 0:
        precision, recall = 0.0, 1.0
    elif len(pred_points) == 0 and len(gt_points) == 0:
        precision, recall = 1.0, 1.0
    else:
        precision, recall = share_near(pred_points, gt_points), share_near(gt_points, pred_points)
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)
