"""think: asks a thinker what each reference means, once for each distinct clip and prompt.

Inputs: artifacts/samples, artifacts/features (only for thinkers that see and hear), weights. Output: artifacts/chains,
one row for each sample in their order.

A reply that cannot be read (malformed) or was cut (truncated) is a result: it is stored and not asked for again.
Samples whose files or features failed become failed rows without asking.

With `padding: read` a reply depends on its batch (trap T1), so a unit is then a place in one of upstream's batches
(compat/batches.py), which are asked whole.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from tgs_pipeline.artifacts import chains, samples
from tgs_pipeline.artifacts.features_reader import FeatureReader
from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.artifacts.table import read, write_rows
from tgs_pipeline.backends.thinker.base import Reply, Request, Thinker
from tgs_pipeline.compat.batches import Batch, batches
from tgs_pipeline.execution import WHOLE, Execution
from tgs_pipeline.params import Params, Think
from tgs_pipeline.prompts.ref_thinker import PROMPTS, Wording
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
# a row of samples -> what its prompt and media are known by, or None and the reason why it is not asked
_ContentOf = Callable[[dict], tuple[list[str] | None, str | None]]

log = logging.getLogger(__name__)


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Compute what is missing and write chains.parquet, unless this is one shard of several."""
    settings = params.think
    reader = FeatureReader(workspace.features) if settings.backend == "ref_thinker" else None
    recipe = make_recipe(settings)
    in_batches = reader is not None and settings.padding == "read"
    content_of = partial(_content, reader=reader, prompt=settings.prompt, needs_sound=in_batches)
    keys: Mapping[int, str] | None = None
    if reader is not None and in_batches:
        rows = _samples(workspace.samples)
        asked = list(batches(rows, content_of=lambda sample: content_of(sample)[0], recipe=recipe))
        keys = {row: key for batch in asked for row, key in zip(batch.rows, batch.keys, strict=True)}
        found = _think_in_batches(asked, settings, reader=reader, recipe=recipe, execution=execution)
    else:
        found = compute(
            _units(workspace.samples, recipe=recipe, content_of=content_of),
            recipe=recipe,
            payload=PAYLOAD,
            load=partial(_load, reader=reader),
            make_operator=lambda: ThinkOperator(make_thinker(settings, device=execution.device)),
            execution=execution,
        )
    if execution.shard != WHOLE:
        return
    counts: Counter[str] = Counter()
    view = _view(workspace.samples, recipe=recipe, content_of=content_of, keys=keys, found=found, counts=counts)
    num_rows = write_rows(workspace.chains, chains.SCHEMA, view)
    shown = ", ".join(f"{counts[name]} {name}" for name in ("ok", "null", "malformed", "truncated", "failed"))
    log.info("think: %d references: %s", num_rows, shown)


def _think_in_batches(
    asked: Sequence[Batch], settings: Think, *, reader: FeatureReader, recipe: Recipe, execution: Execution
) -> Lookup:
    """`compute` for places of batches; a batch of which some place is missing is asked again, whole."""
    return compute(
        (batch.units() for batch in asked),
        recipe=recipe,
        payload=PAYLOAD,
        load=partial(_load, reader=None),
        make_operator=lambda: BatchOperator(make_thinker(settings, device=execution.device), reader=reader),
        execution=execution,
    )


def make_recipe(params: Think) -> Recipe:
    """What decides a chain besides clip and prompt; the pass-through depends on no weights and no decoding settings."""
    if params.backend == "reference":
        return Recipe(stage="think", version=VERSION, params={"backend": params.backend}, weights="")
    unsaid = {"weights", "prompt"} | ({"padding"} if params.padding == "masked" else set())  # the key holds the prompt
    semantic = params.model_dump(exclude=unsaid)
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
                    prompt=params.prompt,
                    padding=params.padding,
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


class BatchOperator:
    """Answers places of upstream's batches (compat/batches.py). The last batch is remembered: its places may come in
    several tables.
    """

    def __init__(self, thinker: Thinker, *, reader: FeatureReader) -> None:
        self.thinker = thinker
        self.reader = reader
        self.batch: str | None = None
        self.replies: list[Reply] = []

    def __call__(self, table: pa.Table) -> pa.Table:
        answers = []
        for unit in table.to_pylist():
            if unit["batch"] != self.batch:
                self.replies = self.thinker.think([*map(self._request, unit["vids"], unit["references"])])
                self.batch = unit["batch"]
            answers.append(self.replies[unit["place"]])
        return _rows(table["key"], answers)

    def _request(self, vid: str, reference: str) -> Request:
        features = self.reader.get(vid)
        return Request(reference=reference, visual=features.visual, audio=features.audio)


def _samples(path: Path) -> Iterator[dict]:
    for part in read(path, samples.SCHEMA, columns=_SAMPLE_COLUMNS):
        yield from part.to_pylist()


def _units(path: Path, *, recipe: Recipe, content_of: _ContentOf) -> Iterator[pa.Table]:
    """The units of the samples that can be thought about: key, vid, reference."""
    for part in read(path, samples.SCHEMA, columns=_SAMPLE_COLUMNS):
        units = []
        for sample in part.to_pylist():
            content, _ = content_of(sample)
            if content is not None:
                units.append({"key": recipe.key(*content), "vid": sample["vid"], "reference": sample["reference"]})
        if units:
            yield pa.Table.from_pylist(units)


def _content(
    sample: dict, *, reader: FeatureReader | None, prompt: Wording, needs_sound: bool
) -> tuple[list[str] | None, str | None]:
    """See _ContentOf. needs_sound: what has no sound is not even asked, since it would spoil its batch."""
    if sample["status"] != "ok":
        return None, sample["reason"]
    if reader is None:
        return [sample["reference"]], None
    features = reader.get(sample["vid"])
    if features.status != "ok":
        return None, features.reason
    if needs_sound and features.audio is None:
        return None, _no_sound(sample["vid"])
    return [features.key, PROMPTS[prompt](sample["reference"])], None


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
    reasons = [_no_sound(vid) if sound is None else None for vid, sound in zip(audio_vids, sounds, strict=True)]
    units = units.append_column("reason", pa.array(reasons, pa.string()))
    for name, arrays in (("visual", [reader.get(vid).visual for vid in visual_vids]), ("audio", sounds)):
        data = [None if array is None else array.tobytes() for array in arrays]
        shapes = [None if array is None else list(array.shape) for array in arrays]
        units = units.append_column(name, pa.array(data, pa.large_binary()))
        units = units.append_column(f"{name}_shape", pa.array(shapes, _SHAPE))
    return units


def _no_sound(vid: str) -> str:
    why = "it has no sound track, and Ref-Thinker listens"
    return f"video {vid}: {why}; add its audio.wav, or think with another backend"


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
    path: Path,
    *,
    recipe: Recipe,
    content_of: _ContentOf,
    keys: Mapping[int, str] | None,
    found: Lookup,
    counts: Counter[str],
) -> Iterator[dict]:
    """Rows of chains.parquet, one for each sample; counts their statuses, and abstentions as `null`.

    keys: the key of each row where it depends on the batch; None where a sample is known by its own content.
    """
    for part in read(path, samples.SCHEMA, columns=_SAMPLE_COLUMNS):
        batch = part.to_pylist()
        contents = [content_of(sample) for sample in batch]
        wanted = [
            recipe.key(*content) if keys is None else keys[sample["row"]]
            for sample, (content, _) in zip(batch, contents, strict=True)
            if content is not None
        ]
        thoughts = iter(found.take(wanted).to_pylist())
        for sample, (content, reason) in zip(batch, contents, strict=True):
            thought = _unasked(reason) if content is None else next(thoughts)
            row = {name: sample[name] for name in ("uid", "row", "vid", "split", "reference")}
            answered = ("think", "f_object", "s_object", "null_probability", "raw", "status", "reason")
            row |= {name: thought[name] for name in answered}
            row["num_tokens"] = thought["num_tokens"] or 0
            counts["null" if row["status"] == "ok" and row["s_object"] is None else row["status"]] += 1
            yield row


def _unasked(reason: str | None) -> dict:
    """The outcome of a sample that no thinker was asked about."""
    return {name: None for name in PAYLOAD.names} | {"status": "failed", "reason": reason}
