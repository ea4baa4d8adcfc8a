"""Against values computed by hand, on masks that are the same everywhere or in halves."""

import math

import pytest
import torch

from tgs_pipeline.tinyworld.pretraining.mask_loss import (
    LOSS_PX,
    dice_loss,
    focal_loss,
    mask_iou,
    proposal_loss,
    score_loss,
)

NUM_PX = LOSS_PX**2


def halves(height=224, width=224):
    """A mask of the left half."""
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[:, : width // 2] = True
    return mask


def test_focal_loss_by_hand():
    """Two pixels of foreground and two of background at probability 1/2, then all but sure and right."""
    targets = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    at_half = (2 * 0.25 + 2 * 0.75) / 4 * 0.25 * math.log(2)
    assert focal_loss(torch.zeros(2, 2), targets).item() == pytest.approx(at_half, rel=1e-6)
    p = 0.9
    logit = math.log(p / (1 - p))
    right = torch.where(targets > 0, logit, -logit)
    expected = 0.5 * (1 - p) ** 2 * -math.log(p)  # both kinds of pixels alike, weights .25 and .75
    assert focal_loss(right, targets).item() == pytest.approx(expected, rel=1e-5)
    one_wrong = right.clone()
    one_wrong[1, 1] = logit
    wrong = 0.75 * p**2 * -math.log(1 - p)
    assert focal_loss(one_wrong, targets).item() == pytest.approx(
        (2 * 0.25 * 0.01 * -math.log(p) + 0.75 * 0.01 * -math.log(p) + wrong) / 4, rel=1e-5
    )


def test_focal_loss_of_a_pixel_that_is_half_covered_is_least_at_one_half():
    targets = torch.full((1, 1), 0.5)
    losses = [focal_loss(torch.full((1, 1), logit), targets).item() for logit in (-1.0, 0.0, 1.0)]
    assert losses[1] == 0 and min(losses[0], losses[2]) > 0


def test_dice_loss_by_hand():
    targets = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    assert dice_loss(torch.zeros(2, 2), targets).item() == pytest.approx(1 - (2 * 1 + 1) / (2 + 2 + 1))
    sure = torch.tensor([[50.0, -50.0], [50.0, -50.0]])
    assert dice_loss(sure, targets).item() == pytest.approx(1 - (2 * 1 + 1) / (2 + 2 + 1))
    assert dice_loss(torch.full((2, 2), -50.0), torch.zeros(2, 2)).item() == pytest.approx(0)


def test_iou_by_hand():
    found = torch.tensor([[True, True, False, False], [False, False, False, False]])[:, None]
    true = torch.tensor([[False, True, True, False], [False, False, False, False]])[:, None]
    assert mask_iou(found, true).tolist() == [pytest.approx(1 / 3), 1.0]


def test_the_best_mask_is_taught_and_all_predicted_ious():
    """Of three masks the second is right, the first empty, the third full; the truth is the left half."""
    half = halves(56, 56)
    logits = torch.stack([torch.full((56, 56), -50.0), torch.where(half, 50.0, -50.0), torch.full((56, 56), 50.0)])
    predicted = torch.tensor([[0.2, 0.7, 0.9]])
    logits = logits[None].requires_grad_()
    loss, iou = proposal_loss(logits, predicted, halves()[None])
    of_ious = (0.2 + 0.3 + 0.4) / 3
    assert loss.item() == pytest.approx(of_ious, abs=0.02)  # at the border, interpolated logits are less sure
    assert iou.item() == pytest.approx(0.5)  # of the mask with the highest prediction, not of the best
    loss.backward()
    touched = logits.grad.abs().sum(dim=(0, 2, 3))
    assert touched[1] > 0 and touched[0] == touched[2] == 0


def test_the_loss_of_even_masks_by_hand():
    """Logits 0 everywhere, weights 20 and 1; nothing is above 0, so the true IoU is 0."""
    loss, iou = proposal_loss(torch.zeros(1, 1, 56, 56), torch.tensor([[0.25]]), halves()[None])
    focal = (0.25 + 0.75) / 2 * 0.25 * math.log(2)
    dice = 1 - (2 * NUM_PX / 4 + 1) / (NUM_PX / 2 + NUM_PX / 2 + 1)
    assert loss.item() == pytest.approx(20 * focal + dice + 0.25, rel=1e-5)
    assert iou.item() == 0


def test_objects_that_are_not_seen_have_no_mask_to_learn():
    empty, sliver = torch.zeros(2, 224, 224, dtype=torch.bool)
    sliver[0, :15] = True
    logits = torch.zeros(3, 1, 56, 56, requires_grad=True)
    ious = torch.full((3, 1), 0.25)
    loss, _ = proposal_loss(logits, ious, torch.stack([empty, sliver, halves()]))
    alone, _ = proposal_loss(torch.zeros(1, 1, 56, 56), ious[:1], halves()[None])
    assert loss.item() == pytest.approx(alone.item())
    loss.backward()
    assert logits.grad[:2].abs().sum() == 0 and logits.grad[2].abs().sum() > 0
    nothing, _ = proposal_loss(logits, ious, torch.stack([empty, sliver, empty]))
    assert nothing.item() == 0


def test_score_loss_by_hand_and_silent_about_slivers():
    empty, sliver = torch.zeros(2, 224, 224, dtype=torch.bool)
    sliver[0, :15] = True
    scores = torch.tensor([2.0, 5.0, -1.0])
    loss = score_loss(scores, torch.stack([empty, sliver, halves()]))
    expected = (math.log(1 + math.exp(2)) + math.log(1 + math.exp(1))) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-6)
