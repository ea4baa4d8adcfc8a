"""segment: boxes -> the mask and score map of each frame of each sample.

Inputs: samples, boxes, the frames themselves; pivots, where boxes are tracked from them; chains, where masks of silent
objects are dropped, and second_tags and the sounds themselves, where it is found out who is silent.
Output: artifacts/masks/masks.parquet, a row for each row of boxes and in their order; in mode `propagate`,
artifacts/masks/objects.parquet too, the masks of objects that have names.

- mode `frame`: computed once for each distinct (frame, box). Where there is no box, the mask is all background and
  keeps the status and reason of the box.
- mode `propagate`: computed once for each distinct (clip, prompts), a mask in every frame (segmenting/propagation.py).
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tgs_pipeline.artifacts import boxes, masks, object_masks, table
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.data.media import load_frames, to_images
from tgs_pipeline.execution import WHOLE, Execution
from tgs_pipeline.metrics import levels, rle
from tgs_pipeline.params import Params, Segment
from tgs_pipeline.rows import OUTCOME, Recipe, compute
from tgs_pipeline.segmenting import propagation
from tgs_pipeline.segmenting.maps import score_map
from tgs_pipeline.segmenting.silence import drop_silent, object_sounds, read_heard
from tgs_pipeline.sounding.matching import Told, match
from tgs_pipeline.sounding.recorded import Activity, read_activity
from tgs_pipeline.sounding.segments import read_segments
from tgs_pipeline.weights import digest, loading
from tgs_pipeline.workspace import Workspace

if TYPE_CHECKING:
    from tgs_pipeline.backends.segmenter.base import Propagator, Segmenter

log = logging.getLogger(__name__)

VERSION = 2
WINDOW_ROWS = 4096  # rows within which units of one frame are brought together
UNIT = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("frame_hash", pa.string()),
        pa.field("path", pa.string()),  # relative to the dataset
        pa.field("box_xyxy_px", pa.list_(pa.float32())),
    ]
)
# settings that decide no row, or through its key
AFTERWARDS = {"mode", "exclusive", "silent_frames", "matching", "sounding"}
PAYLOAD = pa.schema(
    [
        masks.SCHEMA.field(name).with_nullable(True).remove_metadata()
        for name in ("height", "width", "rle", "levels", "predicted_iou")
    ]
)
OF_FRAME = {"status", "reason", *PAYLOAD.names}


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Compute the masks that the row store lacks and write them all."""
    settings = params.segment
    told = Told({}, {})
    if settings.silent_frames == "drop" and execution.shard == WHOLE:
        told = _told(params, workspace, execution)  # before masks are computed: what tells it may be unusable
    found = _computed(settings, workspace, execution)
    if execution.shard != WHOLE:
        return
    object_masks.path_of(workspace).unlink(missing_ok=True)  # of other settings, where nobody else removed it
    rows = _rows(settings, workspace, found, activities=told.activities)
    if told.activities or told.failures:
        rows = drop_silent(rows, read_heard(workspace, told))
    statuses: Counter[str] = Counter()
    num_rows = table.write_rows(workspace.masks, masks.SCHEMA, _counted(rows, statuses))
    if settings.mode == "propagate":
        table.write_rows(
            object_masks.path_of(workspace), object_masks.SCHEMA, _object_rows(settings, workspace, found, told=told)
        )
    log.info("segment: %d frames: %s", num_rows, ", ".join(f"{n} {what}" for what, n in sorted(statuses.items())))


def _told(params: Params, workspace: Workspace, execution: Execution) -> Told:
    """When objects sound: as recorded, or by listening to them."""
    settings, path = params.segment, Path(params.segment.sounding)
    if settings.matching is None:
        return Told(read_activity(path), {})
    label_names = None if params.think.label_names is None else Path(params.think.label_names)
    recorded = read_segments(path)
    return match(settings.matching, workspace, execution, recorded=recorded, label_names=label_names)


def _computed(settings: Segment, workspace: Workspace, execution: Execution) -> Lookup:
    """The row store after everything that was missing is computed."""
    recipe = make_recipe(settings)
    match settings.mode:
        case "frame":
            return compute(
                units(workspace, recipe=recipe),
                recipe=recipe,
                payload=PAYLOAD,
                load=partial(load_frames, root=workspace.dataset),
                make_operator=lambda: SegmentOperator(
                    make_segmenter(settings, device=execution.device), levels_size_px=settings.levels_size_px
                ),
                execution=execution,
            )
        case "propagate":
            return compute(
                propagation.units(_clips(settings, workspace), recipe=recipe),
                recipe=recipe,
                payload=propagation.PAYLOAD,
                load=partial(propagation.check_frames, root=workspace.dataset),
                make_operator=lambda: propagation.PropagateOperator(
                    make_propagator(settings, device=execution.device),
                    root=workspace.dataset,
                    levels_size_px=settings.levels_size_px,
                    background_logit=None if settings.exclusive is None else settings.exclusive.background_logit,
                ),
                execution=replace(execution, batch_size=1),  # a batch of clips would save nothing and risk more
            )


def make_recipe(settings: Segment) -> Recipe:
    """What decides a row besides frame and box, or clip and prompts, which have a store of their own."""
    match settings.backend:
        case "sam2":
            from tgs_pipeline.backends.segmenter.sam2_config import check_config

            files = [Path(settings.weights), check_config(Path(settings.config))]
    deciding = settings.model_dump(exclude={"weights", "config", *AFTERWARDS})
    stage = {"frame": "segment", "propagate": "propagate"}[settings.mode]
    if settings.exclusive is not None:
        deciding["background_logit"] = settings.exclusive.background_logit  # the key says who shares the pixels
    return Recipe(stage=stage, version=VERSION, params=deciding, weights=" ".join(digest(file) for file in files))


def make_segmenter(settings: Segment, *, device: str) -> "Segmenter":
    """The segmenter that the params name, with its weights loaded."""
    with loading(Path(settings.weights), device=device):
        match settings.backend:
            case "sam2":
                from tgs_pipeline.backends.segmenter.sam2 import Sam2Segmenter, load_model
                from tgs_pipeline.backends.segmenter.sam2_config import check_config

                return Sam2Segmenter(
                    load_model(check_config(Path(settings.config)), Path(settings.weights), device=device),
                    device=device,
                    dtype=settings.dtype,
                    input_size_px=settings.input_size_px,
                    swap_channels=settings.swap_channels,
                )


def make_propagator(settings: Segment, *, device: str) -> "Propagator":
    """The propagator of the same backend and weights."""
    with loading(Path(settings.weights), device=device):
        match settings.backend:
            case "sam2":
                from tgs_pipeline.backends.segmenter.sam2_config import check_config
                from tgs_pipeline.backends.segmenter.sam2_video import load_propagator

                return load_propagator(
                    check_config(Path(settings.config)),
                    Path(settings.weights),
                    device=device,
                    dtype=settings.dtype,
                    input_size_px=settings.input_size_px,
                    swap_channels=settings.swap_channels,
                )


def units(workspace: Workspace, *, recipe: Recipe) -> Iterator[pa.Table]:
    """Stream tables of UNIT: the frame and box of each row of boxes that has one; repeats are not removed.

    Within WINDOW_ROWS rows, the boxes of one frame stand together, so that a batch encodes it once: the references of
    a clip follow each other in the samples.
    """
    for window in table.chunks(_frames(workspace), WINDOW_ROWS):
        frames: dict[str, list[dict]] = defaultdict(list)
        for row in window:
            if row["box_xyxy_px"] is not None:
                unit = {name: row[name] for name in UNIT.names if name != "key"}
                frames[row["frame_hash"]].append(unit | {"key": _key(recipe, row)})
        if frames:
            yield pa.Table.from_pylist([unit for same in frames.values() for unit in same], schema=UNIT)


class SegmentOperator:
    """Runs a segmenter on a batch of loaded units."""

    def __init__(self, segmenter: "Segmenter", *, levels_size_px: int) -> None:
        self.segmenter = segmenter
        self.levels_size_px = levels_size_px

    def __call__(self, table: pa.Table) -> pa.Table:
        """A row of PAYLOAD for each unit. Each distinct frame is given to the segmenter once, with all its boxes."""
        frame_hashes = table["frame_hash"].to_pylist()
        images = dict(zip(frame_hashes, to_images(table["image"]), strict=True))
        asked: dict[str, list[list[float]]] = defaultdict(list)
        for frame_hash, box in zip(frame_hashes, table["box_xyxy_px"].to_pylist(), strict=True):
            asked[frame_hash].append(box)
        found = self.segmenter.segment(
            list(images.values()), [np.array(asked[frame_hash], np.float32) for frame_hash in images]
        )
        answers = {frame_hash: iter(masks) for frame_hash, masks in zip(images, found, strict=True)}
        rows = []
        paths = table["path"].to_pylist()
        for key, frame_hash, path in zip(table["key"].to_pylist(), frame_hashes, paths, strict=True):
            answer = next(answers[frame_hash])
            if answer.reason:
                failed = {"key": key, "status": "failed", "reason": f"frame {path}: {answer.reason}"}
                rows.append(dict.fromkeys(PAYLOAD.names) | failed)
                continue
            rows.append(
                {
                    "key": key,
                    "status": "ok",
                    "reason": None,
                    "height": answer.mask.shape[0],
                    "width": answer.mask.shape[1],
                    "rle": rle.encode(answer.mask),
                    "levels": levels.compress(score_map(answer.low_res_logits, size_px=self.levels_size_px)),
                    "predicted_iou": answer.predicted_iou,
                }
            )
        return pa.Table.from_pylist(rows, schema=pa.schema([*OUTCOME, *PAYLOAD]))


def _key(recipe: Recipe, row: dict) -> str:
    return recipe.key(row["frame_hash"], row["box_xyxy_px"])


def _frames(workspace: Workspace) -> Iterator[dict]:
    """Stream the rows of boxes, each with `frame_hash`, `path`, `height` and `width` of its frame."""
    for sample, (rows,) in read_by_sample(workspace.samples, [Artifact(workspace.boxes, boxes.SCHEMA)]):
        size = {"height": sample["height"], "width": sample["width"]}
        for row, frame_hash, path in zip(rows, sample["frame_hashes"], sample["frame_paths"], strict=True):
            yield row | size | {"frame_hash": frame_hash, "path": path}


def _rows(
    settings: Segment, workspace: Workspace, found: Lookup, *, activities: Mapping[str, Activity]
) -> Iterator[dict]:
    """The rows of the artifact, streamed. activities: when objects that have names sound."""
    match settings.mode:
        case "frame":
            rows = _frame_rows(workspace, found, recipe=make_recipe(settings))
        case "propagate":
            rows = _clip_rows(settings, workspace, found, sounds=partial(object_sounds, activities))
    for row in rows:
        yield row | {"levels_size": settings.levels_size_px}


def _frame_rows(workspace: Workspace, found: Lookup, *, recipe: Recipe) -> Iterator[dict]:
    for window in table.chunks(_frames(workspace), table.ROW_GROUP_ROWS):
        keys = [_key(recipe, frame) for frame in window if frame["box_xyxy_px"] is not None]
        computed = iter(found.take(keys).to_pylist())
        for frame in window:
            yield _row(frame, next(computed) if frame["box_xyxy_px"] is not None else None)


def _clip_rows(settings: Segment, workspace: Workspace, found: Lookup, *, sounds: propagation.Sounds) -> Iterator[dict]:
    for clip, computed in _computed_clips(settings, workspace, found):
        known = propagation.frames_of(clip, computed, sounds=sounds, levels_size_px=settings.levels_size_px)
        for sample, row, said in known:
            yield _row(row | {"height": sample["height"], "width": sample["width"]}, said)


def _object_rows(settings: Segment, workspace: Workspace, found: Lookup, *, told: Told) -> Iterator[dict]:
    """The rows of object_masks, streamed; none of clips that could not be listened to, whose masks are failed."""

    def sounds(vid: str, name: str, frame_index: int) -> bool:
        return vid not in told.failures and object_sounds(told.activities, vid, name, frame_index)

    for clip, computed in _computed_clips(settings, workspace, found):
        yield from propagation.object_masks_of(clip, computed, sounds=sounds)


def _computed_clips(
    settings: Segment, workspace: Workspace, found: Lookup
) -> Iterator[tuple[list[propagation.Group], list[dict | None]]]:
    """The groups of each clip, and of each the row of the store, None where it has no object."""
    recipe = make_recipe(settings)
    for clip in _clips(settings, workspace):
        yield clip, [found.take([group.key(recipe)]).to_pylist()[0] if group.objects else None for group in clip]


def _clips(settings: Segment, workspace: Workspace) -> Iterator[list[propagation.Group]]:
    shared = settings.exclusive
    return propagation.clips(workspace, num_annotations=None if shared is None else shared.num_annotations)


def _row(frame: dict, computed: dict | None) -> dict:
    """The masks row of a frame, without levels_size; `computed`: what the store says of it, None where there is no box.

    frame: its row of boxes, with the height and width of the frame. Where that is `partial` the mask is too.
    """
    row = {name: frame[name] for name in ("uid", "row", "frame_index", "height", "width", "status", "reason")}
    row |= {"rle": _empty(frame["height"], frame["width"]), "levels": None, "predicted_iou": None}
    if computed is None:
        return row
    if computed["status"] == "failed":
        return row | {"status": "failed", "reason": f"segment: {computed['reason']}"}
    kept = {"status": "partial", "reason": frame["reason"]} if frame["status"] == "partial" else {}
    return row | {name: value for name, value in computed.items() if name in OF_FRAME} | kept


def _counted(rows: Iterator[dict], statuses: Counter[str]) -> Iterator[dict]:
    for row in rows:
        statuses[row["status"]] += 1
        yield row


@lru_cache(maxsize=64)
def _empty(height: int, width: int) -> bytes:
    return rle.empty(height, width)
