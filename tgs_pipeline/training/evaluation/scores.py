"""Scores of a thinker's answers: shares with their counts, beside chance and the blind baseline.

Only replies with status ok count as answers; s_object is compared whole, in any case; of f_object count category and
colour.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tgs_pipeline.backends.thinker.base import Reply
from tgs_pipeline.metrics.shares import wilson_interval
from tgs_pipeline.tinyworld.categories import COLORS
from tgs_pipeline.training.evaluation.blind import BlindAnswer
from tgs_pipeline.training.evaluation.claims import KINDS, Reading
from tgs_pipeline.training.evaluation.questions import GROUP_OF_KIND, GROUPS, Group, Question


@dataclass(frozen=True)
class Rate:
    """How many of a total."""

    num: int
    total: int

    @property
    def share(self) -> float | None:
        """None where there is nothing to count."""
        return self.num / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The Wilson score interval of 95 % (Wilson 1927), as if all cases were independent."""
        return wilson_interval(self.num, self.total) if self.total else None

    def to_json(self) -> dict[str, float | int | None]:
        """share, num, total, and low and high of the interval."""
        low, high = self.interval or (None, None)
        return {"share": self.share, "num": self.num, "total": self.total, "low": low, "high": high}


@dataclass(frozen=True)
class Answer:
    """What was answered; s_object None with is_readable means that nothing is meant."""

    is_readable: bool
    s_object: str | None
    f_object: str | None


@dataclass(frozen=True)
class Outcome:
    """A question, the thinker's reply, its claims, and the answers from the words alone."""

    question: Question
    reply: Reply
    reading: Reading
    blind: BlindAnswer

    @property
    def answer(self) -> Answer:
        """The thinker's answer."""
        return Answer(self.reply.status == "ok", self.reply.s_object, self.reply.f_object)

    def blind_answer(self, *, is_present: bool) -> Answer:
        """The blind baseline's, which may know that an object is meant: then it names one for f_object, too."""
        if not is_present:
            return Answer(True, self.blind.s_object, None)
        return Answer(True, self.blind.if_present, self.blind.name_if_present)


@dataclass(frozen=True)
class Measure:
    """A share of some questions.

    of: which questions. hit: what is counted. chance: probability of a hit by chance; None: the share of null
    references among all questions, which is what drawing answers in their proportion would hit.
    """

    name: str
    of: Callable[[Question], bool]
    hit: Callable[[Question, Answer], bool]
    chance: Callable[[Question], float] | None
    has_baselines: bool = True


@dataclass(frozen=True)
class Score:
    """A measure over some outcomes; baselines are None where the measure has none or nothing is counted."""

    rate: Rate
    chance: float | None
    blind: float | None


def is_right(question: Question, answer: Answer) -> bool:
    """Whether s_object is exactly the right one."""
    if question.s_object is None:
        return is_null(question, answer)
    said = answer.s_object if answer.is_readable else None
    return said is not None and said.strip().lower() == question.s_object


def is_null(question: Question, answer: Answer) -> bool:
    """Whether the answer is that nothing is meant."""
    return answer.is_readable and answer.s_object is None


def names_it_alone(question: Question, answer: Answer) -> bool:
    """Whether f_object names the target's category and, of all colours, its own alone.

    That is one object of a clip: those of one category always differ in colour in this world (tinyworld/sampling.py).
    """
    if question.target is None or not answer.is_readable or answer.f_object is None:
        return False
    words = answer.f_object.lower().split()
    return question.target.category in words and set(words) & set(COLORS) == {question.target.color}


def _chance(question: Question) -> float:
    return question.chance


def _one_of_all(question: Question) -> float:
    return 1 / len(question.scene.objects)


def _asks_object(question: Question) -> bool:
    return question.style == "plain" and question.target is not None


def _is_of_group(group: Group) -> Callable[[Question], bool]:
    return lambda question: question.group == group


def _is_of_kind(kind: str) -> Callable[[Question], bool]:
    return lambda question: _asks_object(question) and question.reference.kind == kind


MEASURES: tuple[Measure, ...] = (
    Measure("s_object, test_s", lambda q: _asks_object(q) and q.split == "test_s", is_right, _chance),
    Measure("s_object, test_u", lambda q: _asks_object(q) and q.split == "test_u", is_right, _chance),
    Measure("s_object, R2-style", lambda q: q.style == "reasoning", is_right, _chance),
    Measure("R2-style, test_s", lambda q: q.style == "reasoning" and q.split == "test_s", is_right, _chance),
    Measure("R2-style, test_u", lambda q: q.style == "reasoning" and q.split == "test_u", is_right, _chance),
    *(Measure(f"kind: {group}", _is_of_group(group), is_right, _chance) for group in GROUPS),
    Measure("kind: null (recognised)", lambda q: q.null is not None, is_null, None),
    Measure("null, absent object", lambda q: q.null == "null_m", is_null, None),
    Measure("null, foreign sound", lambda q: q.null == "null_c", is_null, None),
    Measure("present called null", _asks_object, is_null, None),
    Measure("R2-style called null", lambda q: q.style == "reasoning", is_null, None),
    Measure("f_object, test_s", lambda q: _asks_object(q) and q.split == "test_s", names_it_alone, _one_of_all),
    Measure("f_object, test_u", lambda q: _asks_object(q) and q.split == "test_u", names_it_alone, _one_of_all),
    Measure("f_object, R2-style", lambda q: q.style == "reasoning", names_it_alone, _one_of_all),
    Measure("f_object among twins", lambda q: q.num_twins > 1, names_it_alone, lambda q: 1 / q.num_twins),
    Measure("no readable answer", lambda q: True, lambda q, answer: not answer.is_readable, None, has_baselines=False),
    *(Measure(f"{group}, {kind}", _is_of_kind(kind), is_right, _chance) for kind, group in GROUP_OF_KIND.items()),
)


def measure(outcomes: Sequence[Outcome], what: Measure) -> Score:
    """Score the outcomes that a measure is about."""
    counted = [outcome for outcome in outcomes if what.of(outcome.question)]
    rate = Rate(sum(what.hit(outcome.question, outcome.answer) for outcome in counted), len(counted))
    if not counted or not what.has_baselines:
        return Score(rate, None, None)
    is_present = what.hit is not is_null
    blind_hits = [what.hit(outcome.question, outcome.blind_answer(is_present=is_present)) for outcome in counted]
    blind = sum(blind_hits) / len(counted)
    if what.chance is None:
        return Score(rate, null_share(outcomes), blind)
    return Score(rate, sum(what.chance(outcome.question) for outcome in counted) / len(counted), blind)


def null_share(outcomes: Sequence[Outcome]) -> float | None:
    """The share of null references among the questions."""
    return Rate(sum(outcome.question.null is not None for outcome in outcomes), len(outcomes)).share


def statements(outcomes: Iterable[Outcome]) -> dict[str, Rate]:
    """How many statements of the chains are true: all, all with a column of tolerance, and by kind of claim.

    The demand restated is about the reference, not about the clip: it is no part of `all`. Also how much of what is
    seen and heard the chains name.
    """
    readings = [outcome.reading for outcome in outcomes]
    claims = [claim for reading in readings for claim in reading.claims]
    about_clip = [claim for claim in claims if claim.kind != "demand"]
    rates = {
        "all": Rate(sum(claim.is_true for claim in about_clip), len(about_clip)),
        "all, one column off allowed": Rate(sum(claim.is_near for claim in about_clip), len(about_clip)),
        "objects in view that are named": Rate(
            sum(reading.num_objects_named for reading in readings), sum(reading.num_objects for reading in readings)
        ),
        "sounds that are named": Rate(
            sum(reading.num_sounds_named for reading in readings), sum(reading.num_sounds for reading in readings)
        ),
    }
    for kind in KINDS:
        of_kind = [claim for claim in claims if claim.kind == kind]
        rates[kind] = Rate(sum(claim.is_true for claim in of_kind), len(of_kind))
    return rates
