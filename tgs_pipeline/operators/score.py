"""score: masks against ground truth -> the scores of each sample and of each split, by one named protocol. No model.

Inputs: samples, masks, the ground truth masks of the dataset. Outputs, all in artifacts/score: scores.parquet, a row
for each sample in their order; metrics.json; splits.csv and curve.csv, the same for `dvc plots`.

What is scored, and as what:
- An abstention (no_caption, no_box) is an empty mask and scored as one.
- A reply of the thinker that could not be read (no_answer) is scored as the worst: J = F = 0, or S = 1.
- A sample with a failed frame, or with ground truth corrupt, of another size or missing altogether, is not scored, and
  its row says why. Nothing scores well by being absent (trap T7).
- Neither is a sample whose masks are `partial`: what is left of it could score better than the whole, where the missing
  object does not belong there, and asking again may complete it.
- Frames that the dataset lacks, or that have no ground truth, are not scored; the sample is scored on the others.
- `missing: scored` and `repeated_uids: first` score by absence and by uid alone, as upstream does (traps T7, T6).
All three lower `coverage`: the frames scored as a share of the frames that the benchmark defines for the split.
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
from tgs_pipeline.data.truth import read_truth
from tgs_pipeline.execution import WHOLE, Execution, first_reasons
from tgs_pipeline.executors import local
from tgs_pipeline.metrics import levels, protocols, rle, splits
from tgs_pipeline.metrics.protocols import FRAME_SIZED, Predicted
from tgs_pipeline.metrics.stability import temporal_stability
from tgs_pipeline.metrics.tally import Tally
from tgs_pipeline.params import Params, Score
from tgs_pipeline.workspace import Workspace

log = logging.getLogger(__name__)

NOTHING_LEFT = {"status": "ok", "reason": "no frame has all its files: scored as upstream scores nothing (trap T7)"}
MASK_COLUMNS = ["uid", "row", "frame_index", "height", "width", "status", "reason"]
MAP_COLUMNS = {name: ["rle"] if name in FRAME_SIZED else ["levels", "levels_size"] for name in protocols.NAMES}


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Score every sample and write all outputs."""
    if execution.shard != WHOLE:
        return  # nothing here is worth sharing out
    settings = params.score
    found = splits.Splits(protocol=settings.protocol)
    table.write_rows(workspace.scores, scores.SCHEMA, _view(settings, workspace, execution, found))
    metrics: dict[str, object] = {"protocol": settings.protocol}
    if settings.protocol == "tgs":
        metrics["gt_resize"] = settings.gt_resize  # the one setting that changes what a score means
    metrics |= {"compat": traps.labels(params), "splits": found.metrics()}
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
) -> tuple[dict, Tally | None]:
    """The scores row of one sample from its row of samples and [its rows of masks], one for each frame index.

    Beside it, what the sample adds to its batch, where the protocol scores batches and the sample is scored.
    repeated: the uids of which one row alone is scored, as upstream (trap T6).
    """
    sample, (frames,) = rows
    sample, left_out = repeats.as_upstream(sample, repeated)
    row = {name: sample[name] for name in ("uid", "row", "vid", "split", "is_null")}
    row |= {"J": None, "F": None, "JF": None, "S": None, "temporal_stability": None}
    row |= {"enters_late": False}
    row |= {"num_frames": 0, "num_frames_expected": sample["num_frames"]}
    if left_out is not None:
        return row | {"num_frames_expected": 0, "status": "repeated", "reason": left_out}, None
    reason = _why_not(sample, frames, settings)
    if reason is not None:
        return row | {"status": "failed", "reason": reason}, None
    incomplete = next((frame for frame in frames if frame["status"] == "partial"), None)
    if incomplete is not None:
        return row | {"status": "partial", "reason": incomplete["reason"]}, None
    if not sample["is_null"] or settings.missing == "scored":
        known = [path is not None for path in sample["mask_paths"]]
        frames = list(compress(frames, known))
    if not frames:
        nothing = {"S": 0.0} if sample["is_null"] else {"J": 0.0, "F": 0.0, "JF": 0.0}
        return row | NOTHING_LEFT | nothing, None  # `missing: scored` is of protocol tgs, which knows no batches
    try:
        truth = [] if sample["is_null"] else _truths(sample, frames, settings, dataset)
        row |= {"enters_late": _enters_late(truth)}
        unread = next((frame for frame in frames if frame["status"] == "no_answer"), None)
        outcome = {"num_frames": len(frames), "status": "ok", "reason": None}
        if unread is not None:
            row |= {"S": 1.0} if sample["is_null"] else {"J": 0.0, "F": 0.0, "JF": 0.0}
            outcome |= {"status": "no_answer", "reason": unread["reason"]}
            return row | outcome, _worst(sample, frames, settings)
        scores, tally = _scores(frames, truth, settings, is_null=sample["is_null"])
    except ValueError as error:
        return row | {"status": "failed", "reason": str(error)}, None
    return row | outcome | scores, tally


def _worst(sample: dict, frames: list[dict], settings: Score) -> Tally:
    if settings.protocol in FRAME_SIZED:
        num_px = sum(frame["height"] * frame["width"] for frame in frames)
    else:
        num_px = sum(frame["levels_size"] ** 2 for frame in frames)
    return protocols.worst(num_frames=len(frames), num_px=num_px, is_null=sample["is_null"])


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


def _scores(
    frames: list[dict], truth: list[np.ndarray], settings: Score, *, is_null: bool
) -> tuple[dict[str, float | None], Tally | None]:
    """{"J", "F", "JF", "temporal_stability"} or {"S"}; ValueError says what cannot be scored."""
    if is_null:
        value, tally = protocols.score_null([binary(frame, settings) for frame in frames], protocol=settings.protocol)
        return {"S": value}, tally
    predicted = _predicted(frames, settings)
    scores, tally = protocols.score_sample(predicted, truth, protocol=settings.protocol)
    indices = [frame["frame_index"] for frame in frames]
    steady = temporal_stability(predicted.masks, truth, frame_indices=indices)
    return {**scores, "JF": (scores["J"] + scores["F"]) / 2, "temporal_stability": steady}, tally


def _truths(sample: dict, frames: list[dict], settings: Score, dataset: Path) -> list[np.ndarray]:
    """The ground truth of frames; ValueError names the file that cannot be used."""
    paths = zip(filter(None, sample["mask_paths"]), frames, strict=True)
    return [_truth(dataset / path, frame, settings) for path, frame in paths]


def _enters_late(truth: list[np.ndarray]) -> bool:
    """Whether the object is out of view in the first of these frames and in view in a later one."""
    return bool(truth) and not truth[0].any() and any(mask.any() for mask in truth)


def _truth(path: Path, frame: dict, settings: Score) -> np.ndarray:
    """The ground truth of a frame, bool, on the grid that the protocol scores."""
    grey = read_truth(path)
    if grey.shape != (frame["height"], frame["width"]):
        raise ValueError(
            f"{path}: {grey.shape[1]} x {grey.shape[0]} px, but frame {frame['frame_index']} has "
            f"{frame['width']} x {frame['height']} px"
        )
    if settings.protocol in FRAME_SIZED:
        return grey > 0
    size = frame["levels_size"]
    return protocols.resize_gt(grey, height=size, width=size, protocol=settings.protocol, how=settings.gt_resize)


def _predicted(frames: list[dict], settings: Score) -> Predicted:
    if settings.protocol in FRAME_SIZED:
        return Predicted([binary(frame, settings) for frame in frames])
    levels_THW = [_levels(frame) for frame in frames]
    if settings.protocol != "refavs":
        return protocols.from_levels(levels_THW)
    low_THW = [levels.decompress_low(frame["levels"], size=frame["levels_size"]) for frame in frames]
    return protocols.from_levels(levels_THW, low_THW)


def _levels(frame: dict) -> np.ndarray:
    return levels.decompress(frame["levels"], size=frame["levels_size"])


def binary(frame: dict, settings: Score) -> np.ndarray:
    """The predicted mask, bool, on the grid that the protocol scores."""
    if settings.protocol in FRAME_SIZED:
        return rle.decode(frame["rle"], height=frame["height"], width=frame["width"])
    return levels.foreground(_levels(frame))


def _view(settings: Score, workspace: Workspace, execution: Execution, found: splits.Splits) -> Iterator[dict]:
    """The artifact, streamed; every row is counted in `found`."""
    predicted = Artifact(workspace.masks, masks.SCHEMA, columns=[*MASK_COLUMNS, *MAP_COLUMNS[settings.protocol]])
    repeated = _repeated(workspace) if settings.repeated_uids == "first" else {}
    score = partial(score_sample, settings=settings, dataset=workspace.dataset, repeated=repeated)
    scored = local.prefetch(score, read_by_sample(workspace.samples, [predicted]), num_loaders=execution.num_loaders)
    for row, tally in tqdm(scored, desc="score", unit="sample", disable=None):
        if row["status"] != "repeated":
            found.add(row, tally)
        yield row


def _repeated(workspace: Workspace) -> dict[str, repeats.Repeated]:
    return repeats.find(table.read_rows(workspace.samples, samples.SCHEMA, columns=["uid", "row", "mask_paths"]))
