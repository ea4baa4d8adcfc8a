import numpy as np
import pytest
import torch
from torch import nn

from tgs_pipeline.models.qformer import MediaProjector
from tgs_pipeline.tinyworld.pretraining.alignment import batch_of, loss_of, take_moments
from tgs_pipeline.tinyworld.transcript import MOMENTS, WORDS

SIZES = {"num_queries": 4, "hidden_dim": 16, "num_layers": 1, "num_heads": 2, "ffn_dim": 16}


def projector(num_moments):
    return MediaProjector(encoder_dim=8, llm_dim=6, num_moments=num_moments, **SIZES)


def test_moments_are_those_of_the_language_model():
    words = torch.randn(len(WORDS) + len(MOMENTS), 6)
    aligned = projector(len(MOMENTS))
    take_moments(aligned, words)
    assert torch.equal(aligned.moments, words[len(WORDS) :]) and aligned.moments.requires_grad


@pytest.mark.parametrize("num_moments", [0, 3])
def test_other_moments_are_refused(num_moments):
    with pytest.raises(ValueError, match=r"moments of shape \[10, 6\], the projector (None|\[3, 6\])"):
        take_moments(projector(num_moments), torch.randn(len(WORDS) + len(MOMENTS), 6))


def test_what_says_the_sum_of_the_words_has_no_error_and_the_mean_explains_nothing():
    words = torch.randn(len(WORDS) + len(MOMENTS), 6, dtype=torch.float64)
    slots = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (50, len(WORDS)))).double()
    wanted = slots @ words[: len(WORDS)]

    class Says(nn.Module):
        def __init__(self, answer):
            super().__init__()
            self.answer = answer

        def forward(self, held):
            return self.answer.float()

    loss, measures = loss_of(Says(wanted), held_NH=wanted, slots_NW=slots.float(), words=words.float())
    assert loss.item() == pytest.approx(0, abs=1e-8) and measures["explained"] == pytest.approx(1)
    mean = wanted.mean(dim=0).expand_as(wanted)
    loss, measures = loss_of(Says(mean), held_NH=wanted, slots_NW=slots.float(), words=words.float())
    assert loss.item() == pytest.approx(wanted.var(dim=0, correction=0).mean().item(), rel=1e-5)
    assert measures["explained"] == pytest.approx(0, abs=1e-5)


def test_a_batch_follows_from_its_number():
    first = batch_of(100, seed=1, number=3, size=40)
    assert torch.equal(first, batch_of(100, seed=1, number=3, size=40))
    assert not torch.equal(first, batch_of(100, seed=1, number=4, size=40))
    assert first.shape == (40,) and first.min() >= 0 and first.max() < 100
