"""The result of an evaluation as JSON, as a Markdown table, and answer by answer."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.tinyworld.clip import Split
from tgs_pipeline.training.evaluation.scores import (
    MEASURES,
    Measure,
    Outcome,
    Rate,
    Score,
    is_right,
    measure,
    null_share,
    statements,
)
from tgs_pipeline.training.evaluation.tables import interval, percent, table

RESULT, TABLE, ANSWERS = "evaluation.json", "evaluation.md", "answers.jsonl"


@dataclass(frozen=True)
class Evaluation:
    """All outcomes. num_clips: for each seed, by split. thinker: what was evaluated, for the record."""

    outcomes: Sequence[Outcome]
    seeds: Sequence[int]
    num_clips: Mapping[Split, int]
    thinker: Mapping[str, object]

    @cached_property
    def _of_seed(self) -> dict[int, list[Outcome]]:
        return {seed: [one for one in self.outcomes if one.question.seed == seed] for seed in self.seeds}

    def score(self, what: Measure) -> tuple[Score, dict[int, Score]]:
        """A measure over all outcomes, and for each seed."""
        return measure(self.outcomes, what), {seed: measure(found, what) for seed, found in self._of_seed.items()}

    def statements(self) -> tuple[dict[str, Rate], dict[int, dict[str, Rate]]]:
        """Rates of true statements over all outcomes, and for each seed."""
        return statements(self.outcomes), {seed: statements(found) for seed, found in self._of_seed.items()}

    def to_json(self) -> dict:
        """Every figure, unrounded, with counts and 95 % intervals."""
        scores = {what.name: self.score(what) for what in MEASURES}
        all_rates, rates_of_seed = self.statements()
        return {
            "thinker": dict(self.thinker),
            "seeds": list(self.seeds),
            "clips_per_seed": dict(self.num_clips),
            "questions": len(self.outcomes),
            "null_share": null_share(self.outcomes),
            "scores": {
                name: _score_to_json(pooled) | {"seeds": {str(seed): _score_to_json(one) for seed, one in each.items()}}
                for name, (pooled, each) in scores.items()
            },
            "statements": {
                name: rate.to_json() | {"seeds": {str(s): rates[name].to_json() for s, rates in rates_of_seed.items()}}
                for name, rate in all_rates.items()
            },
        }

    def to_markdown(self) -> str:
        """The tables that people read: percentages, and how they were measured."""
        seeds = [f"seed {seed}" for seed in self.seeds]
        rows = [["answers", "n", "share", "95 % interval", "chance", "blind", *seeds]]
        for what in MEASURES:
            pooled, each = self.score(what)
            shares = [one.rate.share for one in each.values()]
            rows.append(_row(what.name, pooled.rate, [pooled.chance, pooled.blind, *shares]))
        claims = [["true statements of the chains", "n", "share", "95 % interval", *seeds]]
        all_rates, rates_of_seed = self.statements()
        for name, rate in all_rates.items():
            claims.append(_row(name, rate, [rates[name].share for rates in rates_of_seed.values()]))
        clips = ", ".join(f"{number} of {split}" for split, number in self.num_clips.items())
        null = percent(null_share(self.outcomes))
        head = (
            f"{len(self.outcomes)} references to clips of the seeds {', '.join(map(str, self.seeds))} ({clips} for "
            f"each); {null} % of them are null. All shares in %. chance: one object of the clip at random; for null, "
            "the share of null. blind: the best answer from the words of the reference alone; told of objects that "
            "there is one, and the split."
        )
        return f"{head}\n\n{table(rows)}\n\n{table(claims)}\n"

    def write(self, folder: Path) -> None:
        """Write evaluation.json, evaluation.md and answers.jsonl below `folder`. ValueError where that fails."""
        write_text(folder / ANSWERS, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self._answers()))
        write_text(folder / TABLE, self.to_markdown())
        write_text(folder / RESULT, json.dumps(self.to_json(), indent=2) + "\n")  # last: all is there

    def _answers(self) -> Iterator[dict]:
        for one in self.outcomes:
            question, reply = one.question, one.reply
            yield {
                "seed": question.seed,
                "split": question.split,
                "vid": question.vid,
                "style": question.style,
                "kind": question.reference.kind,
                "null": question.null,
                "reference": question.reference.text,
                "right": is_right(question, one.answer),
                "expected": question.s_object,
                "s_object": reply.s_object,
                "f_object": reply.f_object,
                "blind": one.blind.s_object,
                "blind_if_present": one.blind.if_present,
                "blind_name_if_present": one.blind.name_if_present,
                "status": reply.status,
                "reason": reply.reason,
                "think": reply.think,
                "false_claims": [f"{claim.kind}: {claim.text}" for claim in one.reading.claims if not claim.is_true],
            }


def _score_to_json(score: Score) -> dict:
    return score.rate.to_json() | {"chance": score.chance, "blind": score.blind}


def _row(name: str, rate: Rate, others: Sequence[float | None]) -> list[str]:
    return [name, str(rate.total), percent(rate.share), interval(rate.interval), *map(percent, others)]
