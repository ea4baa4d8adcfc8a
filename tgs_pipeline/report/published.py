"""Published scores beside ours, where protocol and data are the same, and nowhere else.

published.yaml holds the tables, as reported by their authors (docs/protocols.md says what came from which protocol).
Data are told by a fingerprint of the uids and references of a split, so that another file of the same name, a part of a
benchmark, or the tiny world is never taken for it. A score is shown only of a split that is covered whole.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

import yaml

from tgs_pipeline.params_agreement import GRID_PX
from tgs_pipeline.params_section import Section, Text
from tgs_pipeline.report.records import Record

FINGERPRINT_BITS = 128
MIX = ("test_s", "test_u")
# What params.yaml leaves open under tgs, and what upstream does: the grid, and how ground truth comes onto it.
PUBLISHED_GRID_PX = GRID_PX | {"tgs": 224}
PUBLISHED_GT_RESIZE = {"tgs": "bicubic_bool"}

Metric = Literal["J", "F", "JF", "S"]


class PublishedSplit(Section):
    """What a split of a benchmark holds."""

    samples: int
    fingerprint: Text


class PublishedData(Section):
    """A benchmark; splits by the names of its adapter."""

    name: Text
    splits: dict[str, PublishedSplit]


class PublishedRow(Section):
    """One line of a table. scores: by split, as printed: J, F and JF in percent, S from 0 to 1.

    protocol: null where it is not known, or is none of ours; such a row is never shown beside ours.
    """

    method: Text
    venue: Text
    data: Text
    protocol: Text | None
    scores: dict[str, dict[Metric, float]]
    source: Text


class Published(Section):
    """The content of published.yaml."""

    data: dict[str, PublishedData]
    rows: list[PublishedRow]


@dataclass
class Fingerprints:
    """Collects the samples of each split: their number and a sum of hashes, which does not depend on their order.

    grids_px: sides of the score maps that were made.
    """

    samples: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    grids_px: set[int] = field(default_factory=set)

    def add(self, record: Record) -> None:
        self.add_sample(**{name: record.sample[name] for name in ("uid", "reference", "split")})
        self.grids_px.update(row["levels_size"] for row in record.masks.values())

    def add_sample(self, *, uid: str, reference: str, split: str) -> None:
        self.samples[split] += 1
        digest = hashlib.blake2b(f"{uid}\t{reference}".encode(), digest_size=FINGERPRINT_BITS // 8).digest()
        self.sums[split] = (self.sums[split] + int.from_bytes(digest)) % 2**FINGERPRINT_BITS

    def of(self, split: str) -> PublishedSplit:
        return PublishedSplit(samples=self.samples[split], fingerprint=f"{self.sums[split]:032x}")


@dataclass(frozen=True)
class Comparison:
    """Lines of one benchmark. columns: (split, metric); cells: as text, one for each column, ours first."""

    data: str
    columns: Sequence[tuple[str, str]]
    ours: list[str]
    theirs: list[tuple[PublishedRow, list[str]]]


def read_published() -> Published:
    """The tables that come with the package."""
    text = files("tgs_pipeline.report").joinpath("published.yaml").read_text(encoding="utf-8")
    return Published.model_validate(yaml.safe_load(text))


def compare(published: Published, metrics: Mapping[str, Any], found: Fingerprints) -> Comparison | None:
    """Our scores and those that can stand beside them; None where there are none. metrics: content of metrics.json."""
    protocol = metrics["protocol"]
    if PUBLISHED_GT_RESIZE.get(protocol) not in (None, metrics.get("gt_resize")):
        return None
    if protocol in PUBLISHED_GRID_PX and found.grids_px != {PUBLISHED_GRID_PX[protocol]}:
        return None
    for name, data in published.data.items():
        same = [
            split
            for split, content in data.splits.items()
            if found.of(split) == content and metrics["splits"].get(split, {}).get("coverage") == 1
        ]
        rows = [row for row in published.rows if (row.data, row.protocol) == (name, protocol)]
        shown = [*same, "mix"] if set(MIX) <= set(same) else same
        columns = list(
            dict.fromkeys((split, metric) for row in rows for split in shown for metric in row.scores.get(split, ()))
        )
        if columns:
            return Comparison(
                data=data.name,
                columns=columns,
                ours=[_ours(metrics["splits"][split].get(metric), metric) for split, metric in columns],
                theirs=[(row, [_theirs(row.scores.get(split, {}).get(metric), metric) for split, metric in columns])
                        for row in rows],
            )  # fmt: skip
    return None


def _ours(value: float | None, metric: str) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if metric == "S" else f"{100 * value:.1f}"


def _theirs(value: float | None, metric: str) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if metric == "S" else f"{value:.1f}"
