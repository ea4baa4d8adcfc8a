"""Frame questions: asking a multimodal model about the frames of videos, through the row store.

What a question needs besides its text are frames, read and drawn only when it is really asked. Its key holds the text,
the content of the frames, the boxes painted into them, the size and version of the drawing, the model and its sampling;
of recorded replies also what is asked about, since they are found by it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tgs_pipeline.asking import Question, answers, make_recipe
from tgs_pipeline.backends.multimodal.base import Subject, make_picture
from tgs_pipeline.data import media
from tgs_pipeline.params_multimodal import MultimodalParams, ReplayParams
from tgs_pipeline.prompts import tiles
from tgs_pipeline.prompts.visible_boxes import VisibleBox
from tgs_pipeline.rows import JSON


@dataclass(frozen=True)
class Drawing:
    """How frames become one picture: tiles of `tile_width_px` in rows of `columns`, as a JPEG of `jpeg_quality`."""

    columns: int
    tile_width_px: int
    jpeg_quality: int

    def identity(self) -> Mapping[str, JSON]:
        """What decides the pixels besides the frames and boxes."""
        return {
            "columns": self.columns,
            "tile_width_px": self.tile_width_px,
            "jpeg_quality": self.jpeg_quality,
            "version": tiles.VERSION,
        }


@dataclass(frozen=True)
class Asked:
    """One question about frames.

    frames: (path, blake2b-128) in order. boxes: those to paint, by the number of their frame, from 1.
    check: what is wrong with a reply; where it finds something the question is asked again.
    """

    name: str
    subject: Subject
    text: str
    frames: tuple[tuple[Path, str], ...]
    boxes: Mapping[int, Sequence[VisibleBox]]
    check: Callable[[str], list[str]]


@dataclass(frozen=True)
class Told:
    """What became of a question: the last reply, "" where there was none. Status: ok | rejected | failed."""

    text: str
    status: str
    reason: str | None


@dataclass(frozen=True)
class FrameQuestions:
    """Whom frames are shown to, how, and where the replies are kept.

    section: the section of the params that holds `settings`, for messages.
    """

    settings: MultimodalParams
    section: str
    cache: Path
    num_loaders: int
    max_failure_rate: float
    drawing: Drawing

    def ask(self, questions: Sequence[Asked], *, stage: str, version: int) -> list[Told]:
        """What the model says to each question, in their order; equal questions are asked once.

        stage: name of the row store. version: raise it when the meaning of a row changes.
        StageError where more than `max_failure_rate` of the questions could not be asked.
        """
        recipe = make_recipe(stage, self.settings, version=version, system="", drawing=self.drawing.identity())
        keys = [recipe.key(*self._content(one)) for one in questions]
        by_key = dict(zip(keys, questions, strict=True))
        units = ({"key": key, "name": one.name} for key, one in by_key.items())
        if not by_key:
            return []
        found = answers(
            units,
            recipe=recipe,
            settings=self.settings,
            section=self.section,
            question=lambda unit: self._question(by_key[unit["key"]]),
            check=lambda reply, unit: by_key[unit["key"]].check(reply),
            cache=self.cache,
            num_loaders=self.num_loaders,
            max_failure_rate=self.max_failure_rate,
        )
        return [_told(row) for row in found.take(keys).to_pylist()]

    def _content(self, asked: Asked) -> list[JSON]:
        """What decides the reply besides the model."""
        boxes = {str(number): [list(box.box_xyxy) for box in marked] for number, marked in asked.boxes.items()}
        content: list[JSON] = [asked.text, [content_hash for _, content_hash in asked.frames], boxes]
        if isinstance(self.settings, ReplayParams):
            content.append([asked.subject.task, asked.subject.vid, asked.subject.object_name])
        return content

    def _question(self, asked: Asked) -> Question:
        """Read and draw; ValueError where a frame is missing or another than when the key was made."""
        for path, content_hash in asked.frames:
            media.check_content(path, content_hash)
        frames = [media.read_image(path) for path, _ in asked.frames]
        drawn = tiles.tile(
            frames, columns=self.drawing.columns, tile_width_px=self.drawing.tile_width_px, boxes=asked.boxes
        )
        picture = make_picture(
            drawn, name="Frames", longest_edge_px=max(drawn.shape[:2]), jpeg_quality=self.drawing.jpeg_quality
        )
        return Question(asked.text, (picture,), {}, asked.subject)


def _told(row: Mapping) -> Told:
    replies = row["replies"] or [""]
    return Told(replies[-1], row["status"], row["reason"])
