"""Oracles: parts of the ground truth in place of what a stage found, to tell where a score is lost.

They are no systems: a row with one is a ceiling. Both need the uids and masks of the ref_avsbench layout.
- name: the category that the uid names, in place of the thinker's s_object; null samples are abstained from. What is
  still lost is lost by detector, box choice and segmenter. It is no ceiling for a thinker that says colours, too. The
  thinker's f_object stays, so that `auto` can tell apart what shares the category.
- box: the box of the true mask in every frame that was grounded, whether a box was found or not; abstentions stay.
  What is still lost is lost by wrong abstentions and the segmenter, with both oracles by the segmenter alone.
"""

from collections.abc import Iterator

import numpy as np

from tgs_pipeline.artifacts import boxes, chains, table
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.data.truth import read_truth
from tgs_pipeline.workspace import Workspace


def write_true_names(workspace: Workspace) -> None:
    """Replace s_object in the chains of the workspace by the name of the object, where there is one to be named."""
    table.write_rows(workspace.chains, chains.SCHEMA, _chains(workspace))


def write_true_boxes(workspace: Workspace) -> None:
    """Replace the boxes of the workspace by those of the ground truth, where the stage ground looked for one."""
    table.write_rows(workspace.boxes, boxes.SCHEMA, _boxes(workspace))
    workspace.pivots.unlink(missing_ok=True)  # of the boxes that are no more; masks would be tracked from them


def _chains(workspace: Workspace) -> Iterator[dict]:
    found = [Artifact(workspace.chains, chains.SCHEMA)]
    for sample, ((row,),) in read_by_sample(workspace.samples, found):
        if sample["status"] != "ok":
            yield row
        elif sample["is_null"]:
            yield row | {"f_object": None, "s_object": None, "status": "ok", "reason": None}
        else:
            yield row | {"s_object": sample["uid"].rsplit("_", 2)[1], "status": "ok", "reason": None}


def _boxes(workspace: Workspace) -> Iterator[dict]:
    found = [Artifact(workspace.boxes, boxes.SCHEMA)]
    for sample, (rows,) in read_by_sample(workspace.samples, found):
        for row, path in zip(rows, sample["mask_paths"], strict=True):
            unknown = path is None and not sample["is_null"]
            yield row if row["status"] not in ("ok", "no_box") or unknown else row | _box(sample, path, workspace)


def _box(sample: dict, path: str | None, workspace: Workspace) -> dict:
    row = {"box_xyxy_px": None, "score": None, "phrase": None, "query_index": None, "rule": "oracle_box",
           "status": "no_box", "reason": "the object is not in this frame"}  # fmt: skip
    if sample["is_null"] or path is None:
        return row
    mask = read_truth(workspace.dataset / path) > 0
    if not mask.any():
        return row
    y, x = np.nonzero(mask)
    scale = np.array([sample["width"] / mask.shape[1], sample["height"] / mask.shape[0]] * 2, np.float32)
    corners = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float32) * scale
    return row | {"box_xyxy_px": corners, "score": 1.0, "phrase": "", "status": "ok", "reason": None}
