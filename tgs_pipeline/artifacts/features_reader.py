"""Random access to the features artifact by video: only the names are held in memory, arrays are memory-mapped."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tgs_pipeline.artifacts.features import SCHEMA

_SHAPE = pa.list_(pa.int32())


@dataclass(frozen=True)
class Features:
    """What the encoders made of one video. The arrays are read-only views of the file, None where status is "failed".

    visual: float16 (frames, patches, dim), audio: float16 (segments, patches, dim), key: changes with their content.
    """

    visual: np.ndarray | None
    audio: np.ndarray | None
    key: str
    status: str
    reason: str | None


class Place(NamedTuple):
    """Where a video lies: its file, and its record batch in that file."""

    path: Path
    batch: int


class FeatureReader:
    """Features of the videos in the folder `artifacts/features`. No file stays open, so threads can share a reader."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not folder.is_dir():
            raise ValueError(f"{folder} is missing: run `dvc repro features`")
        self._places: dict[str, Place] = {}
        for path in sorted(folder.glob("features-*.arrow")):
            with _open(path) as file:
                for batch in range(file.num_record_batches):
                    vid = file.get_batch(batch)["vid"][0].as_py()
                    self._places[vid] = Place(path, batch)

    def __contains__(self, vid: str) -> bool:
        return vid in self._places

    def get(self, vid: str) -> Features:
        """The features of a video; ValueError where the artifact lacks it."""
        if vid not in self._places:
            raise ValueError(f"{self._folder} holds no features of video {vid!r}: run `dvc repro features`")
        place = self._places[vid]
        with _open(place.path) as file:
            row = file.get_batch(place.batch)
        return Features(
            visual=_array(row["visual"][0], row["visual_shape"][0]),
            audio=_array(row["audio"][0], row["audio_shape"][0]),
            key=row["key"][0].as_py(),
            status=row["status"][0].as_py(),
            reason=row["reason"][0].as_py(),
        )


def with_features(
    units: pa.Table, *, reader: FeatureReader, visual_vids: Sequence[str], audio_vids: Sequence[str]
) -> pa.Table:
    """Add to each unit what ThinkOperator reads of the frames of one video and the sound of one; usually the same."""
    sounds = [reader.get(vid).audio for vid in audio_vids]
    reasons = [no_sound(vid) if sound is None else None for vid, sound in zip(audio_vids, sounds, strict=True)]
    units = units.append_column("reason", pa.array(reasons, pa.string()))
    for name, arrays in (("visual", [reader.get(vid).visual for vid in visual_vids]), ("audio", sounds)):
        data = [None if array is None else array.tobytes() for array in arrays]
        shapes = [None if array is None else list(array.shape) for array in arrays]
        units = units.append_column(name, pa.array(data, pa.large_binary()))
        units = units.append_column(f"{name}_shape", pa.array(shapes, _SHAPE))
    return units


def no_sound(vid: str) -> str:
    """Why Ref-Thinker cannot be asked about a video."""
    why = "it has no sound track, and Ref-Thinker listens"
    return f"video {vid}: {why}; add its audio.wav, or think with another backend"


@contextmanager
def _open(path: Path) -> Iterator[pa.RecordBatchFileReader]:
    """A memory-mapped shard of the artifact's schema; ValueError where it is something else.

    What was read stays mapped for as long as somebody holds it, also after the file is closed.
    """
    with pa.memory_map(str(path)) as source:
        try:
            file = pa.ipc.open_file(source)
        except pa.ArrowInvalid as error:
            raise ValueError(
                f"{path} is not a whole Arrow file ({error}): remove it and run `dvc repro features`"
            ) from None
        if not file.schema.equals(SCHEMA):
            raise ValueError(
                f"{path} has other columns than this version writes: expected {SCHEMA.names}, "
                f"found {file.schema.names}; run `dvc repro features` to make it again"
            )
        yield file


def _array(data: pa.LargeBinaryScalar, shape: pa.ListScalar) -> np.ndarray | None:
    if not data.is_valid:
        return None
    array = np.frombuffer(data.as_buffer(), np.float16).reshape(shape.as_py())
    array.flags.writeable = False  # writing to the mapped file would end the process
    return array
