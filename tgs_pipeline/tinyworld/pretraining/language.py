"""Pretraining of the tiny language model: a LLaMA from random weights, on texts made as they are needed.

Shapes: B texts, L places, D width.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.pretraining.texts import Text, TextWriter
from tgs_pipeline.tinyworld.transcript import MOMENTS, WORDS

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

BATCHES_POOLED = 16  # texts of that many batches are sorted by length, so that little is padding
_TEXTS_PER_CLIP = 6  # at least
_WORD_STD = 0.5  # of embeddings at the start; the usual .02 learned slower


class Reader(nn.Module):
    """The language model and the embeddings of the words of transcripts, which are thrown away after pretraining."""

    def __init__(self, llm: "LlamaForCausalLM") -> None:
        super().__init__()
        self.llm = llm
        self.words = nn.Embedding(len(WORDS) + len(MOMENTS), llm.config.hidden_size)
        for embedding in (self.words, llm.model.embed_tokens):
            nn.init.normal_(embedding.weight, std=_WORD_STD)


class TextStream:
    """Batches of texts of similar length about ever new clips; each depends on its number alone."""

    def __init__(self, writer: TextWriter, *, seed: int, batch_size: int) -> None:
        self._writer, self._seed, self._batch_size = writer, seed, batch_size
        self._pool_number = -1
        self._pool: list[list[Text]] = []

    def batch(self, number: int) -> list[Text]:
        """Batch `number`."""
        if number // BATCHES_POOLED != self._pool_number:
            self._pool_number = number // BATCHES_POOLED
            self._pool = self._make_pool(self._pool_number)
        return self._pool[number % BATCHES_POOLED]

    def _make_pool(self, number: int) -> list[list[Text]]:
        wanted = BATCHES_POOLED * self._batch_size
        num_clips = -(-wanted // _TEXTS_PER_CLIP)
        texts: list[Text] = []
        foreign = plan_clip(self._seed, "open", (number + 1) * num_clips, references_per_clip=0).scene
        for index in range(number * num_clips, (number + 1) * num_clips):
            texts += self._writer.about_clip(seed=self._seed, index=index, foreign=foreign)
            foreign = plan_clip(self._seed, "open", index, references_per_clip=0).scene
        rng = np.random.default_rng([self._seed, number])
        chosen = sorted((texts[i] for i in rng.permutation(len(texts))[:wanted]), key=lambda text: len(text.bags))
        starts = rng.permutation(BATCHES_POOLED) * self._batch_size
        return [chosen[start : start + self._batch_size] for start in starts]


def loss_of(reader: Reader, texts: Sequence[Text]) -> tuple[torch.Tensor, dict[str, float]]:
    """Weighted cross entropy of what is to be predicted; padding is on the right, out of sight of causal attention."""
    table = torch.cat([reader.llm.model.embed_tokens.weight, reader.words.weight])
    length = max(len(text.bags) for text in texts)
    bags = [bag for text in texts for bag in (*text.bags, *([[0]] * (length - len(text.bags))))]
    offsets = torch.tensor([0, *map(len, bags[:-1])]).cumsum(0)
    flat = torch.tensor([number for bag in bags for number in bag])
    embeds_BLD = F.embedding_bag(flat, table, offsets, mode="sum").view(len(texts), length, -1)
    labels_BL, weights_BL = torch.zeros((len(texts), length), dtype=torch.long), torch.zeros((len(texts), length))
    for labels, weights, text in zip(labels_BL, weights_BL, texts, strict=True):
        labels[: len(text.bags)] = torch.tensor([bag[0] for bag in text.bags])
        weights[: len(text.bags)] = torch.tensor(text.weights)
    hidden = reader.llm.model(inputs_embeds=embeds_BLD, use_cache=False).last_hidden_state[:, :-1]
    wanted = weights_BL[:, 1:] > 0
    labels, weights = labels_BL[:, 1:][wanted], weights_BL[:, 1:][wanted]
    logits = reader.llm.lm_head(hidden[wanted]).float()
    losses = F.cross_entropy(logits, labels, reduction="none")
    right = (logits.argmax(-1) == labels).float()
    return (losses * weights).sum() / weights.sum(), {"tokens_right": right.mean().item()}
