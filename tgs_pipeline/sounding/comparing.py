"""Comparing: which objects sound in each segment of a clip, by an audio-text model; the row store `sounding`.

Every combination of the objects is a text, and in each segment the objects of the text nearest to its sound are taken
to sound, as in AL-Ref-SAM 2 (UPSTREAM_FACTS 6.1, step 8). A unit of work: a sound with its segments and object names.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tgs_pipeline.artifacts import table
from tgs_pipeline.backends.audio_text.base import SAMPLE_RATE_HZ, AudioText
from tgs_pipeline.data import media
from tgs_pipeline.execution import Execution
from tgs_pipeline.params_choosing import AudioTextMatching
from tgs_pipeline.rows import OUTCOME, Recipe, compute, load_each
from tgs_pipeline.sounding.objects import combinations
from tgs_pipeline.sounding.segments import Segment
from tgs_pipeline.weights import digest, loading

VERSION = 1  # raise when the meaning of a row changes
MAX_OBJECTS = 8  # of a clip: 255 combinations
UNITS_PER_TABLE = 64

PAYLOAD = pa.schema([pa.field("heard", pa.list_(pa.list_(pa.string())))])  # objects that sound in each segment


class Question(NamedTuple):
    """A clip to listen to. audio_path: relative to the dataset."""

    vid: str
    audio_path: str
    audio_hash: str
    names: tuple[str, ...]
    segments: tuple[Segment, ...]


class Answer(NamedTuple):
    """The objects that sound in each segment of a clip, or the reason why that is not known."""

    vid: str
    heard: list[list[str]]
    reason: str | None


def ask(
    questions: Sequence[Question], settings: AudioTextMatching, *, dataset: Path, execution: Execution
) -> list[Answer]:
    """An answer to each question, from the row store where it is there."""
    recipe = make_recipe(settings)
    found = compute(
        _units(questions, recipe=recipe),
        recipe=recipe,
        payload=PAYLOAD,
        load=partial(_load, dataset=dataset),
        make_operator=lambda: CompareOperator(
            make_audio_text(settings, device=execution.device), separator=settings.separator
        ),
        execution=execution,
    )
    answers = found.take([_key(question, recipe) for question in questions]).to_pylist()
    return [
        Answer(question.vid, row["heard"] or [], None if row["status"] == "ok" else row["reason"])
        for question, row in zip(questions, answers, strict=True)
    ]


def make_recipe(settings: AudioTextMatching) -> Recipe:
    """What decides an answer besides its question."""
    params = {"separator": settings.separator}
    return Recipe(stage="sounding", version=VERSION, params=params, weights=digest(Path(settings.weights)))


def make_audio_text(settings: AudioTextMatching, *, device: str) -> AudioText:
    """The audio-text model, loaded."""
    from tgs_pipeline.backends.audio_text.languagebind import LanguageBindAudio

    with loading(Path(settings.weights), device=device):
        return LanguageBindAudio(Path(settings.weights), device=device)


class CompareOperator:
    """Answers loaded questions, one after the other."""

    def __init__(self, model: AudioText, *, separator: str) -> None:
        self.model = model
        self.separator = separator

    def __call__(self, table: pa.Table) -> pa.Table:
        """A row of PAYLOAD for each unit."""
        answered = []
        for unit in table.to_pylist():
            found = combinations(unit["names"], separator=self.separator)
            sounds = [np.frombuffer(sound, np.float32) for sound in unit["sounds"]]
            similarity = self.model.similarity([one.text for one in found], sounds)
            heard = [list(found[best].names) for best in similarity.argmax(axis=0)]
            answered.append({"key": unit["key"], "status": "ok", "reason": None, "heard": heard})
        return pa.Table.from_pylist(answered, schema=pa.schema([*OUTCOME, *PAYLOAD]))


def _key(question: Question, recipe: Recipe) -> str:
    return recipe.key(question.audio_hash, question.names, [list(segment) for segment in question.segments])


def _units(questions: Sequence[Question], *, recipe: Recipe) -> Iterator[pa.Table]:
    for some in table.chunks(questions, UNITS_PER_TABLE):
        units = []
        for question in some:
            unit = {"key": _key(question, recipe), **question._asdict()}
            units.append(unit | {"segments": [list(segment) for segment in question.segments]})
        yield pa.Table.from_pylist(units)


def _load(units: pa.Table, *, dataset: Path) -> pa.Table:
    """Decode sounds and cut them: `sounds`, float32 samples of each segment; a failure becomes a `reason`."""
    return load_each(units, pa.field("sounds", pa.list_(pa.large_binary())), partial(_cut, dataset=dataset))


def _cut(unit: dict, *, dataset: Path) -> list[bytes]:
    """The sound of each segment; the last one ends where the sound does, if that is earlier."""
    if len(unit["names"]) > MAX_OBJECTS:
        raise ValueError(
            f"it has {len(unit['names'])} objects, the limit is {MAX_OBJECTS}: an audio-text model would compare "
            "every combination of them; set segment.matching.by to tags"
        )
    path = dataset / unit["audio_path"]
    media.check_content(path, unit["audio_hash"])
    waveform = media.read_audio(path, sample_rate_hz=SAMPLE_RATE_HZ)
    cut = [waveform[start * SAMPLE_RATE_HZ : stop * SAMPLE_RATE_HZ] for start, stop in unit["segments"]]
    for (start, stop), sound in zip(unit["segments"], cut, strict=True):
        if not len(sound):
            raise ValueError(
                f"{path}: {len(waveform) / SAMPLE_RATE_HZ:.2f} s of sound, but the segment [{start}, {stop}] begins "
                "after its end; compare the recorded segments (segment.sounding) with the dataset"
            )
    return [sound.tobytes() for sound in cut]
