"""Selection: which samples the page shows where there are more than it may hold."""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tgs_pipeline.artifacts import samples
from tgs_pipeline.artifacts.table import read_rows

COLUMNS = ["row", "vid", "status"]


@dataclass(frozen=True)
class Selection:
    """`rows` on the page; `media_rows`: for each of their videos, the row whose media paths are used."""

    rows: frozenset[int]
    media_rows: dict[str, int]
    num_total: int

    @property
    def num_left_out(self) -> int:
        return self.num_total - len(self.rows)


def select(path: Path, *, max_samples: int) -> Selection:
    """Choose at most `max_samples` samples: whole videos, in an order given by a hash of the video id.

    The hash draws evenly from all splits whatever the order of the benchmark, and draws the same videos every time.
    path: the samples artifact.
    """
    rows = frozenset(row for _, row in heapq.nsmallest(max_samples, _ranks(path)))
    complete: dict[str, int] = {}
    failed: dict[str, int] = {}
    num_total = 0
    for sample in read_rows(path, samples.SCHEMA, columns=COLUMNS):
        num_total += 1
        if sample["row"] in rows:
            (complete if sample["status"] == "ok" else failed).setdefault(sample["vid"], sample["row"])
    return Selection(rows=rows, media_rows={**failed, **complete}, num_total=num_total)


def _ranks(path: Path) -> Iterator[tuple[str, int]]:
    """(hash of the video, row) of every sample."""
    for sample in read_rows(path, samples.SCHEMA, columns=COLUMNS):
        yield hashlib.blake2b(sample["vid"].encode(), digest_size=8).hexdigest(), sample["row"]
