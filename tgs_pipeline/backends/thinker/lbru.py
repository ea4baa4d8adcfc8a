"""LBRU: what sounds in a clip, and in which frame each object shows best, by a multimodal model (prompts/lbru.py).

The labels of the sound tagger and the numbered frames go to the model; the names of the objects come back, each as a
reference of its own for the detector, with the pivot frame for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tgs_pipeline.backends.multimodal.base import Subject
from tgs_pipeline.backends.multimodal.frame_questions import Asked, FrameQuestions, Told
from tgs_pipeline.prompts import lbru
from tgs_pipeline.prompts.listed import Compat, NamedFrame, ReadObjects
from tgs_pipeline.prompts.tasks import OBJECTS

VERSION = 1  # raise when the meaning of a row changes: questions or checks


@dataclass(frozen=True)
class HeardClip:
    """A clip and the labels heard in it. frames: (path, blake2b-128) of the sampled frames, in order."""

    vid: str
    labels: tuple[str, ...]
    frames: tuple[tuple[Path, str], ...]


@dataclass(frozen=True)
class Sounding:
    """The sounding objects of a clip, with their pivot frames counted from 1.

    status: ok; none, where nothing is heard; unusable, where the model's replies cannot be read; failed, where it could
    not be asked. Objects are empty where status is not ok.
    """

    objects: tuple[NamedFrame, ...]
    status: Literal["ok", "none", "unusable", "failed"]
    reason: str | None


class Lbru:
    """Asks through `questions`. categories: names to choose from; single: one object for each clip (S4)."""

    def __init__(self, questions: FrameQuestions, *, categories: Sequence[str], single: bool, compat: Compat) -> None:
        self._questions = questions
        self._categories = tuple(categories)
        self._single = single
        self._compat: Compat = compat

    def objects(self, clips: Sequence[HeardClip]) -> list[Sounding]:
        """The objects of each clip, in their order; frames are counted from 1."""
        told = self._questions.ask([self._question(clip) for clip in clips], stage="lbru", version=VERSION)
        return [self._sounding(clip, reply) for clip, reply in zip(clips, told, strict=True)]

    def _question(self, clip: HeardClip) -> Asked:
        return Asked(
            name=f"video {clip.vid}",
            subject=Subject(OBJECTS, clip.vid),
            text=lbru.objects_question(
                clip.labels,
                categories=self._categories,
                num_frames=len(clip.frames),
                columns=self._questions.drawing.columns,
                single=self._single,
            ),
            frames=clip.frames,
            boxes={},
            check=lambda reply: self._problems(self._read(clip, reply)),
        )

    def _read(self, clip: HeardClip, reply: str) -> ReadObjects:
        return lbru.read_objects(reply, num_frames=len(clip.frames), single=self._single, compat=self._compat)

    def _problems(self, read: ReadObjects) -> list[str]:
        """What makes a reply worth asking for again; the published code asks once."""
        if self._compat == "parity" or read.status in ("ok", "none"):
            return []
        return [read.reason or read.status]

    def _sounding(self, clip: HeardClip, told: Told) -> Sounding:
        """What was refused or cut counts as said under parity alone."""
        if told.status == "failed":
            return Sounding((), "failed", told.reason)
        read = self._read(clip, told.text)
        if read.status in ("ok", "none") and (told.status == "ok" or self._compat == "parity"):
            return Sounding(read.objects, "ok" if read.objects else "none", read.reason)
        return Sounding((), "unusable", told.reason or read.reason)
