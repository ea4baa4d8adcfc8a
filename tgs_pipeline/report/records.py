"""Records: a sample with everything the stages said about it, as a streaming merge of the artifacts.

Inputs: samples, chains, boxes, pivots where there are any, masks (without score maps) and scores, all in the order of
the samples.
Memory holds one sample and one row group of each artifact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tgs_pipeline.artifacts import boxes, chains, masks, pivots, scores
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.workspace import Workspace

Row = dict[str, Any]  # one row of an artifact; its keys are the names of the artifact's schema

MASK_COLUMNS = [name for name in masks.SCHEMA.names if name != "levels"]


@dataclass(frozen=True)
class Record:
    """One sample: its row in samples, chains and scores, its rows in boxes and masks by frame index, its pivots."""

    sample: Row
    chain: Row
    boxes: dict[int, Row]
    masks: dict[int, Row]
    score: Row
    pivots: list[Row] = field(default_factory=list)

    def drawn(self, frame_index: int) -> list[Row]:
        """What is drawn into a frame, see `drawn`."""
        return drawn(self.boxes.get(frame_index), self.pivots)

    @property
    def outcome(self) -> str:
        """The first stage that has no full answer and its status, such as "think: truncated", or "ok".

        ground counts where no frame has a box (its first frame's status then), where a frame failed, or where masks are
        those of a part of the objects.
        """
        if self.sample["status"] != "ok":
            return f"manifest: {self.sample['status']}"
        if self.chain["status"] != "ok":
            return f"think: {self.chain['status']}"
        grounds = [row["status"] for row in self.boxes.values()]
        for status in ("failed", "partial"):
            if status in grounds:
                return f"ground: {status}"
        if grounds and "ok" not in grounds:
            return f"ground: {grounds[0]}"
        if any(row["status"] == "failed" for row in self.masks.values()):
            return "segment: failed"
        if self.score["status"] != "ok":
            return f"score: {self.score['status']}"
        return "ok"


def drawn(box: Row | None, chosen: Sequence[Row]) -> list[Row]:
    """The rows whose boxes are drawn into a frame, each with a box; a name of their own is in `object`.

    box: the frame's row of boxes, None where there is none; chosen: rows of pivots of the sample, which have the boxes
    of all objects that share the frame, where the boxes have the best one alone.
    """
    if box is None or box["box_xyxy_px"] is None:
        return []
    here = [row for row in chosen if row["box_xyxy_px"] is not None and row["frame_index"] == box["frame_index"]]
    return here or [{**box, "object": None}]


def read_records(workspace: Workspace) -> Iterator[Record]:
    """Merge the artifacts; ValueError where one was made of other samples."""
    artifacts = [
        Artifact(workspace.chains, chains.SCHEMA),
        Artifact(workspace.boxes, boxes.SCHEMA),
        Artifact(workspace.masks, masks.SCHEMA, columns=MASK_COLUMNS),
        Artifact(workspace.scores, scores.SCHEMA),
    ]
    if workspace.pivots.exists():
        artifacts.append(Artifact(workspace.pivots, pivots.SCHEMA, some=True))
    for sample, ((chain,), frame_boxes, frame_masks, (score,), *chosen) in read_by_sample(workspace.samples, artifacts):
        yield Record(
            sample=sample,
            chain=chain,
            boxes={row["frame_index"]: row for row in frame_boxes},
            masks={row["frame_index"]: row for row in frame_masks},
            score=score,
            pivots=chosen[0] if chosen else [],
        )
