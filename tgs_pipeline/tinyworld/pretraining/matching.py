"""What the queries of a detector are to say: targets matched to queries, and the tokens that follow from it.

Shapes: B frames, Q queries (or proposals), N targets, P phrases, T tokens (all three padded). Boxes are cxcywh as
fractions of the frame.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

POSITIVE_IOU, IGNORED_IOU = 0.6, 0.4
FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
CLASS_COST, L1_COST, GIOU_COST = 2.0, 5.0, 2.0  # of matching, as in Grounding DINO
CENTER_RADIUS = 1.0  # of proposals, in strides: cells so near to a box's centre propose it


@dataclass(frozen=True)
class Targets:
    """The objects that the captions of a batch mean.

    boxes: float32 (B, N, 4); padding has the box of the whole frame. valid: bool (B, N), False for padding. phrases:
    bool (B, P, T), the tokens of each phrase. means: bool (B, P, N), the objects of each. real: bool (B, T), the tokens
    that are no padding.
    """

    boxes: torch.Tensor
    valid: torch.Tensor
    phrases: torch.Tensor
    means: torch.Tensor
    real: torch.Tensor

    @cached_property
    def tokens(self) -> torch.Tensor:
        """The tokens of all phrases that mean an object, bool (B, N, T)."""
        return torch.einsum("bpn,bpt->bnt", self.means.float(), self.phrases.float()) > 0


@dataclass(frozen=True)
class Assignment:
    """What each query is to say.

    labels, weights: float32 (B, Q, T): 0 or 1, and 0 where it does not matter. positive: bool (B, Q), whether the query
    has an object. object: int64 (B, Q), its number among the targets, anything where there is none.
    """

    labels: torch.Tensor
    weights: torch.Tensor
    positive: torch.Tensor
    object: torch.Tensor


def pairwise_iou(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """IoU and generalised IoU (Rezatofighi et al. 2019) of boxes (B, Q, 4) and (B, N, 4), each (B, Q, N)."""
    return _iou(first[:, :, None], second[:, None])


def paired_iou(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """IoU and generalised IoU of boxes (M, 4) and (M, 4), each (M,)."""
    return _iou(first, second)


def _iou(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    (low, high), (other_low, other_high) = (
        (box[..., :2] - box[..., 2:] / 2, box[..., :2] + box[..., 2:] / 2) for box in (first, second)
    )
    shared = (torch.minimum(high, other_high) - torch.maximum(low, other_low)).clamp(min=0).prod(dim=-1)
    union = first[..., 2:].prod(dim=-1) + second[..., 2:].prod(dim=-1) - shared
    hull = (torch.maximum(high, other_high) - torch.minimum(low, other_low)).prod(dim=-1)
    iou = shared / union.clamp(min=1e-9)
    return iou, iou - (hull - union) / hull.clamp(min=1e-9)


def hungarian(costs: np.ndarray) -> list[int]:
    """The different columns, one for each row, of the smallest total cost. costs: (rows, columns), rows <= columns.

    Shortest augmenting paths with potentials (Kuhn 1955, Munkres 1957), row after row.
    """
    num_rows, num_columns = costs.shape
    row_potential, column_potential = np.zeros(num_rows + 1), np.zeros(num_columns + 1)
    row_of = np.zeros(num_columns + 1, int)  # of each column; rows and columns count from 1, 0 is the root
    for row in range(1, num_rows + 1):
        row_of[0], column = row, 0
        best, came_from = np.full(num_columns + 1, np.inf), np.zeros(num_columns + 1, int)
        used = np.zeros(num_columns + 1, bool)
        while row_of[column]:
            used[column] = True
            reduced = costs[row_of[column] - 1] - row_potential[row_of[column]] - column_potential[1:]
            nearer = ~used[1:] & (reduced < best[1:])
            best[1:][nearer], came_from[1:][nearer] = reduced[nearer], column
            following = int(np.where(used, np.inf, best)[1:].argmin()) + 1
            step = best[following]
            row_potential[row_of[used]] += step
            column_potential[used] -= step
            best[~used] -= step
            column = following
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    columns = {int(row): number - 1 for number, row in enumerate(row_of) if number and row}
    return [columns[row] for row in range(1, num_rows + 1)]


@torch.no_grad()
def assign_queries(logits: torch.Tensor, boxes: torch.Tensor, targets: Targets) -> Assignment:
    """Dense matching: each target has the query matched to it, and all whose box overlaps it well.

    logits: float32 (B, Q, T). boxes: float32 (B, Q, 4). A query is positive for a target with an IoU above POSITIVE_IOU
    or where it is matched; above IGNORED_IOU it need not say anything about the target's tokens.
    """
    iou, giou = pairwise_iou(boxes, targets.boxes)
    matched = _match(logits, boxes, giou, targets)
    positive = ((iou > POSITIVE_IOU) | matched) & targets.valid[:, None]
    ignored = (iou > IGNORED_IOU) & targets.valid[:, None]
    return _say(positive, ignored, nearness=iou + 2 * matched, targets=targets)


def _match(logits: torch.Tensor, boxes: torch.Tensor, giou: torch.Tensor, targets: Targets) -> torch.Tensor:
    """One query for each target, bool (B, Q, N)."""
    chance = logits.sigmoid()
    says = FOCAL_ALPHA * (1 - chance) ** FOCAL_GAMMA * -(chance + 1e-8).log()
    denies = (1 - FOCAL_ALPHA) * chance**FOCAL_GAMMA * -(1 - chance + 1e-8).log()
    share = targets.tokens / targets.tokens.sum(dim=-1, keepdim=True).clamp(min=1)
    costs = CLASS_COST * torch.einsum("bqt,bnt->bqn", says - denies, share)
    costs += L1_COST * torch.cdist(boxes, targets.boxes, p=1) - GIOU_COST * giou
    matched = torch.zeros(costs.shape, dtype=torch.bool)
    for frame, (of_frame, valid) in enumerate(zip(costs, targets.valid, strict=True)):
        numbers = valid.nonzero()[:, 0]
        if len(numbers):
            queries = hungarian(of_frame[:, numbers].T.double().numpy())
            matched[frame, queries, numbers] = True
    return matched


@torch.no_grad()
def assign_proposals(centers: torch.Tensor, strides: torch.Tensor, targets: Targets) -> Assignment:
    """The cells around the centre of a target propose it; others within its box need not say anything of it.

    centers: float32 (Q, 2), strides: float32 (Q,), as fractions of the frame.
    """
    offsets = (centers[None, :, None] - targets.boxes[:, None, :, :2]).abs()  # (B, Q, N, 2)
    distance = offsets.amax(dim=-1) / strides[None, :, None]
    positive = (distance < CENTER_RADIUS) & targets.valid[:, None]
    inside = (offsets < targets.boxes[:, None, :, 2:] / 2).all(dim=-1) & targets.valid[:, None]
    return _say(positive, inside, nearness=-distance, targets=targets)


def _say(positive: torch.Tensor, ignored: torch.Tensor, *, nearness: torch.Tensor, targets: Targets) -> Assignment:
    """Labels and weights from which queries are to say which targets; all bool or float32 (B, Q, N)."""
    tokens = targets.tokens.float()
    labels = torch.einsum("bqn,bnt->bqt", positive.float(), tokens) > 0
    spared = (torch.einsum("bqn,bnt->bqt", ignored.float(), tokens) > 0) & ~labels
    weights = targets.real[:, None] & ~spared
    chosen = nearness.masked_fill(~positive, -torch.inf).argmax(dim=-1)
    return Assignment(labels.float(), weights.float(), positive.any(dim=-1), chosen)
