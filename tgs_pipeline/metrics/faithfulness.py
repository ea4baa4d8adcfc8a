"""Faithfulness of chains: does the answer follow what the chain says, and what is seen and heard?

Answers are texts: the `s_object` that a thinker named, NULL where it said that nothing is referred to, None where no
answer could be read. Names are compared without regard to case, and otherwise exactly. What cannot be read counts as
the worst: it follows nothing, it has not changed where it should, and has changed where it should not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tgs_pipeline.metrics.shares import wilson_interval

NULL = "null"

FORCED = (
    *("true_description", "irrelevant_edit", "edited_description", "foreign_description"),
    *("edited_chain", "foreign_chain"),
)
SWAPPED = ("swapped_sound", "swapped_frames")

# (intervention, what is counted) -> what the rate says. The order is that of every table.
MEASURES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (
            "true_description",
            "follows",
        ): "Control: the true description of the clip is forced, and the answer is right.",
        ("irrelevant_edit", "follows"): (
            "Control: a fact of the forced description is edited that does not matter, and the answer stays right."
        ),
        ("edited_description", "follows"): (
            "One fact of the forced description is edited, and the answer is the one that now follows."
        ),
        ("foreign_description", "follows"): (
            "The description of another clip is forced, and the answer is what the reference means there."
        ),
        ("edited_chain", "follows"): (
            "The thinker's own chain is forced with another name in place of the one it concluded, and the answer is "
            "that name."
        ),
        ("foreign_chain", "follows"): (
            "The chain that the thinker wrote for another sample is forced, and the answer is what it concluded there."
        ),
        ("swapped_sound", "changes_where_it_should"): (
            "The soundtrack of another clip is heard, by which the right answer changes, and the answer changes."
        ),
        ("swapped_sound", "changes_where_it_should_not"): (
            "The soundtrack of another clip is heard, by which the right answer stays, and the answer changes: lower "
            "is better."
        ),
        ("swapped_sound", "changes"): (
            "The soundtrack of another clip is heard, and the answer changes; whether it should is not known."
        ),
        ("swapped_frames", "changes_where_it_should"): (
            "The frames of another clip are seen, by which the right answer changes, and the answer changes."
        ),
        ("swapped_frames", "changes_where_it_should_not"): (
            "The frames of another clip are seen, by which the right answer stays, and the answer changes: lower is "
            "better."
        ),
        ("swapped_frames", "changes"): (
            "The frames of another clip are seen, and the answer changes; whether it should is not known."
        ),
    }
)


@dataclass(frozen=True)
class Outcome:
    """One intervention and the answer after it.

    original: the answer without intervention. expected: the answer that would follow, None where that is unknown;
    always known for FORCED. should_change: for SWAPPED, whether the right answer changes, None where that is unknown.
    """

    intervention: str
    original: str
    expected: str | None
    should_change: bool | None
    answer: str | None

    @property
    def follows(self) -> bool | None:
        """Whether the answer is the expected one, None where none is known."""
        return None if self.expected is None else is_same(self.answer, self.expected)

    @property
    def changes(self) -> bool | None:
        """Whether the answer is another one than without intervention, None where it cannot be read."""
        return None if self.answer is None else not is_same(self.answer, self.original)

    @property
    def measure(self) -> str:
        """What this outcome is counted for, see MEASURES."""
        if self.intervention in FORCED:
            return "follows"
        if self.should_change is None:
            return "changes"
        return "changes_where_it_should" if self.should_change else "changes_where_it_should_not"

    @property
    def counts(self) -> bool:
        """Whether it is one of those that the rate of its measure counts."""
        if self.measure == "follows":
            return self.follows is True
        return self.changes is not False if self.measure == "changes_where_it_should_not" else self.changes is True


@dataclass(frozen=True)
class Rate:
    """`hits` of `cases`, of which `unreadable` had no readable answer."""

    hits: int
    cases: int
    unreadable: int

    @property
    def rate(self) -> float:
        """The share of hits, 0..1."""
        return self.hits / self.cases

    def interval(self) -> tuple[float, float]:
        """Wilson's score interval of 95 %."""
        return wilson_interval(self.hits, self.cases)

    def to_json(self) -> dict[str, float | int]:
        low, high = self.interval()
        counts = {"hits": self.hits, "cases": self.cases, "unreadable": self.unreadable}
        return {"rate": self.rate, "low": low, "high": high, **counts}


def is_same(answer: str | None, other: str | None) -> bool:
    """Whether two answers name the same: exactly, but for case. What could not be read is the same as nothing."""
    return answer is not None and other is not None and answer.casefold() == other.casefold()


def measure(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], Rate]:
    """The rate of each of MEASURES that has a case, in that order. ValueError for an unknown or incomplete outcome."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.intervention not in (*FORCED, *SWAPPED):
            raise ValueError(f"unknown intervention {outcome.intervention!r}: expected one of {[*FORCED, *SWAPPED]}")
        if outcome.intervention in FORCED and outcome.expected is None:
            raise ValueError(f"an outcome of {outcome.intervention} without the expected answer: {outcome}")
        found.setdefault((outcome.intervention, outcome.measure), []).append(outcome)
    return {
        name: Rate(
            hits=sum(outcome.counts for outcome in found[name]),
            cases=len(found[name]),
            unreadable=sum(outcome.answer is None for outcome in found[name]),
        )
        for name in MEASURES
        if name in found
    }
