"""Maps: from the logits of a segmenter to masks and score maps. Logits are float32 (N, h, w), of N objects."""

import numpy as np

MAX_LOGIT = 32.0


def resize(logits_Nhw: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """float32 (N, *size), bilinear, as SAM 2 resizes its logits."""
    import torch
    import torch.nn.functional as F

    if not len(logits_Nhw):
        return np.zeros((0, *size), np.float32)
    resized = F.interpolate(torch.from_numpy(logits_Nhw)[None], size, mode="bilinear", align_corners=False)
    return resized[0].numpy()


def score_map(low_res_logits: np.ndarray, *, size_px: int) -> np.ndarray:
    """Probabilities float32 (size_px, size_px) of logits float32 (h, w): bilinear, then sigmoid, as upstream (4.4)."""
    return probabilities(resize(low_res_logits[None], size=(size_px, size_px))[0])


def probabilities(logits: np.ndarray) -> np.ndarray:
    """The sigmoid of logits, float32 of the same shape."""
    import torch

    return torch.from_numpy(logits).sigmoid().numpy()


def exclude(logits_NHW: np.ndarray, *, background_logit: float) -> np.ndarray:
    """Logits float32 (N, H, W) by which each pixel belongs to one object at most, over a background of logit 0.

    A pixel goes to the object of the highest logit, the first one of equal ones, or to the background where none is
    above `background_logit`. That is AL-Ref-SAM 2's argmax over background and objects on DAVIS, where the background
    has logit -1 (UPSTREAM_FACTS 6.2, trap T45); an object's logits are then relative to it, and -MAX_LOGIT elsewhere.
    """
    background_HW = np.full(logits_NHW.shape[1:], background_logit, np.float32)
    winner_HW = np.concatenate([background_HW[None], logits_NHW]).argmax(axis=0)
    wins_NHW = winner_HW[None] == np.arange(1, len(logits_NHW) + 1)[:, None, None]
    return np.where(wins_NHW, logits_NHW - background_HW, np.float32(-MAX_LOGIT))
