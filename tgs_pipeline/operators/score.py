"""score: masks against ground truth -> the scores of each sample and of each split, by one named protocol. No model.

Inputs: samples, masks, the ground truth masks of the dataset. Outputs, all in artifacts/score: scores.parquet, a row
for each sample in their order; metrics.json; splits.csv and curve.csv, the same for `dvc plots`.

What is scored, and as what:
- An abstention (no_caption, no_box) is an empty mask and scored as one.
- A reply of the thinker that could not be read (no_answer) is scored as the worst: J = F = 0, or S = 1.
- A sample with a failed frame, or with ground truth corrupt, of another size or missing altogether, is not scored, and
  its row says why. Nothing scores well by being absent (trap T7).
- Frames that the dataset lacks, or that have no ground truth, are not scored; the sample is scored on the others.
- `missing: scored` and `repeated_uids: first` score by absence and by uid alone, as upstream does (traps T7, T6).
Both lower `coverage`: the frames scored as a share of the frames that the benchmark defines for the split.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import compress
from pathlib import Path
from types import MappingProxyType

import numpy as np
from tqdm import tqdm

from tgs_pipeline.artifacts import masks, samples, scores, table
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.compat import repeats, traps
from tgs_pipeline.data.media import read_mask
from tgs_pipeline.execution import WHOLE, Execution, first_reasons
from tgs_pipeline.executors import local
from tgs_pipeline.metrics import davis, levels, rle, splits, tgs
from tgs_pipeline.params import Params, Score
from tgs_pipeline.workspace import Workspace

log = logging.getLogger(__name__)

NOTHING_LEFT = {"status": "ok", "reason": "no frame has all its files: scored as upstream scores nothing (trap T7)"}
MASK_COLUMNS = ["uid", "row", "frame_index", "height", "width", "status", "reason"]
MAP_COLUMNS = {"tgs": ["levels", "levels_size"], "davis": ["rle"]}


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Score every sample and write all outputs."""
    if execution.shard != WHOLE:
        return  # nothing here is worth sharing out
    settings = params.score
    found = splits.Splits()
    table.write_rows(workspace.scores, scores.SCHEMA, _view(settings, workspace, execution, found))
    metrics = {"protocol": settings.protocol, "compat": traps.labels(params), "splits": found.metrics()}
    write_text(workspace.metrics, json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    write_text(workspace.metrics.with_name("splits.csv"), found.splits_csv())
    write_text(workspace.metrics.with_name("curve.csv"), found.curve_csv())
    log.info("score: protocol %s: %s", settings.protocol, found.summary())
    if found.reasons:
        log.warning("score: %d samples are not scored:\n%s", len(found.reasons), first_reasons(found.reasons))


def score_sample(
    rows: tuple[dict, list[list[dict]]],
    *,
    settings: Score,
    dataset: Path,
    repeated: Mapping[str, repeats.Repeated] = MappingProxyType({}),
) -> dict:
    """The scores row of one sample from its row of samples and [its rows of masks], one for each frame index.

    repeated: the uids of which one row alone is scored, as upstream (trap T6).
    """
    sample, (frames,) = rows
    sample, left_out = repeats.as_upstream(sample, repeated)
    row = {name: sample[name] for name in ("uid", "row", "vid", "split", "is_null")}
    row |= {"J": None, "F": None, "JF": None, "S": None, "num_frames": 0, "num_frames_expected": sample["num_frames"]}
    if left_out is not None:
        return row | {"num_frames_expected": 0, "status": "repeated", "reason": left_out}
    reason = _why_not(sample, frames, settings)
    if reason is not None:
        return row | {"status": "failed", "reason": reason}
    if not sample["is_null"] or settings.missing == "scored":
        known = [path is not None for path in sample["mask_paths"]]
        frames = list(compress(frames, known))
    if not frames:
        return row | NOTHING_LEFT | ({"S": 0.0} if sample["is_null"] else {"J": 0.0, "F": 0.0, "JF": 0.0})
    unread = next((frame for frame in frames if frame["status"] == "no_answer"), None)
    outcome = {"num_frames": len(frames), "status": "ok", "reason": None}
    if unread is not None:
        outcome |= {"status": "no_answer", "reason": unread["reason"]}
    try:
        if sample["is_null"]:
            value = 1.0 if unread else tgs.null_score([binary(frame, settings) for frame in frames])
            return row | outcome | {"S": value}
        region, contour = (0.0, 0.0) if unread else _region_and_contour(sample, frames, settings, dataset)
    except ValueError as error:
        return row | {"status": "failed", "reason": str(error)}
    return row | outcome | {"J": region, "F": contour, "JF": (region + contour) / 2}


def _why_not(sample: dict, frames: list[dict], settings: Score) -> str | None:
    """Why a sample cannot be scored, as far as its rows tell; None if it can."""
    if sample["status"] != "ok":
        return f"sample: {sample['reason']}"
    if not frames:
        return "none of its frames is there"
    for frame in frames:
        if frame["status"] == "failed":
            return f"frame {frame['frame_index']}: {frame['reason']}"
    if sample["is_null"] or settings.missing == "scored":
        return None  # only the prediction counts
    return None if any(path is not None for path in sample["mask_paths"]) else "no ground truth"


def _region_and_contour(sample: dict, frames: list[dict], settings: Score, dataset: Path) -> tuple[float, float]:
    """(J, F) over the frames with ground truth; ValueError names the file that cannot be used."""
    greys = []
    for path, frame in zip(filter(None, sample["mask_paths"]), frames, strict=True):
        grey = read_mask(dataset / path)
        if grey.shape != (frame["height"], frame["width"]):
            raise ValueError(
                f"{dataset / path}: {grey.shape[1]} x {grey.shape[0]} px, but frame {frame['frame_index']} has "
                f"{frame['width']} x {frame['height']} px"
            )
        greys.append(grey)
    match settings.protocol:
        case "davis":
            return davis.score_video([binary(frame, settings) for frame in frames], [grey > 0 for grey in greys])
        case "tgs":
            gt_THW = [
                tgs.resize_gt(grey, height=frame["levels_size"], width=frame["levels_size"], how=settings.gt_resize)
                for grey, frame in zip(greys, frames, strict=True)
            ]
            return tgs.score_video([_levels(frame) for frame in frames], gt_THW)


def _levels(frame: dict) -> np.ndarray:
    return levels.decompress(frame["levels"], size=frame["levels_size"])


def binary(frame: dict, settings: Score) -> np.ndarray:
    """The predicted mask, bool, on the grid that the protocol scores."""
    if settings.protocol == "tgs":
        return levels.foreground(_levels(frame))
    return rle.decode(frame["rle"], height=frame["height"], width=frame["width"])


def _view(settings: Score, workspace: Workspace, execution: Execution, found: splits.Splits) -> Iterator[dict]:
    """The artifact, streamed; every row is counted in `found`."""
    predicted = Artifact(workspace.masks, masks.SCHEMA, columns=[*MASK_COLUMNS, *MAP_COLUMNS[settings.protocol]])
    repeated = _repeated(workspace) if settings.repeated_uids == "first" else {}
    score = partial(score_sample, settings=settings, dataset=workspace.dataset, repeated=repeated)
    scored = local.prefetch(score, read_by_sample(workspace.samples, [predicted]), num_loaders=execution.num_loaders)
    for row in tqdm(scored, desc="score", unit="sample", disable=None):
        if row["status"] != "repeated":
            found.add(row)
        yield row


def _repeated(workspace: Workspace) -> dict[str, repeats.Repeated]:
    return repeats.find(table.read_rows(workspace.samples, samples.SCHEMA, columns=["uid", "row", "mask_paths"]))
