"""think: asks a thinker what each reference means, once for each distinct clip and prompt.

Inputs: artifacts/samples, artifacts/features (only for thinkers that see and hear), weights. Output: artifacts/chains,
one row for each sample in their order. `lbru` asks a multimodal model about each clip (sounding/thinking.py).

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
from tgs_pipeline.artifacts.features_reader import FeatureReader, no_sound, with_features
from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.artifacts.table import read, write_rows
from tgs_pipeline.backends.thinker.base import Reply, Request, Thinker
from tgs_pipeline.compat.batches import Batch, batches
from tgs_pipeline.execution import WHOLE, Execution
from tgs_pipeline.params import Params, Think
from tgs_pipeline.prompts.ref_thinker import PROMPTS, Wording
from tgs_pipeline.rows import OUTCOME, Recipe, compute
from tgs_pipeline.sounding.heard import read_heard
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
_FRAME_COLUMNS = ["frame_indices", "frame_paths", "frame_hashes"]
# a row of samples -> what its prompt and media are known by, or None and the reason why it is not asked
_ContentOf = Callable[[dict], tuple[list[str] | None, str | None]]
# rows of samples that were asked about, with their content -> what was said about each
_Thoughts = Callable[[list[tuple[dict, list[str]]]], list[dict]]

log = logging.getLogger(__name__)


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Compute what is missing and write chains.parquet, unless this is one shard of several."""
    settings = params.think
    reader = None if settings.backend == "reference" else FeatureReader(workspace.features)
    if settings.backend == "lbru":
        thoughts, content_of = _listened(settings, workspace, reader=reader, execution=execution)
    else:
        thoughts, content_of = _thought(settings, workspace, reader=reader, execution=execution)
    if execution.shard != WHOLE:
        return
    counts: Counter[str] = Counter()
    view = _view(workspace.samples, content_of=content_of, thoughts=thoughts, counts=counts)
    num_rows = write_rows(workspace.chains, chains.SCHEMA, view)
    shown = ", ".join(f"{counts[name]} {name}" for name in ("ok", "null", "malformed", "truncated", "failed"))
    log.info("think: %d references: %s", num_rows, shown)


def _thought(
    settings: Think, workspace: Workspace, *, reader: FeatureReader | None, execution: Execution
) -> tuple[_Thoughts, _ContentOf]:
    """Thinkers that are asked about one reference after the other, or (trap T1) in batches."""
    recipe = make_recipe(settings)
    in_batches = settings.backend == "ref_thinker" and settings.padding == "read"
    heard = _heard([workspace.audio_tags], settings, num_labels=1) if settings.backend == "audio_tags" else None
    content_of = partial(_content, reader=reader, prompt=settings.prompt, needs_sound=in_batches, heard=heard)
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
            load=partial(_load, reader=reader, heard=heard),
            make_operator=lambda: ThinkOperator(make_thinker(settings, device=execution.device)),
            execution=execution,
        )

    def thoughts(asked: list[tuple[dict, list[str]]]) -> list[dict]:
        wanted = [recipe.key(*content) if keys is None else keys[sample["row"]] for sample, content in asked]
        return found.take(wanted).to_pylist()

    return thoughts, content_of


def _listened(
    settings: Think, workspace: Workspace, *, reader: FeatureReader | None, execution: Execution
) -> tuple[_Thoughts, _ContentOf]:
    """`lbru`: a question for each clip; they are asked side by side anyway, so shards of a run ask nothing."""
    from tgs_pipeline.sounding.thinking import name_objects

    assert settings.lbru is not None
    content_of = partial(_content, reader=reader, prompt=settings.prompt, needs_sound=False, heard={})
    said: Mapping[str, Reply] = {}
    taggers = [workspace.audio_tags]
    if workspace.other_audio_tags.exists():  # features.other_tagger names one
        taggers.append(workspace.other_audio_tags)
    if execution.shard == WHOLE:
        said = name_objects(
            (row for row in _samples(workspace.samples, with_frames=True) if content_of(row)[0] is not None),
            settings.lbru,
            heard=_heard(taggers, settings, num_labels=settings.lbru.num_labels),
            dataset=workspace.dataset,
            execution=execution,
        )
    return lambda asked: [_row(said[sample["vid"]]) for sample, _ in asked], content_of


def _think_in_batches(
    asked: Sequence[Batch], settings: Think, *, reader: FeatureReader, recipe: Recipe, execution: Execution
) -> Lookup:
    """`compute` for places of batches; a batch of which some place is missing is asked again, whole."""
    return compute(
        (batch.units() for batch in asked),
        recipe=recipe,
        payload=PAYLOAD,
        load=partial(_load, reader=None, heard=None),
        make_operator=lambda: BatchOperator(make_thinker(settings, device=execution.device), reader=reader),
        execution=execution,
    )


def make_recipe(params: Think) -> Recipe:
    """What decides a chain besides clip and prompt; without Ref-Thinker there are no weights and nothing is decoded.

    That of `lbru` finds nothing: its rows are those of its questions.
    """
    if params.backend != "ref_thinker":
        return Recipe(stage="think", version=VERSION, params={"backend": params.backend}, weights="")
    unsaid = {"weights", "prompt", "label_names", "lbru"}  # the key holds the prompt
    unsaid |= {"padding"} if params.padding == "masked" else set()
    semantic = params.model_dump(exclude=unsaid)
    return Recipe(stage="think", version=VERSION, params=semantic, weights=digest(Path(params.weights)))


def make_thinker(params: Think, *, device: str) -> Thinker:
    """The thinker that `think.backend` names, loaded."""
    match params.backend:
        case "reference":
            from tgs_pipeline.backends.thinker import naming

            return naming.of_reference()
        case "audio_tags":
            from tgs_pipeline.backends.thinker import naming

            return naming.of_audio_tags()
        case "lbru":
            raise ValueError("think.backend is 'lbru', which is asked about clips and not about references")
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


def _samples(path: Path, *, with_frames: bool = False) -> Iterator[dict]:
    columns = [*_SAMPLE_COLUMNS, *_FRAME_COLUMNS] if with_frames else _SAMPLE_COLUMNS
    for part in read(path, samples.SCHEMA, columns=columns):
        yield from part.to_pylist()


def _heard(taggers: Sequence[Path], settings: Think, *, num_labels: int) -> Mapping[str, list[str]]:
    names = None if settings.label_names is None else Path(settings.label_names)
    return read_heard(taggers, num_labels=num_labels, names=names)


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
    sample: dict,
    *,
    reader: FeatureReader | None,
    prompt: Wording,
    needs_sound: bool,
    heard: Mapping[str, list[str]] | None,
) -> tuple[list[str] | None, str | None]:
    """See _ContentOf. needs_sound: what has no sound is not even asked, since it would spoil its batch.

    heard: of each video, for thinkers that are told that alone.
    """
    if sample["status"] != "ok":
        return None, sample["reason"]
    if reader is None:
        return [sample["reference"]], None
    features = reader.get(sample["vid"])
    if features.status != "ok":
        return None, features.reason
    if heard is not None:
        return heard.get(sample["vid"], []), None
    if needs_sound and features.audio is None:
        return None, no_sound(sample["vid"])
    return [features.key, PROMPTS[prompt](sample["reference"])], None


def _load(units: pa.Table, *, reader: FeatureReader | None, heard: Mapping[str, list[str]] | None) -> pa.Table:
    """Add the features of each unit, or what is heard in its video, where the thinker reads them."""
    if reader is None or heard is not None:
        labels = [(heard or {}).get(vid, []) for vid in units["vid"].to_pylist()]
        units = units.append_column("heard", pa.array(labels, pa.list_(pa.string())))
        return units.append_column("reason", pa.nulls(units.num_rows, pa.string()))
    return with_features(
        units, reader=reader, visual_vids=units["vid"].to_pylist(), audio_vids=units["vid"].to_pylist()
    )


def _request(unit: dict) -> Request:
    return Request(
        reference=unit["reference"],
        visual=_array(unit, "visual"),
        audio=_array(unit, "audio"),
        forced=unit.get("forced", ""),
        heard=tuple(unit.get("heard", ())),
    )


def _array(unit: dict, name: str) -> np.ndarray | None:
    data = unit.get(name)
    return None if data is None else np.frombuffer(data, np.float16).reshape(unit[f"{name}_shape"])


def _row(reply: Reply) -> dict:
    """A reply as columns of the row store, without its key."""
    said = ("status", "reason", "think", "f_object", "s_object", "null_probability", "num_tokens")
    return {name: getattr(reply, name) for name in said} | {"raw": reply.text}


def _rows(keys: pa.ChunkedArray, replies: Sequence[Reply]) -> pa.Table:
    table = pa.Table.from_pylist([_row(reply) for reply in replies], schema=pa.schema([*OUTCOME[1:], *PAYLOAD]))
    return table.add_column(0, "key", keys)


def _view(path: Path, *, content_of: _ContentOf, thoughts: _Thoughts, counts: Counter[str]) -> Iterator[dict]:
    """Rows of chains.parquet, one for each sample; counts their statuses, and abstentions as `null`."""
    for part in read(path, samples.SCHEMA, columns=_SAMPLE_COLUMNS):
        batch = part.to_pylist()
        contents = [content_of(sample) for sample in batch]
        asked = [(row, content) for row, (content, _) in zip(batch, contents, strict=True) if content is not None]
        said = iter(thoughts(asked))
        for sample, (content, reason) in zip(batch, contents, strict=True):
            thought = _unasked(reason) if content is None else next(said)
            row = {name: sample[name] for name in ("uid", "row", "vid", "split", "reference")}
            answered = ("think", "f_object", "s_object", "null_probability", "raw", "status", "reason")
            row |= {name: thought[name] for name in answered}
            row["num_tokens"] = thought["num_tokens"] or 0
            counts["null" if row["status"] == "ok" and row["s_object"] is None else row["status"]] += 1
            yield row


def _unasked(reason: str | None) -> dict:
    """The outcome of a sample that no thinker was asked about."""
    return {name: None for name in PAYLOAD.names} | {"status": "failed", "reason": reason}
