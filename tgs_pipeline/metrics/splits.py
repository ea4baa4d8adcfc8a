"""Scores of splits: means over samples or batches, coverage, and the same as CSV for `dvc plots`.

A split is scored by J and F over its samples, and by S over its null samples. Null samples of a split that also holds
others (train, val) form a section of their own, `<split>_null`; those of `test_n` are the section `test_n`.
"""

import csv
import io
from dataclasses import dataclass, field

import numpy as np

from tgs_pipeline.metrics import protocols
from tgs_pipeline.metrics.protocols import Protocol
from tgs_pipeline.metrics.tally import Batches, Tally

NULL_SPLIT = "test_n"
MIXED = ("test_s", "test_u")  # their plain mean is `mix` (UPSTREAM_FACTS 5.1)
SCORES = ("J", "F", "JF")
STEADY = "temporal_stability"  # beside the scores, of no protocol: a mean over the samples that have one
LATE = "JF_late_entrants"  # mean J&F of the samples whose object is out of view at first, where a pivot must be chosen
NOT_SCORED = ("failed", "partial")  # statuses
MAX_CURVE_POINTS = 200


Values = dict[str, float | int | None]


@dataclass
class _Section:
    """What is known of one section so far: scores of its scored samples, and counts of all."""

    batches: Batches | None  # None where the protocol is a mean over samples
    samples: int = 0
    frames: int = 0
    frames_expected: int = 0
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, row: dict, names: tuple[str, ...], tally: Tally | None) -> None:
        self.samples += 1
        self.frames += row["num_frames"]
        self.frames_expected += row["num_frames_expected"]
        if row["status"] not in NOT_SCORED:
            for name in names:
                self.values.setdefault(name, []).append(row[name])
            if row[STEADY] is not None:
                self.values.setdefault(STEADY, []).append(row[STEADY])
            if row["enters_late"]:
                self.values.setdefault(LATE, []).append(row["JF"])
            if self.batches is not None and tally is not None:
                self.batches.add(tally)

    def means(self, names: tuple[str, ...]) -> Values:
        """Means over the scored samples or their batches; None where none is."""
        if self.batches is None:
            return {name: float(np.mean(self.values[name])) if name in self.values else None for name in names}
        means: Values = {**self.batches.means()}
        means["JF"] = _plain_mean([means.get("J"), means.get("F")])
        return {name: means.get(name) for name in names}

    def beside(self) -> Values:
        """Means beside the scores, over samples whatever the protocol; nothing where no sample has one."""
        return {name: float(np.mean(self.values[name])) for name in (STEADY, LATE) if name in self.values}

    def counts(self) -> Values:
        covered = self.frames / self.frames_expected if self.frames_expected else 0.0
        return {"samples": self.samples, "coverage": covered}


class Splits:
    """Collects scores rows (artifacts/scores.py) in the order of the samples, of which batches are made."""

    def __init__(self, *, protocol: Protocol) -> None:
        self.protocol = protocol
        self.found: dict[str, _Section] = {}
        self.null: dict[str, _Section] = {}
        self.reasons: list[str] = []

    def add(self, row: dict, tally: Tally | None = None) -> None:
        """Count one sample; tally: what a scored one adds to its batch, None where the protocol knows no batches."""
        split = row["split"]
        if row["is_null"]:
            name = split if split == NULL_SPLIT else f"{split}_null"
            self.null.setdefault(name, _Section(protocols.null_batches(self.protocol))).add(row, ("S",), tally)
        else:
            name = f"{split}_not_null" if split == NULL_SPLIT else split
            self.found.setdefault(name, _Section(protocols.batches(self.protocol))).add(row, SCORES, tally)
        if row["status"] in NOT_SCORED:
            self.reasons.append(f"{row['uid']} (row {row['row']}): {row['reason']}")

    def metrics(self) -> dict[str, Values]:
        """The `splits` of metrics.json: means of what is scored (None where nothing is), and what they cover.

        samples: all samples of the section. coverage: frames scored / frames that the benchmark defines, 0..1.
        temporal_stability: mean of metrics/stability.py; absent where no sample has two frames that follow each other.
        JF_late_entrants: mean J&F of the samples whose object is out of view at first; absent where there is none.
        false_positive_rate: share of scored null samples with any foreground, or without a readable answer (S = 1).
        """
        result: dict[str, Values] = {}
        for name, section in self.found.items():
            result[name] = section.means(SCORES) | section.counts() | section.beside()
        if all(name in self.found for name in MIXED):
            result["mix"] = {score: _plain_mean([result[name][score] for name in MIXED]) for score in SCORES}
        for name, section in self.null.items():
            alarms = [value > 0 for value in section.values.get("S", [])]
            result[name] = section.means(("S",)) | {"false_positive_rate": float(np.mean(alarms)) if alarms else None}
            result[name].update(section.counts())
        return result

    def summary(self) -> str:
        """One line for the log."""
        shown = []
        for name, values in self.metrics().items():
            score = "JF" if "JF" in values else "S"
            text = "-" if values[score] is None else f"{values[score]:.4f}"
            cover = f" (coverage {values['coverage']:.3f})" if "coverage" in values else ""
            shown.append(f"{name} {'J&F' if score == 'JF' else score} {text}{cover}")
        return ", ".join(shown) or "no samples"

    def splits_csv(self) -> str:
        """The metrics in long form: score (`<split> <metric>`), value 0..1; what could not be scored has no line."""
        rows = [
            (f"{split} {metric}", value)
            for split, values in self.metrics().items()
            for metric, value in values.items()
            if value is not None and metric != "samples"
        ]
        return _csv(("score", "value"), rows)

    def curve_csv(self) -> str:
        """The J&F that a share of the scored samples of a split reaches or exceeds: split, share, JF.

        At most MAX_CURVE_POINTS points for each split.
        """
        rows = []
        for split, section in self.found.items():
            ranked = sorted(section.values.get("JF", []), reverse=True)
            chosen = np.unique(np.linspace(0, len(ranked) - 1, MAX_CURVE_POINTS).round().astype(int)).tolist()
            rows += [(split, (rank + 1) / len(ranked), ranked[rank]) for rank in chosen if ranked]
        return _csv(("split", "share", "JF"), rows)


def _plain_mean(values: list[float | int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _csv(header: tuple[str, ...], rows: list[tuple]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
