"""Evidence: what the current artifacts say about each sample of a split whose truth is known.

Inputs: samples, chains, candidates, boxes, masks and the ground truth of the dataset.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tgs_pipeline.artifacts import boxes, chains, masks
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.data.truth import read_truth
from tgs_pipeline.grounding.choice import columns
from tgs_pipeline.metrics import tgs
from tgs_pipeline.operators.ground import Candidates
from tgs_pipeline.operators.score import MAP_COLUMNS, MASK_COLUMNS, binary
from tgs_pipeline.params import Params
from tgs_pipeline.prompts.caption import ask
from tgs_pipeline.workspace import Workspace


@dataclass(frozen=True)
class Frame:
    """score: of the best candidate; shown: the object is in it, None where that is not known; S: of its mask, nan where
    nothing was segmented because the sample or frame was abstained from."""

    score: float
    shown: bool | None
    S: float


@dataclass(frozen=True)
class Evidence:
    """One sample. null_probability: of its chain; answerable: a caption was asked for; frames: empty where not."""

    is_null: bool
    null_probability: float | None
    answerable: bool
    frames: tuple[Frame, ...]

    @property
    def clip_score(self) -> float:
        """The best candidate of the clip."""
        return max((frame.score for frame in self.frames), default=0.0)

    @property
    def S(self) -> float:  # noqa: N802
        """Of the whole sample, nan where a frame's is not known."""
        return float(np.mean([frame.S for frame in self.frames])) if self.frames else 0.0


def read_evidence(params: Params, workspace: Workspace, *, split: str) -> Iterator[Evidence]:
    """The samples of the split that were thought about and whose frames are there, none of them failed or partial.

    ValueError where the split is not among `dataset.splits`, or the artifacts do not fit together.
    """
    if split not in params.dataset.splits:
        raise ValueError(
            f"split {split!r} is not among dataset.splits {params.dataset.splits}: add it there and run `dvc repro`, "
            "so that there are chains, candidates and masks to calibrate on"
        )
    candidates = Candidates(workspace)
    artifacts = [
        Artifact(workspace.chains, chains.SCHEMA),
        Artifact(workspace.boxes, boxes.SCHEMA),
        Artifact(workspace.masks, masks.SCHEMA, columns=[*MASK_COLUMNS, *MAP_COLUMNS[params.score.protocol]]),
    ]
    for sample, ((chain,), box_rows, mask_rows) in read_by_sample(workspace.samples, artifacts):
        statuses = {sample["status"], chain["status"], *(row["status"] for row in mask_rows)}
        failed = not statuses.isdisjoint(("failed", "partial"))
        if sample["split"] != split or failed:
            continue
        captions = [
            asked.caption
            for column in columns(params.ground)
            if (asked := ask(sample, chain, column=column)).caption is not None
        ]
        found = [candidates.take(sample["frame_hashes"], caption) for caption in captions]
        yield Evidence(
            is_null=sample["is_null"],
            null_probability=chain["null_probability"],
            answerable=bool(captions),
            frames=tuple(
                Frame(
                    score=max((max(rows[place]["scores"], default=0.0) for rows in found), default=0.0),
                    shown=_shown(sample, place, workspace),
                    S=_null_score(box, mask, params) if sample["is_null"] else float("nan"),
                )
                for place, (box, mask) in enumerate(zip(box_rows, mask_rows, strict=True))
            ),
        )


def _shown(sample: dict, place: int, workspace: Workspace) -> bool | None:
    if sample["is_null"]:
        return False
    path = sample["mask_paths"][place]
    return None if path is None else bool((read_truth(workspace.dataset / path) > 0).any())


def _null_score(box: dict, mask: dict, params: Params) -> float:
    """S of one frame by the masks of the current run, as the stage score computes it."""
    return tgs.null_score([binary(mask, params.score)]) if box["status"] == "ok" else float("nan")
