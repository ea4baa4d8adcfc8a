"""The result of a detector's evaluation as JSON, as Markdown tables, and answer by answer."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.training.evaluation.detector.scores import Answers, distribution, found, separate
from tgs_pipeline.training.evaluation.tables import interval, percent, table

RESULT, TABLE, ANSWERS = "detector.json", "detector.md", "detector.jsonl"


@dataclass(frozen=True)
class DetectorEvaluation:
    """All answers. threshold: of the pipeline; fitted_threshold: fitted on other clips than those judged. num_clips: of
    each split, for each seed. detector: what was evaluated, for the record."""

    answers: Sequence[Answers]
    fitted_threshold: float
    threshold: float
    seeds: Sequence[int]
    num_clips: int
    detector: Mapping[str, object]

    def _of_seed(self, seed: int) -> list[Answers]:
        return [one for one in self.answers if one.frame.seed == seed]

    def to_json(self) -> dict[str, Any]:
        """Every figure, unrounded, with counts and 95 % intervals."""
        of_seeds = {seed: found(self._of_seed(seed)) for seed in self.seeds}
        return {
            "detector": dict(self.detector),
            "seeds": list(self.seeds),
            "clips_per_seed_and_split": self.num_clips,
            "frames": len(self.answers),
            "found": {
                name: rate.to_json() | {"seeds": {str(seed): of_seeds[seed][name].to_json() for seed in self.seeds}}
                for name, rate in found(self.answers).items()
            },
            "present_against_absent": {
                name: separate(self.answers, threshold)
                | {"seeds": {str(seed): separate(self._of_seed(seed), threshold) for seed in self.seeds}}
                for name, threshold in (
                    ("of the pipeline", self.threshold),
                    ("fitted", self.fitted_threshold),
                )
            },
            "scores": distribution(self.answers),
        }

    def to_markdown(self) -> str:
        """The tables that people read: percentages, and how they were measured."""
        result = self.to_json()
        seeds = [f"seed {seed}" for seed in self.seeds]
        rows = [["boxes (IoU above .5) and names", "n", "share", "95 % interval", *seeds]]
        for name, rate in result["found"].items():
            rows.append([name, *_cells(rate), *(percent(one["share"]) for one in rate["seeds"].values())])
        parts = [self._head(), table(rows)]
        for name, one in result["present_against_absent"].items():
            parts.append(table(_separation_rows(f"threshold {one['threshold']:.3f}, {name}", one, seeds)))
        scores = [["best score", "n", "5 %", "25 %", "median", "75 %", "95 %", "AUC"]]
        for kind, of_kind in result["scores"].items():
            quantiles = (of_kind["quantiles"] or {}).values()
            numbers = [f"{value:.3f}" for value in quantiles] or ["-"] * 5
            area = of_kind.get("auc")
            scores.append([kind, str(of_kind["num"]), *numbers, "-" if area is None else f"{area:.3f}"])
        parts.append(table(scores))
        return "\n\n".join(parts) + "\n"

    def _head(self) -> str:
        return (
            f"{len(self.answers)} frames of clips of the seeds {', '.join(map(str, self.seeds))} ({self.num_clips} of "
            "test_s and as many of test_u for each: one moment of each, and a frame without objects beside it), "
            "each phrase asked for by itself. Shares in %. A box is right where its IoU with an object that is meant "
            "is above .5; `needed`: another object of that category is in view elsewhere. Balanced accuracy: over "
            "category and colour + category against absent categories, colours and empty frames; the fitted threshold "
            "is from clips of val. AUC: of these present ones against absent ones."
        )

    def write(self, folder: Path) -> None:
        """Write detector.json, detector.md and detector.jsonl below `folder`. ValueError where that fails."""
        write_text(folder / ANSWERS, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self._lines()))
        write_text(folder / TABLE, self.to_markdown())
        write_text(folder / RESULT, json.dumps(self.to_json(), indent=2) + "\n")  # last: all is there

    def _lines(self) -> Iterator[dict[str, object]]:
        for of_frame in self.answers:
            frame = of_frame.frame
            for one in of_frame.answers:
                yield {
                    "seed": frame.seed,
                    "split": frame.split,
                    "vid": frame.vid,
                    "kind": one.question.kind,
                    "phrase": one.question.text,
                    "means": len(one.question.meant),
                    "needs_place": one.question.needs_place,
                    "score": one.score,
                    "iou": one.iou,
                }


def _separation_rows(title: str, result: dict[str, Any], seeds: Sequence[str]) -> list[list[str]]:
    rows = [[title, "n", "share", "95 % interval", *seeds]]
    accuracy, each = result["balanced_accuracy"], [one["balanced_accuracy"] for one in result["seeds"].values()]
    if accuracy is not None:
        bounds = interval((accuracy["low"], accuracy["high"]))
        of_seeds = [percent(one and one["share"]) for one in each]
        rows.append(["balanced accuracy", "-", percent(accuracy["share"]), bounds, *of_seeds])
    for kind, rate in result["kinds"].items():
        of_seeds = [percent(one["kinds"][kind]["share"]) for one in result["seeds"].values()]
        rows.append([f"{kind}: on its side", *_cells(rate), *of_seeds])
    return rows


def _cells(rate: dict[str, Any]) -> list[str]:
    bounds = None if rate["low"] is None else (rate["low"], rate["high"])
    return [str(rate["total"]), percent(rate["share"]), interval(bounds)]
