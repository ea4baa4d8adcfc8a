"""Summary: statuses of each stage and score histograms, counted over all samples, also those left out of the page."""

from collections import Counter
from dataclasses import dataclass, field

from tgs_pipeline.report.records import Record

NUM_BINS = 20
STAGES = ("manifest", "think", "ground", "segment", "score")


@dataclass
class Summary:
    """statuses: (stage, status) -> units; rules: rule of a box -> frames; bins: (split, score name) -> NUM_BINS counts.

    Bins are over 0..1.
    """

    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    bins: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    num_abstained: int = 0

    def add(self, record: Record) -> None:
        self.statuses["manifest", record.sample["status"]] += 1
        self.statuses["think", record.chain["status"]] += 1
        self.statuses["score", record.score["status"]] += 1
        self.statuses.update(("ground", row["status"]) for row in record.boxes.values())
        self.rules.update(row["rule"] for row in record.boxes.values())
        self.statuses.update(("segment", row["status"]) for row in record.masks.values())
        self.num_abstained += record.chain["status"] == "ok" and record.chain["s_object"] is None
        for name in ("JF", "S"):
            value = record.score[name]
            if value is not None:
                bins = self.bins.setdefault((record.sample["split"], name), [0] * NUM_BINS)
                bins[min(int(value * NUM_BINS), NUM_BINS - 1)] += 1

    def statuses_of(self, stage: str) -> list[tuple[str, int]]:
        """Statuses of a stage with their counts: ok first, then by name."""
        found = [(status, count) for (name, status), count in self.statuses.items() if name == stage]
        return sorted(found, key=lambda item: (item[0] != "ok", item[0]))
