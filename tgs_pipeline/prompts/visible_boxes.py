"""Candidate boxes as a multimodal model is told of them and sees them: number and colour agree in text and picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# (name, RGB) of box 1, 2, ...; upstream paints magenta and speaks of pink (trap T48)
COLOURS = (
    ("green", (0, 128, 0)),
    ("magenta", (255, 0, 255)),
    ("orange", (255, 165, 0)),
    ("blue", (0, 0, 255)),
    ("red", (255, 0, 0)),
    ("yellow", (255, 255, 0)),
)
_NUMBER_WORDS = ("one", "two", "three", "four", "five", "six")


@dataclass(frozen=True)
class VisibleBox:
    """One candidate: box_xyxy float (4,), relative to the frame, 0..1; phrase: what the detector calls it, or None."""

    box_xyxy: tuple[float, float, float, float]
    phrase: str | None


def shown_order(scores: np.ndarray, *, max_boxes: int, always_sorted: bool) -> list[int]:
    """Indices of the candidates that are shown, in the order of their numbers; in a tie the first index comes first.

    The best `max_boxes` (at most as many as there are colours), best first. always_sorted false keeps the given order
    where there are fewer than `max_boxes`, as the published code for AVS does (trap T44).
    """
    if not 1 <= max_boxes <= len(COLOURS):
        raise ValueError(f"max_boxes is {max_boxes}: expected 1 to {len(COLOURS)}, one for each colour")
    if len(scores) < max_boxes and not always_sorted:
        return list(range(len(scores)))
    return np.argsort(-scores, kind="stable")[:max_boxes].tolist()


def describe_boxes(boxes: Sequence[VisibleBox], *, measures: bool) -> str:
    """A sentence that names number and colour of each box, and what the detector calls it where that is known.

    measures: tell centre and size too, in parts of the frame.
    """
    if not 1 <= len(boxes) <= len(COLOURS):
        raise ValueError(f"{len(boxes)} boxes: expected 1 to {len(COLOURS)}, one for each colour")
    what = "object is marked with a coloured box" if len(boxes) == 1 else "objects are marked with coloured boxes"
    told = [_describe(number, box, measures=measures) for number, box in enumerate(boxes, start=1)]
    return f"{_NUMBER_WORDS[len(boxes) - 1]} {what}: {'; '.join(told)}."


def one_line(text: str) -> str:
    """Text to stand between double quotes: on one line, with single quotes inside."""
    return " ".join(text.replace('"', "'").split())


def _describe(number: int, box: VisibleBox, *, measures: bool) -> str:
    text = f"box {number} ({COLOURS[number - 1][0]})"
    if box.phrase:
        phrase = one_line(box.phrase)
        text += f', which the detector calls "{phrase}"'
    if measures:
        x0, y0, x1, y1 = box.box_xyxy
        text += f", centre ({(x0 + x1) / 2:.3f}, {(y0 + y1) / 2:.3f}), width {x1 - x0:.3f}, height {y1 - y0:.3f}"
    return text
