"""Pretraining of the tiny language model: a LLaMA from random weights, on texts made as they are needed.

Shapes: B texts, L places, D width.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.pretraining.texts import Text, TextWriter
from tgs_pipeline.tinyworld.transcript import WORDS

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

IGNORED = -100
BATCHES_POOLED = 16  # texts of that many batches are sorted by length, so that little is padding

log = logging.getLogger(__name__)


def stream_batches(writer: TextWriter, *, seed: int, batch_size: int, start: int = 0) -> Iterator[list[Text]]:
    """Batches of texts of similar length about ever new clips."""
    rng = torch.Generator().manual_seed(seed)
    pool: list[Text] = []
    index, foreign = start, plan_clip(seed, "open", start).scene
    while True:
        pool += writer.about_clip(seed=seed, index=index, foreign=foreign)
        foreign = plan_clip(seed, "open", index, references_per_clip=0).scene
        index += 1
        if len(pool) < BATCHES_POOLED * batch_size:
            continue
        order = torch.randperm(len(pool), generator=rng).tolist()
        chosen = sorted((pool[i] for i in order[: BATCHES_POOLED * batch_size]), key=lambda text: len(text.bags))
        pool = [pool[i] for i in order[BATCHES_POOLED * batch_size :]]
        for place in torch.randperm(BATCHES_POOLED, generator=rng).tolist():
            yield chosen[place * batch_size : (place + 1) * batch_size]


def loss_of(llm: "LlamaForCausalLM", words: nn.Embedding, texts: Sequence[Text]) -> torch.Tensor:
    """Mean cross entropy of the places to be predicted; padding is on the right, out of sight of causal attention."""
    table = torch.cat([llm.get_input_embeddings().weight, words.weight])
    length = max(len(text.bags) for text in texts)
    bags = [bag for text in texts for bag in (*text.bags, *([[0]] * (length - len(text.bags))))]
    offsets = torch.tensor([0, *map(len, bags[:-1])]).cumsum(0)
    flat = torch.tensor([number for bag in bags for number in bag])
    embeds_BLD = F.embedding_bag(flat, table, offsets, mode="sum").view(len(texts), length, -1)
    labels_BL = torch.full((len(texts), length), IGNORED)
    for row, text in zip(labels_BL, texts, strict=True):
        row[: len(text.bags)] = torch.tensor(
            [bag[0] if target else IGNORED for bag, target in zip(text.bags, text.is_target, strict=True)]
        )
    hidden = llm.model(inputs_embeds=embeds_BLD, use_cache=False).last_hidden_state[:, :-1]
    wanted = labels_BL[:, 1:] != IGNORED
    return F.cross_entropy(llm.lm_head(hidden[wanted]).float(), labels_BL[:, 1:][wanted])
