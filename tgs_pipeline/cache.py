"""The row cache as a person sees it: what is in it, and throwing away what is no longer needed."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tgs_pipeline.artifacts.table import ROW_GROUP_ROWS, chunks
from tgs_pipeline.execution import WHOLE
from tgs_pipeline.rows import OUTCOME, Store, last_run_keys


@dataclass(frozen=True)
class StageStats:
    """Content of the store of one stage."""

    stage: str
    segments: int
    rows: int
    failed: int
    superseded: int
    damaged: int
    size_bytes: int


def stats(cache: Path) -> list[StageStats]:
    """One entry for each stage that has rows, by name."""
    return [_stats(folder) for folder in _stages(cache)]


def collect(cache: Path, *, only_last_run: bool) -> int:
    """Rewrite each store without failed, superseded and outdated rows and damaged segments; returns the bytes freed.

    only_last_run: also drop rows that the last whole run of the stage did not use. Never touches a store that a run
    is writing or reading (StageError).
    """
    before = sum(entry.size_bytes for entry in stats(cache))
    for folder in _stages(cache):
        _collect(folder, only_last_run=only_last_run)
    return before - sum(entry.size_bytes for entry in stats(cache))


def _stages(cache: Path) -> list[Path]:
    return sorted({segment.parent for segment in cache.glob("*/seg-*.parquet")})


def _segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("seg-*.parquet"))


def _stats(folder: Path) -> StageStats:
    outcomes: Counter[str] = Counter()
    keys: set[str] = set()
    damaged = 0
    for segment in _segments(folder):
        table = _whole(segment, columns=["key", "status"])
        if table is None:
            damaged += 1
            continue
        outcomes.update(table["status"].to_pylist())
        keys.update(table["key"].to_pylist())
    num_rows = outcomes.total()
    return StageStats(
        stage=folder.name,
        segments=len(_segments(folder)),
        rows=num_rows,
        failed=outcomes["failed"],
        superseded=num_rows - len(keys),
        damaged=damaged,
        size_bytes=sum(segment.stat().st_size for segment in _segments(folder)),
    )


def _whole(segment: Path, *, columns: list[str] | None = None) -> pa.Table | None:
    """The rows of a segment, None where it is damaged."""
    try:
        return pq.ParquetFile(segment).read(columns=columns)
    except (pa.ArrowException, OSError):
        return None


def _collect(folder: Path, *, only_last_run: bool) -> None:
    """Write what is kept into new segments first, then remove the old ones: a kill in between loses nothing."""
    lock = Store(folder, payload=pa.schema([]))
    with lock.lock(WHOLE), lock.no_readers():
        wanted = last_run_keys(folder) if only_last_run else None
        for leftover in [*folder.glob(".seg-*.part"), *(path for path in _segments(folder) if _whole(path) is None)]:
            leftover.unlink()
        old = _segments(folder)
        if not old:
            return
        newest = max(old, key=lambda path: path.stat().st_mtime_ns)
        store = Store(folder, payload=pa.schema(list(pq.read_schema(newest))[len(OUTCOME) :]))
        rows = store.rows()
        kept = [key for key in rows if rows.is_done(key) and (wanted is None or key in wanted)]
        for keys in chunks(kept, ROW_GROUP_ROWS):
            store.append([rows.take(keys)])
        for segment in old:
            segment.unlink()
