"""Records: a sample with everything the stages said about it, as a streaming merge of the artifacts.

Inputs: samples, chains, boxes, masks (without score maps) and scores, all in the order of the samples.
Memory holds one sample and one row group of each artifact.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tgs_pipeline.artifacts import boxes, chains, masks, samples, scores
from tgs_pipeline.artifacts.table import read_rows
from tgs_pipeline.workspace import Workspace

Row = dict[str, Any]  # one row of an artifact; its keys are the names of the artifact's schema

MASK_COLUMNS = [name for name in masks.SCHEMA.names if name not in ("levels", "levels_size")]


@dataclass(frozen=True)
class Record:
    """One sample: its row in samples, chains and scores, and its rows in boxes and masks by frame index."""

    sample: Row
    chain: Row
    boxes: dict[int, Row]
    masks: dict[int, Row]
    score: Row

    @property
    def outcome(self) -> str:
        """The first stage that has no full answer and its status, such as "think: truncated", or "ok".

        ground counts where no frame has a box (its first frame's status then), or where a frame failed.
        """
        if self.sample["status"] != "ok":
            return f"manifest: {self.sample['status']}"
        if self.chain["status"] != "ok":
            return f"think: {self.chain['status']}"
        grounds = [row["status"] for row in self.boxes.values()]
        if "failed" in grounds:
            return "ground: failed"
        if grounds and "ok" not in grounds:
            return f"ground: {grounds[0]}"
        if any(row["status"] == "failed" for row in self.masks.values()):
            return "segment: failed"
        if self.score["status"] != "ok":
            return f"score: {self.score['status']}"
        return "ok"


def read_records(workspace: Workspace) -> Iterator[Record]:
    """Merge the artifacts; ValueError where one lacks a sample, or holds rows of none or in another order."""
    streams = [
        _Stream(workspace.chains, chains.SCHEMA),
        _Stream(workspace.boxes, boxes.SCHEMA),
        _Stream(workspace.masks, masks.SCHEMA, columns=MASK_COLUMNS),
        _Stream(workspace.scores, scores.SCHEMA),
    ]
    for sample in read_rows(workspace.samples, samples.SCHEMA):
        chain, frame_boxes, frame_masks, score = (stream.take(sample["uid"], sample["row"]) for stream in streams)
        yield Record(
            sample=sample,
            chain=_only(chain, sample, workspace.chains),
            boxes={row["frame_index"]: row for row in frame_boxes},
            masks={row["frame_index"]: row for row in frame_masks},
            score=_only(score, sample, workspace.scores),
        )
    for stream in streams:
        stream.finish()


class _Stream:
    """The rows of one artifact, handed out sample by sample."""

    def __init__(self, path: Path, schema: pa.Schema, *, columns: list[str] | None = None) -> None:
        self.path = path
        self.rows = read_rows(path, schema, columns=columns)
        self.next = next(self.rows, None)

    def take(self, uid: str, row: int) -> list[Row]:
        """The rows of this sample, if they come next."""
        taken = []
        while self.next is not None and (self.next["uid"], self.next["row"]) == (uid, row):
            taken.append(self.next)
            self.next = next(self.rows, None)
        return taken

    def finish(self) -> None:
        """ValueError where rows are left: they belong to no sample, or stand in another order."""
        if self.next is not None:
            raise ValueError(
                f"{self.path}: {self.next['uid']} (row {self.next['row']}) is not a sample of samples.parquet, or not "
                "in its order; the artifacts are of different runs: run `dvc repro`"
            )


def _only(rows: list[Row], sample: Row, path: Path) -> Row:
    """The single row of a sample."""
    if len(rows) != 1:
        raise ValueError(
            f"{path}: expected one row for {sample['uid']} (row {sample['row']}), in the order of samples.parquet, "
            f"found {len(rows)}; the artifacts are of different runs: run `dvc repro`"
        )
    return rows[0]
