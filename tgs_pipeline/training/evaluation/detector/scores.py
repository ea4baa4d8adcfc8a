"""Scores of a detector's answers: boxes that are right, categories that are named, present told from absent.

Shapes: n candidates, N objects of a scene, K categories.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tgs_pipeline.backends.detector.base import Candidates
from tgs_pipeline.metrics.separation import auc, balanced_accuracy, best_threshold
from tgs_pipeline.training.evaluation.detector.questions import (
    ABSENT,
    CATEGORY_NAMES,
    NAMED,
    PRESENT,
    Frame,
    Question,
)
from tgs_pipeline.training.evaluation.scores import Rate

RIGHT_IOU = 0.5
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Answer:
    """What a detector answers to a question. score: of its best box, 0 without one. iou: of that box, the largest with
    an object that is meant; 0 where none is."""

    question: Question
    score: float
    iou: float

    @property
    def is_right(self) -> bool:
        return self.iou > RIGHT_IOU


@dataclass(frozen=True)
class Naming:
    """The category that scored best on an object in view, None where no prompt found it."""

    category: str
    answered: str | None


@dataclass(frozen=True)
class Answers:
    """All that a detector says of a frame."""

    frame: Frame
    answers: tuple[Answer, ...]
    namings: tuple[Naming, ...]


def judge(frame: Frame, found: Sequence[Candidates]) -> Answers:
    """Compare candidates, one set for each question, with what the frame shows."""
    ious = [iou_of(one.boxes_xyxy, frame.view.boxes) for one in found]  # each (n, N)
    answers = []
    for question, one, iou in zip(frame.questions, found, ious, strict=True):
        best = int(one.scores.argmax()) if len(one.scores) else None
        right = 0.0 if best is None or not question.meant else float(iou[best, list(question.meant)].max())
        answers.append(Answer(question, 0.0 if best is None else float(one.scores[best]), right))
    asked = {question.text: number for number, question in enumerate(frame.questions)}
    prompts = {category: asked[category] for category in CATEGORY_NAMES if category in asked}
    namings = []
    for index in frame.view.shown if len(prompts) == len(CATEGORY_NAMES) else ():
        scores = {
            category: float(found[number].scores[ious[number][:, index] > RIGHT_IOU].max(initial=0.0))
            for category, number in prompts.items()
        }
        best_name = max(scores, key=lambda category: scores[category])
        namings.append(Naming(frame.view.scene.objects[index].category, best_name if scores[best_name] else None))
    return Answers(frame, tuple(answers), tuple(namings))


def iou_of(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU (n, N) of boxes xyxy (n, 4) and (N, 4); 0 with a box without area."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas = [np.clip(one[:, 2:] - one[:, :2], 0, None).prod(axis=-1) for one in (boxes, others)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.where(union > 0, shared / np.maximum(union, 1e-12), 0.0)


@dataclass(frozen=True)
class Measure:
    """A share that is reported: which answers count, and which of them are right."""

    name: str
    counts: Callable[[Answer], bool]
    is_right: Callable[[Answer], bool] = lambda answer: answer.is_right


def _of_kind(kind: str) -> Callable[[Answer], bool]:
    return lambda answer: answer.question.kind == kind


FOUND: tuple[Measure, ...] = (
    Measure("best box right: category", _of_kind("category")),
    Measure("best box right: colour + category", _of_kind("colored")),
    Measure("best box right: category + place", _of_kind("place")),
    Measure(
        "best box right: category + place, needed", lambda a: a.question.kind == "place" and a.question.needs_place
    ),
    Measure("best box right: f_object (colour, category, place)", _of_kind("f_object")),
    Measure("best box right: place phrases, both forms", lambda a: a.question.kind in ("place", "f_object")),
)


def found(answers: Sequence[Answers]) -> dict[str, Rate]:
    """How often the best box is right, by form of the phrase, and how often an object is named rightly."""
    flat = [one for of_frame in answers for one in of_frame.answers]
    rates = {}
    for what in FOUND:
        counted = [one for one in flat if what.counts(one)]
        rates[what.name] = Rate(sum(map(what.is_right, counted)), len(counted))
    namings = [naming for of_frame in answers for naming in of_frame.namings]
    right = sum(naming.answered == naming.category for naming in namings)
    rates["right category among all prompts"] = Rate(right, len(namings))
    rates["object found by some prompt"] = Rate(sum(one.answered is not None for one in namings), len(namings))
    return rates


def scores_of(answers: Sequence[Answers], kinds: Sequence[str]) -> np.ndarray:
    """Best scores of all questions of these kinds."""
    flat = [one for of_frame in answers for one in of_frame.answers]
    return np.array([one.score for one in flat if one.question.kind in kinds])


def fit_threshold(answers: Sequence[Answers]) -> float:
    """The threshold that tells present from absent best."""
    return best_threshold(scores_of(answers, NAMED), scores_of(answers, ABSENT))


def separate(answers: Sequence[Answers], threshold: float) -> dict[str, object]:
    """How a threshold tells present from absent: the balanced accuracy with its interval, and the share of each kind
    that is on its side of the threshold."""
    present, absent = scores_of(answers, NAMED), scores_of(answers, ABSENT)
    sides = {kind: _side(scores_of(answers, [kind]), threshold, above=True) for kind in PRESENT}
    sides |= {kind: _side(scores_of(answers, [kind]), threshold, above=False) for kind in (*ABSENT, "absent place")}
    result: dict[str, object] = {"threshold": threshold, "balanced_accuracy": None}
    if len(present) and len(absent):
        counts = int((present > threshold).sum()), len(present), int((absent <= threshold).sum()), len(absent)
        share, low, high = balanced_accuracy(*counts)
        result["balanced_accuracy"] = {"share": share, "low": low, "high": high}
    return result | {"kinds": {kind: rate.to_json() for kind, rate in sides.items()}}


def _side(scores: np.ndarray, threshold: float, *, above: bool) -> Rate:
    num = int((scores > threshold).sum())
    return Rate(num if above else len(scores) - num, len(scores))


def distribution(answers: Sequence[Answers]) -> dict[str, dict[str, object]]:
    """Quantiles of the best score by kind, and for absent kinds the AUC against the present named objects."""
    present = scores_of(answers, NAMED)
    result: dict[str, dict[str, object]] = {}
    for kind in (*PRESENT, *ABSENT, "absent place"):
        scores = scores_of(answers, [kind])
        quantiles = {str(q): float(np.quantile(scores, q)) for q in QUANTILES} if len(scores) else None
        result[kind] = {"num": len(scores), "quantiles": quantiles}
        if kind not in PRESENT:
            result[kind]["auc"] = auc(present, scores)
    result["all absent"] = {
        "num": len(scores_of(answers, ABSENT)), "auc": auc(present, scores_of(answers, ABSENT)), "quantiles": None
    }  # fmt: skip
    return result
