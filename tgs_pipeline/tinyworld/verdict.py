"""The three-valued verdict that predicates give, and the comparison with a margin that most of them make."""

from collections.abc import Callable, Sequence
from enum import Enum

from tgs_pipeline.tinyworld.scene import Scene, SceneObject


class Verdict(Enum):
    """Whether an object satisfies a demand; UNSURE where the margin is too small to be perceived reliably."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


# (scene, object, argument: a category, colour, phrase or empty) -> verdict
Predicate = Callable[[Scene, SceneObject, str], Verdict]


def truth(condition: bool) -> Verdict:
    """Return YES or NO."""
    return Verdict.YES if condition else Verdict.NO


def both(first: Verdict, second: Verdict) -> Verdict:
    """Return the conjunction: NO if either is NO, YES if both are YES."""
    if Verdict.NO in (first, second):
        return Verdict.NO
    return Verdict.UNSURE if Verdict.UNSURE in (first, second) else Verdict.YES


def exceeds(own: float, others: Sequence[float], *, margin: float) -> Verdict:
    """Return YES if `own` exceeds all others by `margin`, NO if some other exceeds it by as much."""
    if all(own >= other + margin for other in others):
        return Verdict.YES
    return Verdict.NO if any(other >= own + margin for other in others) else Verdict.UNSURE
