"""Selector by a multimodal model: the two steps of AL-Ref-SAM 2, pivot frame and pivot box (prompts/pivot.py).

For sounding objects the frame is chosen with the objects (backends/thinker/lbru.py), and the box by the question of
prompts/lbru.py. `compat: parity` asks for a box and reads replies as the published code does; `corrected` takes no
reply that does not say one thing in the form asked for: it is asked for again, and in the end nothing is chosen.
"""

from collections.abc import Sequence

from tgs_pipeline.backends.multimodal.base import Subject
from tgs_pipeline.backends.multimodal.frame_questions import Asked, FrameQuestions, Told
from tgs_pipeline.backends.selector.base import NO_CANDIDATE, About, Choice, PivotFrame, Window
from tgs_pipeline.prompts import lbru, pivot
from tgs_pipeline.prompts.listed import Compat, ReadId
from tgs_pipeline.prompts.tasks import BOX, FRAME
from tgs_pipeline.prompts.visible_boxes import VisibleBox, shown_order

VERSION = 1  # raise when the meaning of a row changes: questions or checks


class MllmSelector:
    """Asks through `questions`; what is stored is not asked again. Another model for each step: a selector for each.

    about: what windows are about, a referring expression or a sounding object.
    max_boxes: candidates that are shown, those with the best scores.
    """

    needs_candidates = False

    def __init__(self, questions: FrameQuestions, *, about: About, max_boxes: int, compat: Compat) -> None:
        self._questions = questions
        self._about = about
        self._max_boxes = max_boxes
        self._compat: Compat = compat

    def choose_frames(self, windows: Sequence[Window]) -> list[Choice]:
        """A window of one frame has nothing to ask. ValueError for sounding objects, whose frames LBRU chooses."""
        if self._about == "sounding":
            raise ValueError("the frame of a sounding object is chosen with its name: think.backend lbru")
        asked = {at: self._frame_question(window) for at, window in enumerate(windows) if len(window.frames) > 1}
        told = self._questions.ask(list(asked.values()), stage="pivot_frame", version=VERSION)
        choices = [Choice(0)] * len(windows)
        for at, reply in zip(asked, told, strict=True):
            read = pivot.read_frame(reply.text, num_frames=len(windows[at].frames), compat=self._compat)
            choices[at] = self._choice(reply, read)
        return choices

    def choose_boxes(self, pivots: Sequence[PivotFrame]) -> list[Choice]:
        """Where a sounding object has one candidate nothing is asked, as upstream; a reference may still not fit it."""
        orders = [self._order(one) for one in pivots]
        fewest = 1 if self._about == "reference" else 2
        asked = {
            at: self._box_question(one, order)
            for at, (one, order) in enumerate(zip(pivots, orders, strict=True))
            if len(order) >= fewest
        }
        told = self._questions.ask(list(asked.values()), stage="pivot_box", version=VERSION)
        choices = [Choice(order[0]) if order else NO_CANDIDATE for order in orders]
        for at, reply in zip(asked, told, strict=True):
            choice = self._choice(reply, self._read_box(reply.text, num_boxes=len(orders[at])))
            chosen = None if choice.chosen is None else orders[at][choice.chosen]
            choices[at] = Choice(chosen, choice.status, choice.reason)
        return choices

    def _order(self, one: PivotFrame) -> list[int]:
        """The candidates that are shown; the published code for AVS leaves one or two of them unsorted (T44)."""
        always_sorted = self._compat == "corrected" or self._about == "reference"
        return shown_order(one.candidates.scores, max_boxes=self._max_boxes, always_sorted=always_sorted)

    def _frame_question(self, window: Window) -> Asked:
        num_frames = len(window.frames)
        return Asked(
            name=window.name,
            subject=Subject(FRAME, window.vid),
            text=pivot.frame_question(window.text, num_frames=num_frames, columns=self._questions.drawing.columns),
            frames=_files(window),
            boxes={},
            check=lambda reply: self._problems(pivot.read_frame(reply, num_frames=num_frames, compat=self._compat)),
        )

    def _box_question(self, one: PivotFrame, order: list[int]) -> Asked:
        window, number = one.window, one.position + 1
        boxes = [_visible(one, index) for index in order]
        ask = pivot.box_question if self._about == "reference" else lbru.box_question
        layout = {"num_frames": len(window.frames), "columns": self._questions.drawing.columns}
        return Asked(
            name=window.name,
            subject=Subject(BOX, window.vid, window.text if self._about == "sounding" else None),
            text=ask(window.text, frame=number, boxes=boxes, **layout),
            frames=_files(window),
            boxes={number: boxes},
            check=lambda reply: self._problems(self._read_box(reply, num_boxes=len(boxes))),
        )

    def _read_box(self, reply: str, *, num_boxes: int) -> ReadId:
        read = pivot.read_box if self._about == "reference" else lbru.read_box
        return read(reply, num_boxes=num_boxes, compat=self._compat)

    def _choice(self, told: Told, read: ReadId) -> Choice:
        """A choice, counted from 0. What was refused or cut counts as said under parity alone."""
        if told.status == "failed":
            return Choice(None, "failed", told.reason)
        if told.status == "rejected" and self._compat == "corrected":
            return Choice(None, "unusable", told.reason)
        if read.value is not None:
            return Choice(read.value - 1, "ok", read.reason)
        return Choice(None, "none" if read.status == "none" else "unusable", read.reason)

    def _problems(self, read: ReadId) -> list[str]:
        """What makes a reply worth asking for again; the published code asks once."""
        if self._compat == "parity" or read.status in ("ok", "none"):
            return []
        return [read.reason or read.status]


def _files(window: Window) -> tuple:
    return tuple((frame.path, frame.content_hash) for frame in window.frames)


def _visible(one: PivotFrame, index: int) -> VisibleBox:
    x0, y0, x1, y1 = (float(value) for value in one.candidates.boxes_xyxy[index])
    return VisibleBox((x0, y0, x1, y1), one.candidates.phrases[index] or None)
