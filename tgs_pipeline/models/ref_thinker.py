"""Ref-Thinker: a LLaMA that reads a prompt in which one token stands for the frames and one for the sound.

A prompt of one modality alone, as in the pretraining of the projectors, has only the token of that one.

Each of the two tokens is replaced by the projected features of its modality; prompts of a batch are padded on the
left. Attention mask and positions go into generation too, so a reply does not depend on its batch mates: upstream
passes neither (trap T1), which `padding: read` repeats.

Shapes: B prompts, L tokens, N new tokens, D width of the language model, V vocabulary, S frames or segments,
P patches, E encoder width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from tgs_pipeline.models.qformer import MediaProjector

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


# (new ids (B, N), logits (B, V)) -> logits with what is forbidden at -inf
Constraint = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# masked: nothing looks at padding. read: it is read as text and moves the text behind it, as upstream (trap T1)
Padding = Literal["masked", "read"]


@dataclass(frozen=True)
class Prompt:
    """One prompt and the encoded media that it speaks of; None for a modality that it leaves out."""

    token_ids: torch.Tensor  # int64 (L,), with one video or image token and one audio token
    visual: torch.Tensor | None  # (S, P, E)
    audio: torch.Tensor | None  # (S, P, E)


@dataclass(frozen=True)
class Inputs:
    """A batch as the language model takes it; padding is on the left, masked, and at position 0."""

    embeds: torch.Tensor  # (B, L, D)
    mask: torch.Tensor  # int64 (B, L): 1 for a token, 0 for padding
    positions: torch.Tensor  # int64 (B, L)


def read_padding(inputs: Inputs) -> Inputs:
    """The same embeddings, as generation of upstream takes them: all of them are text, at positions 0, 1, 2, ...

    Upstream passes embeddings alone, and transformers 4.37.2 then makes these of them (UPSTREAM_FACTS 2.6, trap T1).
    """
    positions = torch.arange(inputs.mask.shape[1], device=inputs.mask.device).expand_as(inputs.mask)
    return Inputs(inputs.embeds, torch.ones_like(inputs.mask), positions)


class RefThinker(nn.Module):
    """The language model with a projector for each modality.

    llm: with or without LoRA layers injected into it.
    image_id, video_id, audio_id: the tokens that stand for the media; pad_id: the token whose embedding fills the
    padding; eos_id: the token that ends a reply.
    """

    def __init__(
        self,
        llm: "LlamaForCausalLM",
        *,
        visual_projector: MediaProjector,
        audio_projector: MediaProjector,
        image_id: int,
        video_id: int,
        audio_id: int,
        pad_id: int,
        eos_id: int,
    ) -> None:
        super().__init__()
        self.llm = llm
        self.visual_projector = visual_projector
        self.audio_projector = audio_projector
        self.image_id, self.video_id, self.audio_id = image_id, video_id, audio_id
        self.pad_id, self.eos_id = pad_id, eos_id

    def length(self, prompt: Prompt) -> int:
        """Tokens of a prompt once its media stand in it."""
        media = [(prompt.visual, self.visual_projector), (prompt.audio, self.audio_projector)]
        return len(prompt.token_ids) + sum(
            len(features) * projector.num_queries - 1 for features, projector in media if features is not None
        )

    def assemble(self, prompts: Sequence[Prompt]) -> Inputs:
        """Embed the prompts with their media and pad them on the left; tensors move to the model's device and dtype."""
        embeds = [self._embed(prompt) for prompt in prompts]
        length = max(len(one) for one in embeds)
        padding = self._embed_tokens(torch.tensor([self.pad_id]))
        embeds_BLD = torch.stack([torch.cat([padding.expand(length - len(one), -1), one]) for one in embeds])
        starts = torch.tensor([length - len(one) for one in embeds], device=embeds_BLD.device)
        mask_BL = (torch.arange(length, device=embeds_BLD.device) >= starts[:, None]).long()
        return Inputs(embeds_BLD, mask_BL, (mask_BL.cumsum(dim=1) - 1).clamp(min=0))

    def forward(self, prompts: Sequence[Prompt], *, num_last: int = 0) -> torch.Tensor:
        """Logits (B, L, V) of a batch of prompts; those at padding mean nothing.

        num_last: compute the logits of that many last places alone; 0 means all.
        """
        inputs = self.assemble(prompts)
        return self.llm(
            inputs_embeds=inputs.embeds,
            attention_mask=inputs.mask,
            position_ids=inputs.positions,
            use_cache=False,
            logits_to_keep=num_last,
        ).logits

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        constraint: Constraint | None = None,
        padding: Padding = "masked",
    ) -> list[torch.Tensor]:
        """The likeliest next token, over and over: new ids of each prompt (int64), up to and with the end token.

        constraint: called before each choice; inputs_embeds has no ids, so it sees the new ids alone.
        padding: `read` makes a reply depend on the longest prompt of its batch.
        """
        from transformers import GenerationConfig, LogitsProcessorList

        inputs = self.assemble(prompts)
        if padding == "read":
            inputs = read_padding(inputs)
        ids_BN = self.llm.generate(  # type: ignore[misc]
            inputs_embeds=inputs.embeds,
            attention_mask=inputs.mask,
            position_ids=inputs.positions,
            logits_processor=LogitsProcessorList([] if constraint is None else [constraint]),
            generation_config=GenerationConfig(
                do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=self.eos_id, pad_token_id=self.pad_id
            ),
        )
        return [self._until_end(ids_N) for ids_N in ids_BN]

    def _embed(self, prompt: Prompt) -> torch.Tensor:
        """Embeddings (L', D) of one prompt, its media tokens replaced by their features."""
        text_LD = self._embed_tokens(prompt.token_ids)
        media = {}
        if prompt.visual is not None:
            media["visual"] = self.visual_projector(prompt.visual.to(text_LD)[None])[0]
        if prompt.audio is not None:
            media["audio"] = self.audio_projector(prompt.audio.to(text_LD)[None])[0]
        kinds = {self.image_id: "visual", self.video_id: "visual", self.audio_id: "audio"}
        places = [(place, kinds[token]) for place, token in enumerate(prompt.token_ids.tolist()) if token in kinds]
        if sorted(kind for _, kind in places) != sorted(media):
            raise ValueError(
                f"a prompt with {' and '.join(sorted(media)) or 'no'} features needs one token for each: video "
                f"({self.video_id}) or image ({self.image_id}), audio ({self.audio_id}); "
                f"its tokens stand for {[kind for _, kind in places]}"
            )
        pieces, start = [], 0
        for place, kind in places:
            pieces += [text_LD[start:place], media[kind]]
            start = place + 1
        return torch.cat([*pieces, text_LD[start:]])

    def _embed_tokens(self, token_ids_L: torch.Tensor) -> torch.Tensor:
        return self.llm.get_input_embeddings()(token_ids_L.to(self.llm.device))

    def _until_end(self, ids_N: torch.Tensor) -> torch.Tensor:
        """The ids up to and with the first end token: what follows is padding."""
        ends = (ids_N == self.eos_id).nonzero()
        return ids_N[: int(ends[0]) + 1] if len(ends) else ids_N
