"""Batches: prompt and answer of each example as one sequence, and labels on the answer alone.

Prompt and answer are tokenised apart, as upstream does, and joined. The model pads on the left, so the answers stand
at the right end of every sequence whatever media the prompts hold: labels cover only that end.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import torch
import torch.nn.functional as F

from tgs_pipeline.models.qformer import MediaProjector
from tgs_pipeline.models.ref_thinker import Prompt, RefThinker
from tgs_pipeline.training.examples import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100


class Batch(TypedDict):
    """What a training step takes."""

    prompts: list[Prompt]  # prompts with their answers
    labels: torch.Tensor  # int64 (B, N): ids of the last N places, N the longest answer; IGNORED before an answer


class Collator:
    """Makes batches for a model. ValueError names an example that the model has no room for."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", model: RefThinker) -> None:
        self._tokenizer = tokenizer
        self._limit = model.llm.config.max_position_embeddings
        self._length = model.length
        self._projectors = {"visual": model.visual_projector, "audio": model.audio_projector}

    def __call__(self, examples: Sequence[Example]) -> Batch:
        answers = [self._ids(example.target) for example in examples]
        labels = torch.full((len(examples), max(map(len, answers))), IGNORED)
        for row, answer in zip(labels, answers, strict=True):
            row[len(row) - len(answer) :] = answer
        return {"prompts": [self._prompt(*pair) for pair in zip(examples, answers, strict=True)], "labels": labels}

    def _prompt(self, example: Example, answer: torch.Tensor) -> Prompt:
        prompt = Prompt(
            token_ids=torch.cat([self._ids(example.prompt), answer]),
            visual=_tensor(example.visual, self._projectors["visual"], what=f"visual features of {example.name}"),
            audio=_tensor(example.audio, self._projectors["audio"], what=f"audio features of {example.name}"),
        )
        length = self._length(prompt)
        if length > self._limit:
            raise ValueError(f"{example.name}: prompt and answer are {length} tokens, the model reads {self._limit}")
        return prompt

    def _ids(self, text: str) -> torch.Tensor:
        return torch.tensor(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def answer_loss(logits_BLV: torch.Tensor, labels_BN: torch.Tensor, *, reduction: str = "mean") -> torch.Tensor:
    """Cross entropy of the answer tokens, from the logits of the last N + 1 places at least; a mean is over tokens."""
    num = labels_BN.shape[1]
    predictions = logits_BLV[:, -num - 1 : -1].float()
    return F.cross_entropy(
        predictions.flatten(0, 1), labels_BN.flatten().to(predictions.device), ignore_index=IGNORED, reduction=reduction
    )


def _tensor(features: np.ndarray | None, projector: MediaProjector, *, what: str) -> torch.Tensor | None:
    if features is None:
        return None
    if features.shape[-1] != projector.encoder_dim:
        raise ValueError(
            f"{what} are {features.shape[-1]} wide, the projector reads {projector.encoder_dim}: "
            "model.sizes must fit the encoders of the stage features"
        )
    return torch.from_numpy(features.copy())  # features are read-only views of a file
