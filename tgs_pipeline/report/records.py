"""Records: a sample with everything the stages said about it, as a streaming merge of the artifacts.

Inputs: samples, chains, boxes, masks (without score maps) and scores, all in the order of the samples.
Memory holds one sample and one row group of each artifact.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tgs_pipeline.artifacts import boxes, chains, masks, scores
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.workspace import Workspace

Row = dict[str, Any]  # one row of an artifact; its keys are the names of the artifact's schema

MASK_COLUMNS = [name for name in masks.SCHEMA.names if name != "levels"]


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
    """Merge the artifacts; ValueError where one was made of other samples."""
    artifacts = [
        Artifact(workspace.chains, chains.SCHEMA),
        Artifact(workspace.boxes, boxes.SCHEMA),
        Artifact(workspace.masks, masks.SCHEMA, columns=MASK_COLUMNS),
        Artifact(workspace.scores, scores.SCHEMA),
    ]
    for sample, ((chain,), frame_boxes, frame_masks, (score,)) in read_by_sample(workspace.samples, artifacts):
        yield Record(
            sample=sample,
            chain=chain,
            boxes={row["frame_index"]: row for row in frame_boxes},
            masks={row["frame_index"]: row for row in frame_masks},
            score=score,
        )
