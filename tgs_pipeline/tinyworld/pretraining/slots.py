"""Pretraining of the tiny Q-Formers: each query writes one slot of the transcript of a frame or second.

Q-Formers of real systems meet captions by the million; the tiny ones would not learn from a few thousand which query is
to tell of which object. Shapes: F frames or seconds, P patches, E encoder width, Q queries, W words of transcripts.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tgs_pipeline.models.qformer import MediaProjector
from tgs_pipeline.tinyworld.transcript import EMPTY, NUM_SLOTS, WORDS


class SlotWriter(nn.Module):
    """A projector and a linear reader of its queries; the reader is thrown away after pretraining."""

    def __init__(self, projector: MediaProjector, *, hidden_dim: int) -> None:
        super().__init__()
        self.projector = projector
        self.words = nn.Linear(hidden_dim, len(WORDS))

    def forward(self, features_FPE: torch.Tensor) -> torch.Tensor:
        """Logits (F, Q, W) of the words of each slot."""
        return self.words(self.projector.condense(features_FPE))


def targets_of(slots: Sequence[Sequence[str]]) -> np.ndarray:
    """The words of a moment's slots as float32 (NUM_SLOTS, W), 0 or 1; slots that are not used are empty."""
    targets = np.zeros((NUM_SLOTS, len(WORDS)), np.float32)
    for slot, words in zip(targets, [*slots, *([[EMPTY]] * (NUM_SLOTS - len(slots)))], strict=True):
        slot[[WORDS.index(word) for word in words]] = 1
    return targets


def loss_of(logits_FQW: torch.Tensor, targets_FQW: np.ndarray) -> tuple[torch.Tensor, float]:
    """Binary cross entropy of the words, summed over each slot; and the share of used slots with all words right."""
    targets = torch.from_numpy(targets_FQW)
    logits = logits_FQW.float()
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=-1).mean()
    used = targets[..., WORDS.index(EMPTY)] == 0
    right = ((logits > 0) == (targets > 0)).all(dim=-1)[used]
    return loss, right.float().mean().item() if len(right) else 1.0
