"""Scores of a segmenter: means over clips with 95 % intervals, as JSON and as a Markdown table."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.training.evaluation.tables import interval, percent, table

RESULT, TABLE = "segmenter.json", "segmenter.md"
Z_95 = 1.96


class Observation(NamedTuple):
    """One value of a measure, seen on clip `number` of a seed."""

    measure: str
    seed: int
    number: int
    value: float


@dataclass(frozen=True)
class Score:
    """The mean over clips of each clip's mean, and its 95 % interval by their spread; None for a single clip."""

    mean: float
    num_clips: int
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class SegmenterEvaluation:
    """Everything observed. num_clips: for each seed. segmenter: what was evaluated, for the record."""

    observations: Sequence[Observation]
    seeds: Sequence[int]
    num_clips: int
    segmenter: Mapping[str, object]

    @cached_property
    def scores(self) -> dict[str, tuple[Score, dict[int, Score]]]:
        """By measure, in the order in which they were first observed: over all clips, and for each seed."""
        of_measure: dict[str, list[Observation]] = defaultdict(list)
        for one in self.observations:
            of_measure[one.measure].append(one)
        return {name: (score_of(found), _by_seed(found)) for name, found in of_measure.items()}

    def to_json(self) -> dict:
        """Every figure, unrounded."""
        return {
            "segmenter": dict(self.segmenter),
            "seeds": list(self.seeds),
            "clips_per_seed": self.num_clips,
            "measures": {
                name: _score_to_json(pooled) | {"seeds": {str(seed): _score_to_json(one) for seed, one in each.items()}}
                for name, (pooled, each) in self.scores.items()
            },
        }

    def to_markdown(self) -> str:
        """The table that people read: figures in %."""
        rows = [["measure", "clips", "mean", "95 % interval", *(f"seed {seed}" for seed in self.seeds)]]
        for name, (pooled, each) in self.scores.items():
            shares = [percent(each[seed].mean if seed in each else None) for seed in self.seeds]
            rows.append([name, str(pooled.num_clips), percent(pooled.mean), interval(pooled.interval), *shares])
        head = (
            f"{self.num_clips} clips of each of the seeds {', '.join(map(str, self.seeds))}, of seen and unseen "
            "categories in turn. Figures in %, means over clips of each clip's mean; IoU where the object is seen."
        )
        return f"{head}\n\n{table(rows)}\n"

    def write(self, folder: Path) -> None:
        """Write segmenter.json and segmenter.md below `folder`. ValueError where that fails."""
        write_text(folder / TABLE, self.to_markdown())
        write_text(folder / RESULT, json.dumps(self.to_json(), indent=2) + "\n")  # last: all is there


def score_of(observations: Iterable[Observation]) -> Score:
    """Clips count alike, however many values each gave: values of one clip are not independent."""
    of_clip: dict[tuple[int, int], list[float]] = defaultdict(list)
    for one in observations:
        of_clip[one.seed, one.number].append(one.value)
    means = np.array([np.mean(values) for values in of_clip.values()])
    bounds = None
    if len(means) > 1:
        half = Z_95 * means.std(ddof=1) / len(means) ** 0.5
        bounds = (float(means.mean() - half), float(means.mean() + half))
    return Score(float(means.mean()), len(means), bounds)


def _by_seed(observations: Sequence[Observation]) -> dict[int, Score]:
    seeds = sorted({one.seed for one in observations})
    return {seed: score_of(one for one in observations if one.seed == seed) for seed in seeds}


def _score_to_json(score: Score) -> dict[str, float | int | None]:
    low, high = score.interval or (None, None)
    return {"mean": score.mean, "clips": score.num_clips, "low": low, "high": high}
