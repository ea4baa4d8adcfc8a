"""Alignment of a tiny projector with the tiny language model: each query says its slot in the model's own words.

The language model learned to read transcripts whose words have embeddings of their own (language.Reader.words). The MLP
of the projector learns to say the sum of those embeddings, from what the queries hold; so captions (phase 1) need not
teach a few thousand pictures and a whole language at once. The Q-Former stays as it is, and the vectors of `moments`
are those of the language model.

Shapes: N slots, H width of the Q-Former, W words of transcripts, D width of the language model.
"""

import numpy as np
import torch
from torch import nn

from tgs_pipeline.models.qformer import MediaProjector
from tgs_pipeline.tinyworld.transcript import WORDS


def take_moments(projector: MediaProjector, words: torch.Tensor) -> None:
    """Give the projector the moments of a language model.

    words: its embeddings (len(WORDS) + len(MOMENTS), D). ValueError where the projector has other moments.
    """
    moments = words[len(WORDS) :]
    if projector.moments is None or projector.moments.shape != moments.shape:
        found = None if projector.moments is None else list(projector.moments.shape)
        raise ValueError(f"the language model has moments of shape {list(moments.shape)}, the projector {found}")
    projector.moments.data.copy_(moments)


def loss_of(
    proj: nn.Module, *, held_NH: torch.Tensor, slots_NW: torch.Tensor, words: torch.Tensor
) -> tuple[torch.Tensor, dict[str, float]]:
    """Squared error of what `proj` says of slots, and which share of the variance it explains (R squared).

    held_NH: what the queries hold. slots_NW: 0 or 1. words: embeddings of WORDS, and more rows that are not read.
    """
    wanted_ND = slots_NW @ words[: len(WORDS)]
    errors = (proj(held_NH).float() - wanted_ND).square().mean()
    variance = wanted_ND.var(dim=0, correction=0).mean()
    return errors, {"explained": 1 - errors.item() / max(variance.item(), 1e-12)}


def batch_of(num_slots: int, *, seed: int, number: int, size: int) -> torch.Tensor:
    """Which slots batch `number` is about, drawn with replacement."""
    return torch.from_numpy(np.random.default_rng([seed, number]).integers(num_slots, size=size))
