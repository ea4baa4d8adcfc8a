"""Multimodal: any model that is asked with text and pictures and answers with text.

It teaches (`tgs train instruct`), names sounding objects and chooses frames and boxes; who asks says what about.

Ways to fail, all of them `MultimodalError`s whose text can be stored and shown (it holds no key):
`UnreachableError` no reply was had in the end; asking again later may help.
`BadRequestError`  this request cannot be sent or is refused as such (a picture too large); asking again will not help.
`UnusableError`    no request can succeed until somebody changes the settings (key, model name, address).
`NoAnswerError`    the model replied, but with no text that could be an answer (refused, empty, cut).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from PIL import Image


class MultimodalError(ValueError):
    """No answer; the message says why."""


class UnreachableError(MultimodalError):
    """No reply after all retries."""


class BadRequestError(MultimodalError):
    """A request that no server would answer, or that this one does not accept."""


class UnusableError(MultimodalError):
    """The server accepts no request of ours: wrong key, model or address."""


class NoAnswerError(MultimodalError):
    """A reply without an answer. `text` is what it held instead (a refusal, the beginning of an answer)."""

    def __init__(self, reason: str, *, text: str, prompt_tokens: int, completion_tokens: int) -> None:
        super().__init__(reason)
        self.text = text
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens


@dataclass(frozen=True)
class Picture:
    """A JPEG file in memory; `name` says in error messages which one."""

    name: str
    jpeg: bytes


@dataclass(frozen=True)
class Message:
    """One turn: texts and pictures in the order in which the model reads them."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[str | Picture, ...]


@dataclass(frozen=True)
class Subject:
    """What a question is about. A server needs none of it; recorded replies are found by it.

    task: which question (prompts/ name theirs); object_name: of the video, where the question is about one object.
    """

    task: str
    vid: str
    object_name: str | None = None


@dataclass(frozen=True)
class Answer:
    """An answer, and what it cost (0 where the server does not count)."""

    text: str
    prompt_tokens: int
    completion_tokens: int


class Multimodal(Protocol):
    """Answers one conversation at a time; safe to call from several threads."""

    def ask(self, messages: Sequence[Message], *, subject: Subject | None = None) -> Answer:
        """The model's answer, blanks around it dropped; raises MultimodalError."""
        ...


def make_picture(image: np.ndarray, *, name: str, longest_edge_px: int, jpeg_quality: int) -> Picture:
    """`image`, uint8 (H, W, 3) RGB, as a JPEG whose longer side has at most `longest_edge_px`."""
    height, width = image.shape[:2]
    scale = min(1.0, longest_edge_px / max(height, width))
    picture = Image.fromarray(image)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=jpeg_quality)
    return Picture(name, file.getvalue())
