"""detect: frames and captions -> every candidate box above the floor, once for each distinct (frame, caption).

Inputs: samples, chains, the frames themselves. Output: artifacts/candidates/candidates.parquet, in the order in which
samples first use a (frame, caption). Thresholds and the choice of a box come in `ground`.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from tgs_pipeline.artifacts import candidates, chains
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.artifacts.table import chunks, write
from tgs_pipeline.data.media import load_frames, to_images
from tgs_pipeline.execution import WHOLE, Execution
from tgs_pipeline.params import Detect, Params
from tgs_pipeline.prompts.caption import Asked, ask
from tgs_pipeline.prompts.objects import ask_each
from tgs_pipeline.rows import Recipe, compute
from tgs_pipeline.weights import digest, loading
from tgs_pipeline.workspace import Workspace

if TYPE_CHECKING:
    from tgs_pipeline.backends.detector.base import Detector

VERSION = 1
UNITS_AT_ONCE = 256
UNIT = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("frame_hash", pa.string()),
        pa.field("caption", pa.string()),
        pa.field("path", pa.string()),  # relative to the dataset
    ]
)
PAYLOAD = pa.schema(
    [
        candidates.SCHEMA.field(name).with_nullable(True).remove_metadata()
        for name in ("boxes_xyxy", "scores", "query_index", "tokens", "token_scores")
    ]
)


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Compute the candidates that the row store lacks and write them all."""
    settings = params.detect
    recipe = make_recipe(settings)
    found = compute(
        units(workspace, recipe=recipe, settings=settings),
        recipe=recipe,
        payload=PAYLOAD,
        load=partial(load_frames, root=workspace.dataset),
        make_operator=lambda: DetectOperator(make_detector(settings, device=execution.device), floor=settings.floor),
        execution=execution,
    )
    if execution.shard == WHOLE:
        write(
            workspace.candidates,
            candidates.SCHEMA,
            view(units(workspace, recipe=recipe, settings=settings), found),
        )


def make_recipe(settings: Detect) -> Recipe:
    """What decides a row besides frame and caption."""
    deciding = settings.model_dump(exclude={"weights", "captions", "caption_text"})
    return Recipe(stage="detect", version=VERSION, params=deciding, weights=digest(Path(settings.weights)))


def units(workspace: Workspace, *, recipe: Recipe, settings: Detect) -> Iterator[pa.Table]:
    """Stream tables of UNIT: each frame of each sample with each of its captions; repeats are not removed."""
    for chunk in chunks(_units(workspace, recipe=recipe, settings=settings), UNITS_AT_ONCE):
        yield pa.Table.from_pylist(chunk, schema=UNIT)


def _units(workspace: Workspace, *, recipe: Recipe, settings: Detect) -> Iterator[dict[str, str]]:
    for sample, ((chain,),) in read_by_sample(workspace.samples, [Artifact(workspace.chains, chains.SCHEMA)]):
        asked = [one for column in settings.captions for one in _asked(sample, chain, column, settings=settings)]
        captions = [one.caption for one in asked if one.caption]
        for frame_hash, path in zip(sample["frame_hashes"], sample["frame_paths"], strict=True):
            for caption in captions:
                key = recipe.key(frame_hash, caption)
                yield {"key": key, "frame_hash": frame_hash, "caption": caption, "path": path}


def _asked(sample: dict, chain: dict, column: str, *, settings: Detect) -> list[Asked]:
    """What is asked for a sample: one caption, or one for each sounding object."""
    if column == "objects":
        return [one.asked for one in ask_each(sample, chain)]
    return [ask(sample, chain, column=column, caption_text=settings.caption_text)]


class DetectOperator:
    """Runs a detector on a batch of loaded units."""

    def __init__(self, detector: "Detector", *, floor: float) -> None:
        self.detector = detector
        self.floor = floor

    def __call__(self, table: pa.Table) -> pa.Table:
        """A row of PAYLOAD for each unit."""
        found = self.detector.detect(to_images(table["image"]), table["caption"].to_pylist(), floor=self.floor)
        payload = {
            "boxes_xyxy": [one.boxes_xyxy.ravel() for one in found],
            "scores": [one.scores for one in found],
            "query_index": [one.query_index for one in found],
            "tokens": [one.tokens for one in found],
            "token_scores": [one.token_scores.ravel() for one in found],
        }
        reasons = [
            one.reason and f"frame {path}, caption {caption!r}: {one.reason}"
            for one, path, caption in zip(found, table["path"].to_pylist(), table["caption"].to_pylist(), strict=True)
        ]
        outcome = {
            "key": table["key"],
            "status": ["failed" if reason else "ok" for reason in reasons],
            "reason": pa.array(reasons, pa.string()),
        }
        return pa.table(outcome | {field.name: pa.array(payload[field.name], field.type) for field in PAYLOAD})


def make_detector(settings: Detect, *, device: str) -> "Detector":
    """The detector that the params name."""
    weights = Path(settings.weights)
    size = {"shortest_edge_px": settings.shortest_edge_px, "longest_edge_px": settings.longest_edge_px}
    with loading(weights, device=device):
        match settings.backend:
            case "transformers":
                from tgs_pipeline.backends.detector.transformers import TransformersDetector

                return TransformersDetector(weights, device=device, dtype=settings.dtype, **size)
            case "groundingdino":
                from tgs_pipeline.backends.detector.groundingdino import GroundingDinoDetector

                return GroundingDinoDetector(weights, device=device, dtype=settings.dtype, **size)


def view(tables: Iterator[pa.Table], found: Lookup) -> Iterator[pa.Table]:
    """The artifact: the row of each distinct unit, in the order of first use."""
    seen: set[str] = set()
    for batch in tables:
        first = []
        for offset, key in enumerate(batch["key"].to_pylist()):
            if key not in seen:
                seen.add(key)
                first.append(offset)
        if first:
            used = batch.take(pa.array(first, pa.int64()))
            computed = found.take(used["key"].to_pylist())
            columns = {name: (used if name in UNIT.names else computed)[name] for name in candidates.SCHEMA.names}
            yield pa.table(columns | {name: _empty_for_null(columns[name]) for name in PAYLOAD.names})


def _empty_for_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Failed rows have no payload: an empty list stands there."""
    return pc.coalesce(column, pa.scalar([], column.type))
