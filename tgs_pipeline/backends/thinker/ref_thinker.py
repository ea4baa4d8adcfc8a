"""The thinker of TGS-Agent: Ref-Thinker sees and hears the clip, reasons, and names the object."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from tgs_pipeline.backends.thinker.base import Reply, Request
from tgs_pipeline.backends.thinker.loading import load
from tgs_pipeline.backends.thinker.null_probability import NullProbability
from tgs_pipeline.backends.thinker.reply_format import ReplyFormat
from tgs_pipeline.models.qformer import MediaProjector
from tgs_pipeline.models.ref_thinker import Constraint, Padding, Prompt
from tgs_pipeline.prompts.ref_thinker import PROMPTS, Wording, parse_reply


class RefThinkerRunner:
    """Runs a Ref-Thinker folder (backends/thinker/loading.py) on batches of requests.

    prompt: how the question is worded. padding: `read` makes replies depend on batch mates, as upstream (trap T1).
    """

    def __init__(
        self,
        weights: Path,
        *,
        reply_format: Literal["free", "enforced"],
        max_new_tokens: int,
        prompt: Wording,
        padding: Padding,
        dtype: torch.dtype,
        device: str,
    ) -> None:
        self.weights = weights
        self.max_new_tokens = max_new_tokens
        self.ask = PROMPTS[prompt]
        self.padding: Padding = padding
        self.model, self.tokenizer = load(weights, dtype=dtype, device=device)
        self.null_probability = NullProbability(self.tokenizer)
        enforced = reply_format == "enforced"
        self.constraint = ReplyFormat(self.tokenizer, max_new_tokens=max_new_tokens) if enforced else None

    def think(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request; `max_new_tokens` limits what comes after a forced beginning.

        ValueError where features were made by encoders that the weights do not fit, or for a forced text that ends the
        reply or, with an enforced format, is not of it.
        """
        forced = [self._forced_ids(request) for request in requests]
        prompts = [self._prompt(request, forced_ids=ids) for request, ids in zip(requests, forced, strict=True)]
        too_long = [self._too_long(prompt) for prompt in prompts]
        fitting = [number for number, reason in enumerate(too_long) if reason is None]
        answers = iter(
            self._answer([prompts[number] for number in fitting], forced=[forced[number] for number in fitting])
            if fitting
            else []
        )
        return [next(answers) if reason is None else _failed(reason) for reason in too_long]

    def _answer(self, prompts: Sequence[Prompt], *, forced: Sequence[list[int]]) -> list[Reply]:
        watcher = self.null_probability.watch(self._constraint(forced), forced=forced)
        generated = self.model.generate(
            prompts, max_new_tokens=self.max_new_tokens, constraint=watcher, padding=self.padding
        )
        return [
            self._reply(new_ids, forced_ids=ids, null_probability=probability)
            for new_ids, ids, probability in zip(generated, forced, watcher.probabilities, strict=True)
        ]

    def _constraint(self, forced: Sequence[list[int]]) -> Constraint | None:
        if self.constraint is None or not any(forced):
            return self.constraint
        return self.constraint.after([self.constraint.read(ids) for ids in forced])

    def _forced_ids(self, request: Request) -> list[int]:
        """The tokens with which the reply must begin."""
        ids: list[int] = self.tokenizer(request.forced, add_special_tokens=False)["input_ids"] if request.forced else []
        media = {self.model.image_id, self.model.video_id, self.model.audio_id}
        for token in ids:
            if token == self.model.eos_id or token in media:
                raise ValueError(
                    f"reference {request.reference!r}: the forced text holds {self.tokenizer.decode([token])}, which "
                    + ("ends a reply" if token == self.model.eos_id else "stands for media in a prompt")
                )
        return ids

    def _prompt(self, request: Request, *, forced_ids: list[int]) -> Prompt:
        if request.visual is None or request.audio is None:
            raise ValueError("a request without features: Ref-Thinker needs what the stage features computes")
        token_ids = self.tokenizer(self.ask(request.reference), add_special_tokens=False)["input_ids"]
        return Prompt(
            token_ids=torch.tensor(token_ids + forced_ids),
            visual=self._features(request.visual, self.model.visual_projector, what="visual"),
            audio=self._features(request.audio, self.model.audio_projector, what="audio"),
        )

    def _features(self, features: np.ndarray, projector: MediaProjector, *, what: str) -> torch.Tensor:
        if features.shape[-1] != projector.encoder_dim:
            raise ValueError(
                f"{what} features are {features.shape[-1]} wide, but the {what} projector of {self.weights} reads "
                f"{projector.encoder_dim}: set features.{what}.weights to the encoder that it was trained with"
            )
        return torch.from_numpy(features.copy())  # features are read-only views of a file

    def _too_long(self, prompt: Prompt) -> str | None:
        """Why a prompt does not fit the positions of the language model, None where it does."""
        length = self.model.length(prompt) + self.max_new_tokens
        limit = self.model.llm.config.max_position_embeddings
        if length <= limit:
            return None
        return f"prompt and reply need {length} tokens, the language model has {limit}: shorten the reference"

    def _reply(self, new_ids: torch.Tensor, *, forced_ids: list[int], null_probability: float | None) -> Reply:
        """Read a reply: new ids after forced ones, which end with the end token unless they were cut at the limit."""
        truncated = int(new_ids[-1]) != self.model.eos_id
        ids = forced_ids + (new_ids if truncated else new_ids[:-1]).tolist()
        [text] = self.tokenizer.batch_decode([ids], skip_special_tokens=False)
        parsed = parse_reply(text, truncated=truncated)
        return Reply(
            text=text,
            num_tokens=len(forced_ids) + len(new_ids),
            think=parsed.think,
            f_object=parsed.f_object,
            s_object=parsed.s_object,
            status=parsed.status,
            reason=parsed.reason,
            null_probability=null_probability,
        )


def _failed(reason: str) -> Reply:
    return Reply(text=None, num_tokens=0, think=None, f_object=None, s_object=None, status="failed", reason=reason)
