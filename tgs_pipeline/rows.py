"""Rows: the one mechanism by which stages map rows to rows, so that no unit of work is done twice.

A stage describes its units of work as tables with a column `key`, says how to `load` what they need and gives an
operator; `compute` does the missing ones and keeps every finished row in an append-only store

    <cache>/<stage>/seg-<uuid>.parquet      written under a temporary name, fsynced, renamed

so a killed run loses at most one flush. The key holds everything that can change a row (stage, semantic version,
semantic params, weights digest, content of the inputs) and nothing that cannot (paths, device, batch size).
Failure is a row too: it is stored with its reason, tried again by the next run, and never published as success.
"""

import fcntl
import hashlib
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from tgs_pipeline.artifacts.lookup import Lookup, open_rows
from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.execution import WHOLE, Execution, Shard, StageError, first_reasons
from tgs_pipeline.executors import local

log = logging.getLogger(__name__)

JSON = str | int | float | bool | None | Sequence["JSON"] | Mapping[str, "JSON"]
READERS = "readers.lock"
LAST_RUN = "last-run.json"  # keys that the last whole run of a stage used
OUTCOME = [pa.field("key", pa.string()), pa.field("status", pa.string()), pa.field("reason", pa.string())]
ROW_GROUP_BYTES = 16 * 2**20  # rows are read back in groups of about this size
MAX_PENDING_BYTES = 64 * 2**20  # rows waiting for a flush


@dataclass(frozen=True)
class Recipe:
    """What decides a row besides its inputs. `version` counts changes of meaning: raise it to recompute every row."""

    stage: str
    version: int
    params: Mapping[str, JSON]
    weights: str

    def key(self, *inputs: JSON) -> str:
        """Content key of one unit of work: blake2b-128 of canonical JSON, 32 hexadecimal digits."""
        identity = [self.stage, self.version, self.params, self.weights, inputs]
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Operator(Protocol):
    """Maps a batch of loaded units to rows (key, status, reason and payload). Its constructor loads the model."""

    def __call__(self, table: pa.Table) -> pa.Table: ...


@dataclass
class Counts:
    """Units of one run."""

    keys: set[str] = field(default_factory=set)
    computed: int = 0
    failures: list[str] = field(default_factory=list)


class Store:
    """The rows of one stage on disk."""

    def __init__(self, folder: Path, *, payload: pa.Schema) -> None:
        self.folder = folder
        self.schema = pa.schema([*OUTCOME, *payload])

    def segments(self) -> list[Path]:
        """Segment files of this schema, oldest first; older layouts are left alone (`tgs cache gc` removes them)."""
        paths = sorted(self.folder.glob("seg-*.parquet"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        return [path for path in paths if open_rows(path).schema_arrow.equals(self.schema)]

    def rows(self) -> Lookup:
        """All rows; a success is preferred to a failure, else the newest."""
        return Lookup(self.segments(), schema=self.schema)

    @contextmanager
    def lock(self, shard: Shard) -> Iterator[None]:
        """Hold the stage for writing: one whole run, or several different shards, at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = shard == WHOLE
        names = [("writer.lock", fcntl.LOCK_EX if whole else fcntl.LOCK_SH)]
        if not whole:
            names.append((f"writer-{shard.index}-of-{shard.count}.lock", fcntl.LOCK_EX))
        with _files([self.folder / name for name, _ in names]) as handles:
            for handle, (name, mode) in zip(handles, names, strict=True):
                try:
                    fcntl.flock(handle, mode | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise StageError(
                        f"another run is writing {self.folder} ({name} is held): wait for it to end, "
                        "or give this run another TGS_CACHE"
                    ) from None
            yield

    @contextmanager
    def no_readers(self) -> Iterator[None]:
        """Hold the stage while its segments are rewritten; StageError where a run still reads them."""
        with _files([self.folder / READERS]) as (handle,):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StageError(f"a run is reading {self.folder}: wait for it to end") from None
            yield

    def reading(self) -> IO[str]:
        """A handle that keeps the segments in place until it is closed."""
        handle = (self.folder / READERS).open("w")
        fcntl.flock(handle, fcntl.LOCK_SH)
        return handle

    def append(self, tables: list[pa.Table]) -> None:
        """Add one segment, whole or not at all. StageError where the disk is full."""
        segment = self.folder / f"seg-{uuid.uuid4().hex}.parquet"
        part = self.folder / f".{segment.name}.part"
        rows = pa.concat_tables(tables)
        group_rows = max(1, ROW_GROUP_BYTES * rows.num_rows // max(1, rows.nbytes))
        try:
            with part.open("wb") as handle:
                pq.write_table(rows, handle, compression="zstd", row_group_size=group_rows)
                handle.flush()
                os.fsync(handle.fileno())
            part.replace(segment)
        except OSError as error:
            raise StageError(
                f"{self.folder}: cannot write a segment ({error}); rows of earlier segments are kept: "
                "free some space (`tgs cache gc`) and run again"
            ) from error
        finally:
            part.unlink(missing_ok=True)


def compute(
    units: Iterable[pa.Table],
    *,
    recipe: Recipe,
    payload: pa.Schema,
    load: Callable[[pa.Table], pa.Table],
    make_operator: Callable[[], Operator],
    execution: Execution,
) -> Lookup:
    """Compute the units that the store lacks; returns the rows of the store.

    units: stream of tables with a column `key` and whatever `load` needs; repeated keys count once.
    load: runs in loader threads; returns the same rows with decoded columns and a nullable string column `reason`;
        rows with a reason become failed rows and never reach the operator.
    make_operator: called only if something must be computed.

    Raises StageError above `max_failure_rate`, after everything computed was stored.
    """
    store = Store(execution.cache / recipe.stage, payload=payload)
    counts = Counts()
    start = time.monotonic()
    with store.lock(execution.shard):
        done = store.rows()
        batches = _batches(_missing(units, done, execution.shard, counts), execution.batch_size)
        writer = _Writer(store, flush_rows=execution.flush_rows, flush_sec=execution.flush_sec)
        operator: Operator | None = None
        with tqdm(desc=recipe.stage, unit="unit", disable=None) as progress, writer:
            for loaded in local.prefetch(load, batches, num_loaders=execution.num_loaders):
                good = loaded.filter(pc.is_null(loaded["reason"]))
                if good.num_rows:
                    operator = operator or make_operator()
                    writer.add(_run(operator, good, store.schema))
                writer.add(_failed(loaded.filter(pc.is_valid(loaded["reason"])), store.schema))
                progress.update(loaded.num_rows)
        if execution.shard == WHOLE:
            _remember_keys(store.folder, counts.keys)
        found = store.rows() if writer.num_rows else done
        found.guard = store.reading()
    counts.computed = writer.num_rows
    counts.failures = writer.failures
    log.info(
        "%s: %d units, %d from the cache, %d computed (%d failed), %.1f s",
        recipe.stage, len(counts.keys), len(counts.keys) - counts.computed, counts.computed, len(counts.failures),
        time.monotonic() - start,
    )  # fmt: skip
    if execution.shard == WHOLE:  # a share says nothing about the rate of the whole
        _check_failures(recipe.stage, counts, execution.max_failure_rate)
    return found


def load_each(units: pa.Table, column: pa.Field, load: Callable[[dict], object]) -> pa.Table:
    """Add to each unit what `load` makes of it, and a `reason`; a ValueError of `load` fails its unit alone."""
    loaded: list[object] = []
    reasons: list[str | None] = []
    for at, unit in enumerate(units.to_pylist()):
        try:
            loaded.append(load(unit))
            reasons.append(None)
        except ValueError as error:
            loaded.append(None)
            reasons.append(f"{_name(units.slice(at, 1))}: {error}")
    units = units.append_column(column, pa.array(loaded, column.type))
    return units.append_column("reason", pa.array(reasons, pa.string()))


class _Writer:
    """Collects rows and writes a segment every `flush_rows` rows, MAX_PENDING_BYTES or `flush_sec`, and at the end."""

    def __init__(self, store: Store, *, flush_rows: int, flush_sec: float) -> None:
        self.store = store
        self.flush_rows, self.flush_sec = flush_rows, flush_sec
        self.pending: list[pa.Table] = []
        self.num_rows = 0
        self.failures: list[str] = []
        self.last_flush = time.monotonic()

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Write what is pending also when an error ends the run; the first error stays the one that is told."""
        try:
            self.flush()
        except StageError:
            if error is None:
                raise
            log.error("the last rows could not be written either")

    def add(self, table: pa.Table) -> None:
        if not table.num_rows:
            return
        self.pending.append(table)
        self.num_rows += table.num_rows
        self.failures += table.filter(pc.equal(table["status"], "failed"))["reason"].to_pylist()
        held = sum(pending.num_rows for pending in self.pending)
        held_bytes = sum(pending.nbytes for pending in self.pending)
        if (
            held >= self.flush_rows
            or held_bytes >= MAX_PENDING_BYTES
            or time.monotonic() - self.last_flush >= self.flush_sec
        ):
            self.flush()

    def flush(self) -> None:
        if self.pending:
            self.store.append(self.pending)
        self.pending = []
        self.last_flush = time.monotonic()


def last_run_keys(folder: Path) -> set[str]:
    """Keys that the last whole run of the stage with this store used; StageError where there was none."""
    try:
        return set(json.loads((folder / LAST_RUN).read_text()))
    except FileNotFoundError:
        raise StageError(f"{folder}: no whole run has ended here yet, so nothing is known to be unused") from None


def _remember_keys(folder: Path, keys: set[str]) -> None:
    write_text(folder / LAST_RUN, json.dumps(sorted(keys)))


@contextmanager
def _files(paths: Sequence[Path]) -> Iterator[list]:
    handles = [path.open("w") for path in paths]
    try:
        yield handles
    finally:
        for handle in handles:
            handle.close()


def _missing(units: Iterable[pa.Table], done: Lookup, shard: Shard, counts: Counts) -> Iterator[pa.Table]:
    """The units of this shard that have no row or a failed one, each once."""
    for table in units:
        wanted = []
        for offset, key in enumerate(table["key"].to_pylist()):
            if key in counts.keys or key not in shard:
                continue
            counts.keys.add(key)
            if not done.is_done(key):
                wanted.append(offset)
        if wanted:
            yield table.take(pa.array(wanted, pa.int64()))


def _batches(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Cut a stream of tables into tables of `size` rows (the last may be shorter)."""
    pending: pa.Table | None = None
    for table in tables:
        pending = table if pending is None else pa.concat_tables([pending, table])
        while pending.num_rows >= size:
            yield pending.slice(0, size)
            pending = pending.slice(size)
    if pending is not None and pending.num_rows:
        yield pending


def _run(operator: Operator, loaded: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows of one batch. A ValueError of the operator is narrowed down to the units that cause it: they fail alone."""
    try:
        rows = operator(loaded.drop_columns("reason"))
    except ValueError as error:
        if loaded.num_rows > 1:
            return pa.concat_tables([_run(operator, loaded.slice(at, 1), schema) for at in range(loaded.num_rows)])
        reason = pa.array([f"{_name(loaded)}: {error}"], pa.string())
        return _failed(loaded.set_column(loaded.schema.get_field_index("reason"), "reason", reason), schema)
    if rows["key"].to_pylist() != loaded["key"].to_pylist():
        raise RuntimeError(f"{type(operator).__name__} returned other rows than it was given")
    return rows.select(schema.names).cast(schema)


def _name(unit: pa.Table) -> str:
    """What a person calls a unit: its video, frame, caption, reference or box."""
    named = [name for name in ("vid", "path", "caption", "reference", "box_xyxy_px") if name in unit.column_names]
    return ", ".join(f"{name} {unit[name][0].as_py()!r}" for name in named) or "a unit"


def _failed(loaded: pa.Table, schema: pa.Schema) -> pa.Table:
    """Failed rows for units that could not be loaded."""
    num_rows = loaded.num_rows
    columns = {name: pa.nulls(num_rows, schema.field(name).type) for name in schema.names}
    columns |= {"key": loaded["key"], "status": pa.array(["failed"] * num_rows), "reason": loaded["reason"]}
    return pa.table(columns).cast(schema)


def _check_failures(stage: str, counts: Counts, max_failure_rate: float) -> None:
    """StageError where more units failed than allowed, with the first reasons."""
    if len(counts.failures) <= max_failure_rate * len(counts.keys):
        return
    raise StageError(
        f"{stage}: {len(counts.failures)} of {len(counts.keys)} units failed "
        f"(runtime.max_failure_rate is {max_failure_rate}); what succeeded is kept:\n{first_reasons(counts.failures)}"
    )
