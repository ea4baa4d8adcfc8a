"""Selector by position: the first, middle or last frame of a window, whatever it shows (table 5 of AL-Ref-SAM 2)."""

from collections.abc import Sequence
from typing import Literal

from tgs_pipeline.backends.selector.base import Choice, PivotFrame, Window
from tgs_pipeline.backends.selector.score import best_box

Position = Literal["first", "middle", "last"]


class PositionSelector:
    """Takes the frame at `position`, of two middle ones the later, and its candidate with the best score."""

    needs_candidates = False

    def __init__(self, position: Position) -> None:
        self._position = position

    def choose_frames(self, windows: Sequence[Window]) -> list[Choice]:
        return [Choice(self._of(len(window.frames))) for window in windows]

    def choose_boxes(self, pivots: Sequence[PivotFrame]) -> list[Choice]:
        return [best_box(pivot.candidates) for pivot in pivots]

    def _of(self, num_frames: int) -> int:
        match self._position:
            case "first":
                return 0
            case "middle":
                return num_frames // 2
            case "last":
                return num_frames - 1
