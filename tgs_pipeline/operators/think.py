"""think: asks a thinker what each reference means, once for each distinct clip and prompt.

Inputs: artifacts/samples, artifacts/features (only for thinkers that see and hear), weights. Output: artifacts/chains,
one row for each sample in their order.

A reply that cannot be read (malformed) or was cut (truncated) is a result: it is stored and not asked for again.
Samples whose files or features failed become failed rows without asking.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from tgs_pipeline.artifacts import chains, samples
from tgs_pipeline.artifacts.features_reader import FeatureReader
from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.artifacts.table import read, write_rows
from tgs_pipeline.backends.thinker.base import Reply, Request, Thinker
from tgs_pipeline.execution import WHOLE, Execution
from tgs_pipeline.params import Params, Think
from tgs_pipeline.prompts.ref_thinker import inference_prompt
from tgs_pipeline.rows import Recipe, compute
from tgs_pipeline.weights import digest, loading
from tgs_pipeline.workspace import Workspace

VERSION = 3  # raise when the meaning of a row changes

PAYLOAD = pa.schema(
    [
        ("think", pa.string()),
        ("f_object", pa.string()),
        ("s_object", pa.string()),
        ("null_probability", pa.float32()),
        ("raw", pa.string()),
        ("num_tokens", pa.int32()),
    ]
)
_SAMPLE_COLUMNS = ["uid", "row", "vid", "split", "reference", "status", "reason"]
_SHAPE = pa.list_(pa.int32())

log = logging.getLogger(__name__)


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Compute what is missing and write chains.parquet, unless this is one shard of several."""
    reader = FeatureReader(workspace.features) if params.think.backend == "ref_thinker" else None
    recipe = make_recipe(params.think)
    found = compute(
        _units(workspace.samples, recipe=recipe, reader=reader),
        recipe=recipe,
        payload=PAYLOAD,
        load=partial(_load, reader=reader),
        make_operator=lambda: ThinkOperator(make_thinker(params.think, device=execution.device)),
        execution=execution,
    )
    if execution.shard != WHOLE:
        return
    counts: Counter[str] = Counter()
    view = _view(workspace.samples, recipe=recipe, reader=reader, found=found, counts=counts)
    num_rows = write_rows(workspace.chains, chains.SCHEMA, view)
    shown = ", ".join(f"{counts[name]} {name}" for name in ("ok", "null", "malformed", "truncated", "failed"))
    log.info("think: %d references: %s", num_rows, shown)


def make_recipe(params: Think) -> Recipe:
    """What decides a chain besides clip and prompt; the pass-through depends on no weights and no decoding settings."""
    if params.backend == "reference":
        return Recipe(stage="think", version=VERSION, params={"backend": params.backend}, weights="")
    semantic = params.model_dump(exclude={"weights"})
    return Recipe(stage="think", version=VERSION, params=semantic, weights=digest(Path(params.weights)))


def make_thinker(params: Think, *, device: str) -> Thinker:
    """The thinker that `think.backend` names, loaded."""
    match params.backend:
        case "reference":
            from tgs_pipeline.backends.thinker.reference import ReferenceThinker

            return ReferenceThinker()
        case "ref_thinker":
            import torch

            from tgs_pipeline.backends.thinker.ref_thinker import RefThinkerRunner

            with loading(Path(params.weights), device=device):
                return RefThinkerRunner(
                    Path(params.weights),
                    reply_format=params.reply_format,
                    max_new_tokens=params.max_new_tokens,
                    dtype=getattr(torch, params.dtype),
                    device=device,
                )


class ThinkOperator:
    """Turns loaded units (reference, features and, if there is one, the forced beginning) into rows of PAYLOAD."""

    def __init__(self, thinker: Thinker) -> None:
        self.thinker = thinker

    def __call__(self, table: pa.Table) -> pa.Table:
        replies = self.thinker.think([_request(unit) for unit in table.to_pylist()])
        return _rows(table["key"], replies)


def _units(path: Path, *, recipe: Recipe, reader: FeatureReader | None) -> Iterator[pa.Table]:
    """The units of the samples that can be thought about: key, vid, reference."""
    for part in read(path, samples.SCHEMA, columns=_SAMPLE_COLUMNS):
        units = []
        for sample in part.to_pylist():
            key, _ = _key(sample, recipe=recipe, reader=reader)
            if key is not None:
                units.append({"key": key, "vid": sample["vid"], "reference": sample["reference"]})
        if units:
            yield pa.Table.from_pylist(units)


def _key(sample: dict, *, recipe: Recipe, reader: FeatureReader | None) -> tuple[str | None, str | None]:
    """The key of a sample's unit, or None and the reason why there is none."""
    if sample["status"] != "ok":
        return None, sample["reason"]
    if reader is None:
        return recipe.key(sample["reference"]), None
    features = reader.get(sample["vid"])
    if features.status != "ok":
        return None, features.reason
    return recipe.key(features.key, inference_prompt(sample["reference"])), None


def _load(units: pa.Table, *, reader: FeatureReader | None) -> pa.Table:
    """Add the features of each unit, where the thinker reads them."""
    if reader is None:
        return units.append_column("reason", pa.nulls(units.num_rows, pa.string()))
    return with_features(
        units, reader=reader, visual_vids=units["vid"].to_pylist(), audio_vids=units["vid"].to_pylist()
    )


def with_features(
    units: pa.Table, *, reader: FeatureReader, visual_vids: Sequence[str], audio_vids: Sequence[str]
) -> pa.Table:
    """Add to each unit what ThinkOperator reads of the frames of one video and the sound of one; usually the same."""
    sounds = [reader.get(vid).audio for vid in audio_vids]
    reasons = [
        f"video {vid}: it has no sound track, and Ref-Thinker listens; add its audio.wav, or think with another backend"
        if sound is None
        else None
        for vid, sound in zip(audio_vids, sounds, strict=True)
    ]
    units = units.append_column("reason", pa.array(reasons, pa.string()))
    for name, arrays in (("visual", [reader.get(vid).visual for vid in visual_vids]), ("audio", sounds)):
        data = [None if array is None else array.tobytes() for array in arrays]
        shapes = [None if array is None else list(array.shape) for array in arrays]
        units = units.append_column(name, pa.array(data, pa.large_binary()))
        units = units.append_column(f"{name}_shape", pa.array(shapes, _SHAPE))
    return units


def _request(unit: dict) -> Request:
    return Request(
        reference=unit["reference"],
        visual=_array(unit, "visual"),
        audio=_array(unit, "audio"),
        forced=unit.get("forced", ""),
    )


def _array(unit: dict, name: str) -> np.ndarray | None:
    data = unit.get(name)
    return None if data is None else np.frombuffer(data, np.float16).reshape(unit[f"{name}_shape"])


def _rows(keys: pa.ChunkedArray, replies: Sequence[Reply]) -> pa.Table:
    columns = {
        "key": keys,
        "status": pa.array([reply.status for reply in replies], pa.string()),
        "reason": pa.array([reply.reason for reply in replies], pa.string()),
        "think": pa.array([reply.think for reply in replies], pa.string()),
        "f_object": pa.array([reply.f_object for reply in replies], pa.string()),
        "s_object": pa.array([reply.s_object for reply in replies], pa.string()),
        "null_probability": pa.array([reply.null_probability for reply in replies], pa.float32()),
        "raw": pa.array([reply.text for reply in replies], pa.string()),
        "num_tokens": pa.array([reply.num_tokens for reply in replies], pa.int32()),
    }
    return pa.table(columns)


def _view(
    path: Path, *, recipe: Recipe, reader: FeatureReader | None, found: Lookup, counts: Counter[str]
) -> Iterator[dict]:
    """Rows of chains.parquet, one for each sample; counts their statuses, and abstentions as `null`."""
    for part in read(path, samples.SCHEMA, columns=_SAMPLE_COLUMNS):
        batch = part.to_pylist()
        keys = [_key(sample, recipe=recipe, reader=reader) for sample in batch]
        thoughts = iter(found.take([key for key, _ in keys if key is not None]).to_pylist())
        for sample, (key, reason) in zip(batch, keys, strict=True):
            thought = _unasked(reason) if key is None else next(thoughts)
            row = {name: sample[name] for name in ("uid", "row", "vid", "split", "reference")}
            answered = ("think", "f_object", "s_object", "null_probability", "raw", "status", "reason")
            row |= {name: thought[name] for name in answered}
            row["num_tokens"] = thought["num_tokens"] or 0
            counts["null" if row["status"] == "ok" and row["s_object"] is None else row["status"]] += 1
            yield row


def _unasked(reason: str | None) -> dict:
    """The outcome of a sample that no thinker was asked about."""
    return {name: None for name in PAYLOAD.names} | {"status": "failed", "reason": reason}
