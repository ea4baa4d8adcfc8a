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
    size_bytes: int


def stats(cache: Path) -> list[StageStats]:
    """One entry for each stage that has rows, by name."""
    return [_stats(folder) for folder in _stages(cache)]


def collect(cache: Path, *, only_last_run: bool) -> int:
    """Rewrite each store without failed, superseded and outdated rows; returns the bytes freed.

    only_last_run: also drop rows that the last whole run of the stage did not use. Never touches a store that a run
    is writing (StageError).
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
    for segment in _segments(folder):
        table = pq.read_table(segment, columns=["key", "status"])
        outcomes.update(table["status"].to_pylist())
        keys.update(table["key"].to_pylist())
    num_rows = outcomes.total()
    return StageStats(
        stage=folder.name,
        segments=len(_segments(folder)),
        rows=num_rows,
        failed=outcomes["failed"],
        superseded=num_rows - len(keys),
        size_bytes=sum(segment.stat().st_size for segment in _segments(folder)),
    )


def _collect(folder: Path, *, only_last_run: bool) -> None:
    """Write what is kept into new segments first, then remove the old ones: a kill in between loses nothing."""
    old = _segments(folder)
    newest = max(old, key=lambda path: path.stat().st_mtime_ns)
    store = Store(folder, payload=pa.schema(list(pq.read_schema(newest))[len(OUTCOME) :]))
    with store.lock(WHOLE):
        rows = store.rows()
        wanted = last_run_keys(folder) if only_last_run else None
        kept = [key for key in rows if rows.is_done(key) and (wanted is None or key in wanted)]
        for keys in chunks(kept, ROW_GROUP_ROWS):
            store.append([rows.take(keys)])
        for segment in old:
            segment.unlink()
