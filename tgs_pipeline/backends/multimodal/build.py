"""From the params of a multimodal model to the model, to what it adds to keys, and to how it is to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tgs_pipeline.backends.multimodal.base import Multimodal
from tgs_pipeline.backends.multimodal.replay import Replay
from tgs_pipeline.params_multimodal import MultimodalParams, Prices, ReplayParams
from tgs_pipeline.rows import JSON

REPLAY_ROWS_PER_FLUSH = 256
_MANNERS = {"max_attempts", "replies_per_flush", "give_up_after", "prices"}


@dataclass(frozen=True)
class Manners:
    """How a model is asked; none of it decides what it answers. The fields are those of ServerParams."""

    max_attempts: int
    concurrency: int
    replies_per_flush: int
    give_up_after: float  # infinity: never
    prices: Prices | None


def make(settings: MultimodalParams, *, section: str) -> Multimodal:
    """The model that the params name; section: where they stand, for messages."""
    if isinstance(settings, ReplayParams):
        return Replay(Path(settings.recordings))
    from tgs_pipeline.backends.multimodal.openai_server import OpenAIServer

    taken = settings.model_dump(exclude={"provider", "base_url", *_MANNERS})
    return OpenAIServer(settings.base_url, section=section, **taken)


def identity(settings: MultimodalParams) -> Mapping[str, JSON]:
    """What the model adds to the keys of rows: all that can change an answer, neither address nor secret."""
    if isinstance(settings, ReplayParams):
        return {"model": "replay", "recordings": Replay(Path(settings.recordings)).digest}
    asked: dict[str, JSON] = {"model": settings.model, "sampling": settings.sampling}
    if settings.picture_detail is not None:
        asked["picture_detail"] = settings.picture_detail
    return asked


def manners(settings: MultimodalParams) -> Manners:
    """A recording says the same whenever it is asked, so it is asked once, and misses say nothing about the next."""
    if isinstance(settings, ReplayParams):
        return Manners(1, 1, REPLAY_ROWS_PER_FLUSH, float("inf"), None)
    return Manners(
        settings.max_attempts, settings.concurrency, settings.replies_per_flush, settings.give_up_after, settings.prices
    )
