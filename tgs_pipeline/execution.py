"""Execution: how a stage runs. Nothing here can change a row or an artifact."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NUM_REASONS_SHOWN = 10


class StageError(ValueError):
    """A stage that cannot go on; the message says what to do. Rows computed before are kept."""


@dataclass(frozen=True)
class Shard:
    """Share `index` of `count` of the units of a stage; units are dealt out by key."""

    index: int
    count: int

    def __contains__(self, key: str) -> bool:
        return int(key[:8], 16) % self.count == self.index


WHOLE = Shard(0, 1)


@dataclass(frozen=True)
class Execution:
    """How a stage runs. cache: folder of the row stores of all stages; what is published lies in the workspace."""

    cache: Path
    batch_size: int
    num_loaders: int
    flush_rows: int
    flush_sec: float
    max_failure_rate: float
    device: str
    shard: Shard = WHOLE


def first_reasons(reasons: Sequence[str]) -> str:
    """The first NUM_REASONS_SHOWN reasons, indented, a line each, and how many more there are."""
    lines = [f"  {reason}" for reason in reasons[:NUM_REASONS_SHOWN]]
    left = len(reasons) - NUM_REASONS_SHOWN
    return "\n".join(lines + ([f"  ... and {left} more"] if left > 0 else []))
