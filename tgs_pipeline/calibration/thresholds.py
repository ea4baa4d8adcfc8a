"""Thresholds: what each one would cost on cases whose truth is known, and which is best. Arrays in, numbers out.

A case is a sample or a frame; N cases. It is kept where its value passes the threshold, and should be kept where the
object is there. The best threshold has the least sum of missed objects and false positives (the greatest balanced
accuracy); of several that are equally good, the middle one is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MAX_POINTS = 200

Keeps = Callable[[np.ndarray, float], np.ndarray]  # (values (N,), threshold) -> kept, bool (N,)


@dataclass(frozen=True)
class Cases:
    """values: float (N,); present, answerable: bool (N,); S: float (N,), nan where what is kept was never segmented.

    A case that is not answerable is not kept at any threshold. S counts where the object is absent.
    """

    values: np.ndarray
    present: np.ndarray
    answerable: np.ndarray
    S: np.ndarray


@dataclass(frozen=True)
class Point:
    """One threshold. missed: share of the present cases that are not kept; false_positives: share of the absent ones
    that are; S: mean over the absent ones, None where it is not known."""

    threshold: float
    missed: float
    false_positives: float
    S: float | None


def curve(cases: Cases, *, keeps: Keeps, low: float) -> list[Point]:
    """A point at each threshold that makes a difference, from `low` on, at most MAX_POINTS; empty where one kind lacks.

    Thresholds lie halfway between neighbouring values.
    """
    if cases.present.all() or not cases.present.any():
        return []
    values = np.unique(cases.values[cases.answerable])
    between = [low, *((values[1:] + values[:-1]) / 2), 1.0]
    thresholds = np.unique(np.round([value for value in between if value >= low], 6))
    if len(thresholds) > MAX_POINTS:
        thresholds = thresholds[np.linspace(0, len(thresholds) - 1, MAX_POINTS).round().astype(int)]
    return [_point(cases, cases.answerable & keeps(cases.values, threshold), threshold) for threshold in thresholds]


def best(points: list[Point]) -> Point:
    """The point with the least sum of missed objects and false positives; the middle one of a tie."""
    costs = [round(point.missed + point.false_positives, 9) for point in points]
    equal = [point for point, cost in zip(points, costs, strict=True) if cost == min(costs)]
    return equal[len(equal) // 2]


def _point(cases: Cases, kept: np.ndarray, threshold: float) -> Point:
    absent = ~cases.present
    value = float(np.where(kept, cases.S, 0.0)[absent].mean())
    return Point(
        threshold=float(threshold),
        missed=float((~kept)[cases.present].mean()),
        false_positives=float(kept[absent].mean()),
        S=None if np.isnan(value) else value,
    )
