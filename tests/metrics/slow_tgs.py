"""The F of protocol tgs, transcribed directly from UPSTREAM_FACTS 5.1: 255 passes in torch float32."""

import torch


def f_measure(probabilities_THW: torch.Tensor, gt_THW: torch.Tensor) -> float:
    """F of one video from probabilities float32 and ground truth bool."""
    thresholds = torch.linspace(0, 1 - 1e-10, 255)
    total = torch.zeros(255)
    num_frames = 0
    for probabilities, gt in zip(probabilities_THW, gt_THW.float(), strict=True):
        if gt.mean() == 0.0:
            continue
        precision, recall = torch.zeros(255), torch.zeros(255)
        for index in range(255):
            pred = (probabilities >= thresholds[index]).float()
            hits = (pred * gt).sum()
            precision[index] = hits / (pred.sum() + 1e-20)
            recall[index] = hits / (gt.sum() + 1e-20)
        curve = 1.3 * precision * recall / (0.3 * precision + recall)
        curve[curve != curve] = 0
        total += curve
        num_frames += 1
    return (total / num_frames).max().item() if num_frames else 0.0
