"""What every thinker takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np


@dataclass(frozen=True)
class Request:
    """A referring expression and the encoded clip it speaks of.

    reference: verbatim.
    visual: float16 (frames, patches, dim); audio: float16 (segments, patches, dim).
    Both are None for thinkers that read no features.
    forced: the text with which the reply must begin, the thinker goes on from there; empty where it begins by itself.
    heard: labels of the sound tagger, for thinkers that are told what is heard.
    """

    reference: str
    visual: np.ndarray | None
    audio: np.ndarray | None
    forced: str = ""
    heard: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """What a thinker said; the meaning of the fields is that of the columns of artifacts/chains.py.

    A forced beginning is part of the reply: of its text (as the thinker's tokenizer spells it) and of its tokens.
    """

    text: str | None
    num_tokens: int
    think: str | None
    f_object: str | None
    s_object: str | None
    status: Literal["ok", "malformed", "truncated", "failed"]
    reason: str | None
    null_probability: float | None = None


class Thinker(Protocol):
    """Finds what a reference means. Replies come in the order of the requests and do not depend on batch mates,
    unless padding is read as upstream reads it (compat/batches.py).

    ValueError for a request that it cannot answer at all, such as a forced text that no reply can begin with.
    """

    def think(self, requests: Sequence[Request]) -> list[Reply]: ...
