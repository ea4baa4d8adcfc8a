"""The projectors of Ref-Thinker: a Q-Former condenses what an encoder says of each frame or second, an MLP maps it
into the language model.

The Q-Former is BLIP-2's, two layers with cross-attention in both, and reads no text (UPSTREAM_FACTS 2.3), so
transformers' Blip2QFormerModel is the same function. The published checkpoints name its weights otherwise and hold
the unused text half as well: `live_keys` and `dead_keys` list both, and conversion accounts for every key.

Ours alone: `moments`, one vector for each frame or segment that is added to all it says. The published projectors have
none, since LLaMA-2-7b counts positions; a language model of a few million parameters does not.

Shapes: B clips, S frames or segments, P patches, E encoder width, Q queries, D width of the language model.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import nn

Modality = Literal["visual", "audio"]

_DENSE = ("dense.weight", "dense.bias")
_NORM = ("LayerNorm.weight", "LayerNorm.bias")


class MediaProjector(nn.Module):
    """LayerNorm, learned queries, Q-Former, Linear-GELU-Linear; num_moments: rows of `moments`, 0 for none."""

    def __init__(
        self,
        *,
        encoder_dim: int,
        llm_dim: int,
        num_queries: int,
        hidden_dim: int,
        num_layers: int,
        num_heads: int,
        ffn_dim: int,
        num_moments: int = 0,
    ) -> None:
        from transformers import Blip2QFormerConfig, Blip2QFormerModel

        super().__init__()
        self.ln = nn.LayerNorm(encoder_dim)
        self.query_tokens = nn.Parameter(torch.empty(1, num_queries, hidden_dim).normal_(std=0.02))
        self.qformer = Blip2QFormerModel(
            Blip2QFormerConfig(
                hidden_size=hidden_dim,
                num_hidden_layers=num_layers,
                num_attention_heads=num_heads,
                intermediate_size=ffn_dim,
                encoder_hidden_size=encoder_dim,
                cross_attention_frequency=1,
            )
        )
        self.proj = nn.Sequential(nn.Linear(hidden_dim, llm_dim), nn.GELU(), nn.Linear(llm_dim, llm_dim))
        self.moments = nn.Parameter(torch.zeros(num_moments, llm_dim)) if num_moments else None

    @property
    def encoder_dim(self) -> int:
        return self.ln.normalized_shape[0]

    @property
    def num_queries(self) -> int:
        return self.query_tokens.shape[1]

    def forward(self, features_BSPE: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, S*Q, D) of encoder features (B, S, P, E); each frame or segment by itself.

        ValueError where there are more frames or segments than `moments`.
        """
        num_clips, num_moments = features_BSPE.shape[:2]
        said = self.proj(self.condense(features_BSPE.flatten(0, 1)))
        said_BSQD = said.reshape(num_clips, num_moments, self.num_queries, self.proj[-1].out_features)
        if self.moments is not None:
            if num_moments > len(self.moments):
                raise ValueError(f"{num_moments} frames or segments, but num_moments is {len(self.moments)}")
            said_BSQD = said_BSQD + self.moments[:num_moments, None]
        return said_BSQD.flatten(1, 2)

    def condense(self, features_FPE: torch.Tensor) -> torch.Tensor:
        """What the queries hold (F, Q, hidden_dim) of frames or segments (F, P, E), before it is projected."""
        queries = self.query_tokens.expand(len(features_FPE), -1, -1)
        return self.qformer(query_embeds=queries, encoder_hidden_states=self.ln(features_FPE)).last_hidden_state


def live_keys(modality: Modality, *, num_layers: int, has_moments: bool = False) -> dict[str, str]:
    """Keys of a published projector that are used, without prefix -> keys of MediaProjector.

    has_moments: also the one of `moments`, which no published file holds.
    """
    bert = f"{modality}_Qformer.bert"
    keys = {
        f"{modality}_query_tokens": "query_tokens",
        f"{bert}.embeddings.LayerNorm.weight": "qformer.layernorm.weight",
        f"{bert}.embeddings.LayerNorm.bias": "qformer.layernorm.bias",
    }
    keys |= {f"{modality}_moments": "moments"} if has_moments else {}
    keys |= {f"{modality}_ln.{name}": f"ln.{name}" for name in ("weight", "bias")}
    keys |= {f"{modality}_proj.{i}.{name}": f"proj.{i}.{name}" for i in (0, 2) for name in ("weight", "bias")}
    for layer in (f"encoder.layer.{number}" for number in range(num_layers)):
        for attention in ("attention", "crossattention"):
            keys |= {
                f"{bert}.{layer}.{attention}.self.{part}.{name}": f"qformer.{layer}.{attention}.attention.{part}.{name}"
                for part in ("query", "key", "value")
                for name in ("weight", "bias")
            }
        unchanged = [
            f"{attention}.output.{name}" for attention in ("attention", "crossattention") for name in _DENSE + _NORM
        ]
        unchanged += [f"intermediate_query.{name}" for name in _DENSE]
        unchanged += [f"output_query.{name}" for name in _DENSE + _NORM]
        keys |= {f"{bert}.{layer}.{name}": f"qformer.{layer}.{name}" for name in unchanged}
    return keys


def dead_keys(modality: Modality, *, num_layers: int) -> set[str]:
    """Keys of a published projector that belong to the text half, which no input ever reaches."""
    qformer = f"{modality}_Qformer"
    keys = {f"{qformer}.bert.embeddings.{name}_embeddings.weight" for name in ("word", "position")}
    for layer in (f"{qformer}.bert.encoder.layer.{number}" for number in range(num_layers)):
        keys |= {f"{layer}.intermediate.{name}" for name in _DENSE} | {
            f"{layer}.output.{name}" for name in _DENSE + _NORM
        }
    head = f"{qformer}.cls.predictions"
    return keys | {f"{head}.bias"} | {f"{head}.transform.{name}" for name in _DENSE + _NORM}


def from_original(state: Mapping[str, torch.Tensor], *, modality: Modality, num_layers: int) -> dict[str, torch.Tensor]:
    """The state of a MediaProjector from a published one (keys without prefix); the text half is dropped.

    Raises ValueError naming every key that is missing or unknown.
    """
    live = live_keys(modality, num_layers=num_layers, has_moments=f"{modality}_moments" in state)
    dead = dead_keys(modality, num_layers=num_layers)
    missing, unknown = sorted(live.keys() - state.keys()), sorted(state.keys() - live.keys() - dead)
    if missing or unknown:
        raise ValueError(f"{modality} projector of {num_layers} layers: missing keys {missing}, unknown keys {unknown}")
    return {port: state[original] for original, port in live.items()}


def to_original(state: Mapping[str, torch.Tensor], *, modality: Modality, num_layers: int) -> dict[str, torch.Tensor]:
    """The state of a MediaProjector under the published names, without the text half: undoes `from_original`."""
    live = live_keys(modality, num_layers=num_layers, has_moments="moments" in state)
    missing, unknown = sorted(set(live.values()) - state.keys()), sorted(state.keys() - set(live.values()))
    if missing or unknown:
        raise ValueError(f"{modality} projector of {num_layers} layers: missing keys {missing}, unknown keys {unknown}")
    return {original: state[port] for original, port in live.items()}
