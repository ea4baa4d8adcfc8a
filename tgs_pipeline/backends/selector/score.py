"""Selector by the detector's scores, local and free: the frame and the box with the best evidence over the clip."""

from collections.abc import Sequence

import numpy as np

from tgs_pipeline.backends.selector.base import NO_CANDIDATE, Choice, FrameCandidates, PivotFrame, Window


class ScoreSelector:
    """Takes the frame whose best candidate scores highest, and that candidate; in a tie the first.

    An object that enters late scores in none of the frames before it, so the pivot lies where it can be seen.
    """

    needs_candidates = True

    def choose_frames(self, windows: Sequence[Window]) -> list[Choice]:
        """ValueError where a window comes without candidates."""
        return [_best_frame(window) for window in windows]

    def choose_boxes(self, pivots: Sequence[PivotFrame]) -> list[Choice]:
        return [best_box(pivot.candidates) for pivot in pivots]


def best_box(candidates: FrameCandidates) -> Choice:
    """The candidate with the highest score, the first of equal ones."""
    if not len(candidates.scores):
        return NO_CANDIDATE
    return Choice(int(np.argmax(candidates.scores)))


def _best_frame(window: Window) -> Choice:
    if window.candidates is None:
        raise ValueError(f"{window.name}: choosing by scores needs the candidates of every frame of the window")
    evidence = [float(one.scores.max()) if len(one.scores) else -1.0 for one in window.candidates]
    if max(evidence) < 0:
        return Choice(None, "none", "no frame of the window has a candidate")
    return Choice(int(np.argmax(evidence)))
