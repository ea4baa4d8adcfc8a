"""Artifacts beside the samples that their rows belong to: a streaming merge, in the order of samples.

Artifacts with a column `frame_index` hold a row for each frame of each sample, the others one for each sample; `some`
are rows of any number, about frames of the sample or about none.
Memory holds the rows of one sample and one row group of each artifact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from tgs_pipeline.artifacts import samples
from tgs_pipeline.artifacts.table import read_rows


@dataclass(frozen=True)
class Artifact:
    """A file to merge.

    columns: the ones to read, with uid, row and, where there is one, frame_index; None = all. some: see above.
    """

    path: Path
    schema: pa.Schema
    columns: list[str] | None = None
    some: bool = False


def read_by_sample(path: Path, artifacts: Sequence[Artifact]) -> Iterator[tuple[dict, list[list[dict]]]]:
    """Stream each row of samples with its rows of each artifact, in the order of `artifacts`.

    path: the samples artifact. ValueError where an artifact was made of other samples: where it lacks a row, or holds
    one of no sample or in another order.
    """
    streams = [_Groups(artifact) for artifact in artifacts]
    for sample in read_rows(path, samples.SCHEMA):
        yield sample, [stream.take(sample) for stream in streams]
    for stream in streams:
        stream.finish()


class _Groups:
    """The rows of one artifact, handed out sample by sample."""

    def __init__(self, artifact: Artifact) -> None:
        self.path = artifact.path
        self.has_frames = "frame_index" in artifact.schema.names
        self.some = artifact.some
        rows = read_rows(artifact.path, artifact.schema, columns=artifact.columns)
        self.groups = groupby(rows, key=lambda row: (row["uid"], row["row"]))
        self.next = next(self.groups, None)

    def take(self, sample: dict) -> list[dict]:
        """The rows of this sample, which must come next."""
        rows: list[dict] = []
        if self.next is not None and self.next[0] == (sample["uid"], sample["row"]):
            rows = list(self.next[1])
            self.next = next(self.groups, None)
        if self.has_frames:
            found = [row["frame_index"] for row in rows]
            fits = {None, *sample["frame_indices"]}.issuperset(found) if self.some else found == sample["frame_indices"]
            if not fits:
                raise self._error(sample, f"rows of the frames {found}, expected {sample['frame_indices']}")
        elif len(rows) != 1:
            raise self._error(sample, f"{len(rows)} rows, expected 1")
        return rows

    def finish(self) -> None:
        """Check that no row is left."""
        if self.next is not None:
            uid, row = self.next[0]
            raise self._error({"uid": uid, "row": row}, "rows, expected none: it is no sample, or not in their order")

    def _error(self, sample: dict, what: str) -> ValueError:
        return ValueError(
            f"{self.path}: {sample['uid']} (row {sample['row']}) has {what}; "
            "the file was made for other samples: run `dvc repro` to make it again"
        )
