"""What the tiny segmenter minimises, as SAM 2 does (Ravi et al., 2024, appendix D): masks, their IoU, presence.

Focal and dice loss of the best of several masks, the distance of every predicted IoU from the true one, and cross
entropy of whether the object is seen at all, weighted 20 : 1 : 1 : 1. A mask that the model itself would hide behind a
negative object score is taught all the same, otherwise an object once believed absent would never come back: logits
here are those before that gate. Shapes: N objects, M masks proposed for each, h x w logits, H x W pixels.
"""

import torch
import torch.nn.functional as F

FOCAL_WEIGHT, DICE_WEIGHT, IOU_WEIGHT, SCORE_WEIGHT = 20.0, 1.0, 1.0, 1.0
FOCAL_ALPHA = 0.25  # weight of the foreground
MIN_SEEN_PX = 16  # of fewer pixels nothing is asked, neither a mask nor whether the object is seen
LOSS_PX = 112  # side of the grid on which masks are compared: four times the logits, a quarter of the pixels


def focal_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over the last two dimensions of the focal loss with gamma 2 (Lin et al., 2017).

    logits, targets: float (..., H, W), targets in 0..1: shares of a pixel count as such.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    weights = FOCAL_ALPHA * targets + (1 - FOCAL_ALPHA) * (1 - targets)
    return (weights * (logits.sigmoid() - targets).square() * entropy).mean(dim=(-2, -1))


def dice_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """1 - dice of probabilities over the last two dimensions, with 1 added above and below."""
    probabilities = logits.sigmoid()
    common = (probabilities * targets).sum(dim=(-2, -1))
    total = probabilities.sum(dim=(-2, -1)) + targets.sum(dim=(-2, -1))
    return 1 - (2 * common + 1) / (total + 1)


def mask_iou(found: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Intersection over union of bool (..., H, W) over the last two dimensions; 1 where both are empty."""
    union = (found | targets).sum(dim=(-2, -1))
    return torch.where(union > 0, (found & targets).sum(dim=(-2, -1)) / union.clamp(min=1), 1.0)


def proposal_loss(
    logits_NMhw: torch.Tensor, iou_NM: torch.Tensor, masks_NHW: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of the best of M masks and of all their predicted IoUs, averaged over objects that are seen.

    masks_NHW: bool, the truth. Also returns the true IoU of each object's mask with the highest predicted IoU, (N,).
    """
    targets = F.interpolate(masks_NHW[:, None].float(), (LOSS_PX, LOSS_PX), mode="area")
    logits = F.interpolate(logits_NMhw.float(), (LOSS_PX, LOSS_PX), mode="bilinear", align_corners=False)
    targets_NMHW = targets.expand_as(logits)
    masks_NM = FOCAL_WEIGHT * focal_loss(logits, targets_NMHW) + DICE_WEIGHT * dice_loss(logits, targets_NMHW)
    true_iou_NM = mask_iou(logits.detach() > 0, targets_NMHW > 0.5)
    of_iou_N = (iou_NM.float() - true_iou_NM).abs().mean(dim=1)
    loss_N = masks_NM.min(dim=1).values + IOU_WEIGHT * of_iou_N
    seen_N = (num_seen_px(masks_NHW) >= MIN_SEEN_PX).float()
    chosen_N = iou_NM.argmax(dim=1)
    loss = (loss_N * seen_N).sum() / seen_N.sum().clamp(min=1)
    return loss, true_iou_NM.gather(1, chosen_N[:, None])[:, 0]


def score_loss(score_N: torch.Tensor, masks_NHW: torch.Tensor) -> torch.Tensor:
    """Cross entropy of object scores (logits that the object is seen), but where hardly anything of it is."""
    pixels_N = num_seen_px(masks_NHW)
    clear_N = ((pixels_N == 0) | (pixels_N >= MIN_SEEN_PX)).float()
    losses = F.binary_cross_entropy_with_logits(score_N.float(), (pixels_N > 0).float(), reduction="none")
    return SCORE_WEIGHT * (losses * clear_N).sum() / clear_N.sum().clamp(min=1)


def num_seen_px(masks_NHW: torch.Tensor) -> torch.Tensor:
    """How many pixels of each object are seen."""
    return masks_NHW.sum(dim=(-2, -1))
