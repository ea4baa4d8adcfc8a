"""Tagging: sound classes by a BEATs, of whole clips or of each of their seconds; the row store `tags`.

The tags of a clip that come with its features (operators/features.py) are rows of `features`. These here are of a
further tagger, or of seconds. A unit of work is the sound of a video; videos without sound have no tags.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from tgs_pipeline import rows, weights
from tgs_pipeline.artifacts import features, table
from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.data import fbank, media
from tgs_pipeline.execution import Execution
from tgs_pipeline.rows import Recipe

VERSION = 1  # raise when the meaning of a row changes
UNITS_PER_TABLE = 64

PAYLOAD = pa.schema(
    [
        pa.field("labels", pa.list_(pa.string())),
        pa.field("scores", pa.list_(pa.float32())),  # of all labels in the first span, then in the next one
    ]
)


class Sound(NamedTuple):
    """The sound of a video; path: relative to the dataset."""

    vid: str
    path: str
    content_hash: str


@dataclass(frozen=True)
class Tagger:
    """A tagger and what it is given: the clip in one piece, or each of its seconds. num_tags: kept of each span."""

    weights: Path
    spans: Literal["clip", "seconds"]
    dtype: str
    num_tags: int

    @property
    def schema(self) -> pa.Schema:
        """Of the artifact that the tags are published in."""
        return features.AUDIO_TAGS if self.spans == "clip" else features.SECOND_TAGS

    def recipe(self) -> Recipe:
        """What decides the tags of a sound. How many are kept is no part of it: rows hold every class."""
        params = {"spans": self.spans, "dtype": self.dtype}
        return Recipe(stage="tags", version=VERSION, params=params, weights=weights.digest(self.weights))


def compute(sounds: Iterable[Sound], tagger: Tagger, *, dataset: Path, execution: Execution) -> Lookup:
    """The row store after every sound that it lacked is tagged."""
    recipe = tagger.recipe()
    return rows.compute(
        _units(sounds, recipe=recipe),
        recipe=recipe,
        payload=PAYLOAD,
        load=partial(_load, dataset=dataset, spans=tagger.spans),
        make_operator=partial(TagOperator, tagger, device=execution.device),
        execution=execution,
    )


def tag_rows(sounds: Iterable[Sound], tagger: Tagger, *, found: Lookup) -> Iterator[dict]:
    """Rows of the tagger's artifact: the best tags of each span of each sound; of a failed one there are none."""
    recipe = tagger.recipe()
    for some in table.chunks(sounds, UNITS_PER_TABLE):
        computed = found.take([recipe.key(sound.content_hash) for sound in some]).to_pylist()
        for sound, row in zip(some, computed, strict=True):
            labels, scores = row["labels"] or [], row["scores"] or []
            for span, first in enumerate(range(0, len(scores), len(labels) or 1)):
                tags = top_tags(sound.vid, labels, scores[first : first + len(labels)], num_tags=tagger.num_tags)
                yield from tags if tagger.spans == "clip" else (tag | {"second": span} for tag in tags)


def top_tags(vid: str, labels: Sequence[str], scores: Sequence[float], *, num_tags: int) -> list[dict]:
    """Rows of audio_tags: the `num_tags` highest scores of a video, highest first, equal ones by label."""
    ranked = sorted(zip(labels, scores, strict=True), key=lambda tag: (-tag[1], tag[0]))
    return [{"vid": vid, "label": label, "score": score} for label, score in ranked[:num_tags]]


class TagOperator:
    """Runs a tagger, one span at a time, so that a row never depends on its batch mates."""

    def __init__(self, tagger: Tagger, *, device: str) -> None:
        from tgs_pipeline.backends.encoder.beats import BeatsEncoder

        with weights.loading(tagger.weights, device=device):
            self.encoder = BeatsEncoder(tagger.weights, device=device, dtype=tagger.dtype)

    def __call__(self, table: pa.Table) -> pa.Table:
        """A row of PAYLOAD for each unit."""
        tagged = []
        for key, spans in zip(table["key"].to_pylist(), table["spans"].to_pylist(), strict=True):
            mels = [np.frombuffer(span, np.float32).reshape(-1, fbank.NUM_MEL_BINS) for span in spans]
            scores = np.concatenate([self.encoder.classify(mel) for mel in mels])
            row = {"key": key, "status": "ok", "reason": None, "labels": self.encoder.labels, "scores": scores}
            tagged.append(row)
        return pa.Table.from_pylist(tagged, schema=pa.schema([*rows.OUTCOME, *PAYLOAD]))


def _units(sounds: Iterable[Sound], *, recipe: Recipe) -> Iterator[pa.Table]:
    for some in table.chunks(sounds, UNITS_PER_TABLE):
        yield pa.Table.from_pylist([{"key": recipe.key(sound.content_hash), **sound._asdict()} for sound in some])


def _load(units: pa.Table, *, dataset: Path, spans: Literal["clip", "seconds"]) -> pa.Table:
    """Decode sounds: `spans` holds their log-mels, float32 (frames, 128) each; a failure becomes a `reason`."""
    column = pa.field("spans", pa.list_(pa.large_binary()))
    return rows.load_each(units, column, partial(_log_mels, dataset=dataset, spans=spans))


def _log_mels(unit: dict, *, dataset: Path, spans: Literal["clip", "seconds"]) -> list[bytes]:
    path = dataset / unit["path"]
    media.check_content(path, unit["content_hash"])
    waveform = media.read_audio(path, sample_rate_hz=fbank.SAMPLE_RATE_HZ)
    mels = fbank.second_log_mels(waveform) if spans == "seconds" else [fbank.log_mel(waveform)]
    return [mel.tobytes() for mel in mels]
