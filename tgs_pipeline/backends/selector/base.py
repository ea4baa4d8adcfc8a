"""Selector: which frame of a window, and which candidate box of that frame, the segmenter is to start from.

Both steps take many questions at once, since asking a model is worth doing side by side; an answer does not depend on
the others. Positions and candidates are counted from 0 here; what a model sees is numbered from 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

About = Literal["reference", "sounding"]
Status = Literal[
    "ok",
    "none",  # nothing fits, or there is nothing to choose from
    "unusable",  # the model's replies cannot be read
    "failed",  # the model could not be asked; the next run tries again
]


@dataclass(frozen=True)
class FrameCandidates:
    """What the detector proposes in one frame, above the threshold, in query order.

    boxes_xyxy: float32 (n, 4), relative to the frame. scores: float32 (n,), 0..1. phrases: n texts of the detector.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    phrases: tuple[str, ...]

    def __post_init__(self) -> None:
        if not (self.boxes_xyxy.shape == (len(self.scores), 4) and len(self.phrases) == len(self.scores)):
            raise ValueError(
                f"{self.boxes_xyxy.shape} boxes, {self.scores.shape} scores and {len(self.phrases)} phrases: "
                "expected (n, 4), (n,) and n"
            )


@dataclass(frozen=True)
class Frame:
    """A frame of a window: its index in the clip, its file, and the file's blake2b-128."""

    index: int
    path: Path
    content_hash: str


@dataclass(frozen=True)
class Window:
    """Frames of a clip among which one is chosen, and what is looked for in them.

    name: says in messages which one (uid and row). text: the reference, or the name of the sounding object.
    candidates: of each frame, where the selector chooses by them; else None.
    """

    name: str
    vid: str
    text: str
    frames: tuple[Frame, ...]
    candidates: tuple[FrameCandidates, ...] | None = None

    def __post_init__(self) -> None:
        if not self.frames:
            raise ValueError(f"{self.name}: a window needs a frame")
        if self.candidates is not None and len(self.candidates) != len(self.frames):
            raise ValueError(f"{self.name}: {len(self.frames)} frames, candidates of {len(self.candidates)}")


@dataclass(frozen=True)
class PivotFrame:
    """A window whose frame is chosen, and the candidates in that frame."""

    window: Window
    position: int
    candidates: FrameCandidates


@dataclass(frozen=True)
class Choice:
    """What is chosen: a position in the window, or a candidate of the frame; None where status is not ok."""

    chosen: int | None
    status: Status = "ok"
    reason: str | None = None


NO_CANDIDATE = Choice(None, "none", "the frame has no candidate")


class Selector(Protocol):
    """Chooses pivots. `needs_candidates` says whether windows must come with the candidates of all of their frames."""

    needs_candidates: bool

    def choose_frames(self, windows: Sequence[Window]) -> list[Choice]:
        """A frame of each window, in their order."""
        ...

    def choose_boxes(self, pivots: Sequence[PivotFrame]) -> list[Choice]:
        """A candidate of each pivot frame, in their order."""
        ...
