import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tgs_pipeline import cache
from tgs_pipeline.execution import WHOLE, Shard, StageError
from tgs_pipeline.rows import LAST_RUN, Store

PAYLOAD = pa.schema([pa.field("square", pa.int64())])


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "square", payload=PAYLOAD)
    store.folder.mkdir()
    return store


def append(store, statuses: dict[str, str]):
    """One segment with a row for each key, younger than the segments before."""
    rows = [{"key": key, "status": status, "reason": None, "square": len(key)} for key, status in statuses.items()]
    before = set(store.folder.glob("seg-*"))
    store.append([pa.Table.from_pylist(rows, schema=store.schema)])
    (new,) = set(store.folder.glob("seg-*")) - before
    os.utime(new, (len(before), len(before)))


def kept(store) -> dict[str, str]:
    rows = [row for path in store.segments() for row in pq.read_table(path).to_pylist()]
    return {row["key"]: row["status"] for row in rows}


def test_an_empty_cache_has_no_stages(tmp_path):
    assert cache.stats(tmp_path) == cache.stats(tmp_path / "absent") == []
    assert cache.collect(tmp_path / "absent", only_last_run=False) == 0


def test_stats_count_rows_failures_and_what_later_rows_replace(store, tmp_path):
    append(store, {"a": "ok", "b": "failed"})
    append(store, {"b": "ok", "c": "failed"})
    (entry,) = cache.stats(tmp_path)
    assert (entry.stage, entry.segments, entry.rows, entry.failed, entry.superseded) == ("square", 2, 4, 2, 1)
    assert entry.size_bytes == sum(path.stat().st_size for path in store.segments())


def test_gc_drops_failed_and_replaced_rows_and_returns_the_bytes_freed(store, tmp_path):
    append(store, {"a": "ok", "b": "failed"})
    append(store, {"b": "ok", "c": "failed", "a": "ok"})
    (before,) = cache.stats(tmp_path)
    freed = cache.collect(tmp_path, only_last_run=False)
    (after,) = cache.stats(tmp_path)
    assert freed == before.size_bytes - after.size_bytes > 0
    assert (after.segments, after.rows, after.failed, after.superseded) == (1, 2, 0, 0)
    assert kept(store) == {"a": "ok", "b": "ok"}


def test_gc_drops_segments_of_an_older_layout(store, tmp_path):
    old = Store(store.folder, payload=pa.schema([pa.field("cube", pa.int64())]))
    old.append([pa.table({"key": ["x"], "status": ["ok"], "reason": [None], "cube": [1]}, old.schema)])
    os.utime(old.segments()[0], (0, 0))
    append(store, {"a": "ok"})
    cache.collect(tmp_path, only_last_run=False)
    assert old.segments() == [] and kept(store) == {"a": "ok"}


def test_gc_keeps_the_rows_of_the_last_whole_run_where_asked(store, tmp_path):
    append(store, {"a": "ok", "b": "ok", "c": "failed"})
    with pytest.raises(StageError, match="square: no whole run has ended here yet, so nothing is known to be unused"):
        cache.collect(tmp_path, only_last_run=True)
    assert len(kept(store)) == 3
    (store.folder / LAST_RUN).write_text('["b", "c"]')
    cache.collect(tmp_path, only_last_run=True)
    assert kept(store) == {"b": "ok"}


@pytest.mark.parametrize("shard", [WHOLE, Shard(1, 2)])
def test_gc_leaves_a_store_alone_that_a_run_is_writing(store, tmp_path, shard):
    append(store, {"a": "ok", "b": "failed"})
    with store.lock(shard), pytest.raises(StageError, match=r"another run is writing .*square"):
        cache.collect(tmp_path, only_last_run=False)
    assert len(kept(store)) == 2
