import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tgs_pipeline import cache, rows
from tgs_pipeline.execution import Execution, Shard, StageError
from tgs_pipeline.rows import Recipe, Store, compute

RECIPE = Recipe(stage="square", version=1, params={"power": 2}, weights="none")
PAYLOAD = pa.schema([pa.field("square", pa.int64())])


class Square:
    """Squares numbers; counts its batches."""

    def __init__(self):
        self.batches = []

    def __call__(self, table):
        numbers = table["number"].to_pylist()
        self.batches.append(numbers)
        return pa.table(
            {
                "key": table["key"],
                "status": ["failed" if number == 999 else "ok" for number in numbers],
                "reason": ["unlucky" if number == 999 else None for number in numbers],
                "square": [number**2 for number in numbers],
            }
        )


def units(numbers):
    for start in range(0, len(numbers), 3):
        chunk = numbers[start : start + 3]
        yield pa.table({"key": [RECIPE.key(number) for number in chunk], "number": chunk})


def load(table):
    reasons = ["negative" if number < 0 else None for number in table["number"].to_pylist()]
    return table.append_column("reason", pa.array(reasons, pa.string()))


def execution(folder: Path, **changes) -> Execution:
    values = {"cache": folder, "batch_size": 2, "num_loaders": 2, "flush_rows": 4, "flush_sec": 60.0,
              "max_failure_rate": 0.0, "device": "cpu"}  # fmt: skip
    return Execution(**(values | changes))


def run(folder, numbers, operator=None, **changes):
    operator = operator or Square()
    found = compute(
        units(numbers),
        recipe=RECIPE,
        payload=PAYLOAD,
        load=load,
        make_operator=lambda: operator,
        execution=execution(folder, **changes),
    )
    return found, operator


def test_key_depends_on_everything_semantic_and_on_nothing_else():
    key = RECIPE.key("a", [1.5, 2])
    assert key == Recipe("square", 1, {"power": 2}, "none").key("a", [1.5, 2])
    others = [
        RECIPE.key("b", [1.5, 2]),
        Recipe("cube", 1, {"power": 2}, "none").key("a", [1.5, 2]),
        Recipe("square", 2, {"power": 2}, "none").key("a", [1.5, 2]),
        Recipe("square", 1, {"power": 3}, "none").key("a", [1.5, 2]),
        Recipe("square", 1, {"power": 2}, "other").key("a", [1.5, 2]),
    ]
    assert key not in others and len(set(others)) == 5
    assert len(key) == 32
    with pytest.raises(ValueError, match="Out of range float"):
        RECIPE.key(float("nan"))


def test_each_unit_is_computed_once_and_only_missing_ones_on_the_next_run(tmp_path):
    found, operator = run(tmp_path, [1, 2, 2, 3, 1, 4, 5])
    assert operator.batches == [[1, 2], [3, 4], [5]]
    assert found.take([RECIPE.key(n) for n in (5, 1, 5)])["square"].to_pylist() == [25, 1, 25]
    _, again = run(tmp_path, [5, 6, 1])
    assert again.batches == [[6]]


def test_the_model_is_not_made_when_nothing_is_missing(tmp_path):
    run(tmp_path, [1, 2])

    def explode():
        raise AssertionError("made a model for nothing")

    found = compute(units([1, 2]), recipe=RECIPE, payload=PAYLOAD, load=load, make_operator=explode,
                    execution=execution(tmp_path))  # fmt: skip
    assert found.take([RECIPE.key(2)])["square"].to_pylist() == [4]


def test_failures_are_rows_with_reasons_retried_and_limited(tmp_path):
    with pytest.raises(StageError, match=r"2 of 4 units failed .*is 0\.0(.|\n)*negative(.|\n)*unlucky"):
        run(tmp_path, [-1, 1, 999, 2])
    found, operator = run(tmp_path, [-1, 1, 999, 2], max_failure_rate=0.5)
    assert operator.batches == [[999]], "what succeeded was kept, what failed is tried again"
    table = found.take([RECIPE.key(n) for n in (-1, 1, 999, 2)])
    assert table["status"].to_pylist() == ["failed", "ok", "failed", "ok"]
    assert table["reason"].to_pylist() == ["negative", None, "unlucky", None]
    assert table["square"].to_pylist() == [None, 1, 998001, 4]


def test_a_success_replaces_an_earlier_failure_but_not_the_reverse(tmp_path):
    store = Store(tmp_path / "square", payload=PAYLOAD)
    store.folder.mkdir()
    for status in ("failed", "ok", "failed"):
        store.append([pa.table({"key": ["k"], "status": [status], "reason": ["r"], "square": [1]}, store.schema)])
        time.sleep(0.01)
    assert store.rows().is_done("k")
    assert store.rows().take(["k"])["status"].to_pylist() == ["ok"]


def test_an_error_of_the_operator_keeps_what_was_computed(tmp_path):
    class Breaks(Square):
        def __call__(self, table):
            if 5 in table["number"].to_pylist():
                raise RuntimeError("out of memory")
            return super().__call__(table)

    with pytest.raises(RuntimeError, match="out of memory"):
        run(tmp_path, [1, 2, 3, 4, 5, 6], operator=Breaks())
    _, again = run(tmp_path, [1, 2, 3, 4, 5, 6])
    assert again.batches == [[5, 6]]


def test_a_value_error_fails_only_the_units_that_cause_it(tmp_path):
    class Picky(Square):
        def __call__(self, table):
            if 3 in table["number"].to_pylist():
                raise ValueError("3 is odd")
            return super().__call__(table)

    found, _ = run(tmp_path, [1, 2, 3, 4, 5], operator=Picky(), batch_size=4, max_failure_rate=0.2)
    table = found.take([RECIPE.key(n) for n in (1, 2, 3, 4, 5)])
    assert table["status"].to_pylist() == ["ok", "ok", "failed", "ok", "ok"]
    assert table["reason"][2].as_py() == "a unit: 3 is odd"


def test_a_damaged_segment_is_named_and_gc_removes_it(tmp_path):
    run(tmp_path, [1, 2])
    run(tmp_path, [3, 4])
    segment = sorted((tmp_path / "square").glob("seg-*"), key=lambda path: path.stat().st_mtime_ns)[1]
    segment.write_bytes(segment.read_bytes()[:-50])
    with pytest.raises(ValueError, match=rf"{segment.name}: damaged .* remove it and run again"):
        run(tmp_path, [1])
    assert cache.stats(tmp_path)[0].damaged == 1
    cache.collect(tmp_path, only_last_run=False)
    _, operator = run(tmp_path, [1, 2, 3, 4])
    assert operator.batches == [[3, 4]], "only the rows in it are computed again"


def test_gc_waits_for_a_stage_that_still_reads_its_rows(tmp_path):
    found, _ = run(tmp_path, [1, 2])
    with pytest.raises(StageError, match="a run is reading"):
        cache.collect(tmp_path, only_last_run=False)
    assert found.take([RECIPE.key(2)])["square"].to_pylist() == [4]
    del found
    cache.collect(tmp_path, only_last_run=False)


def test_a_share_does_not_judge_the_failure_rate_of_the_whole(tmp_path):
    for index in range(2):
        run(tmp_path, [-1, *range(1, 40)], shard=Shard(index, 2), max_failure_rate=0.03)
    run(tmp_path, [-1, *range(1, 40)], max_failure_rate=0.03)
    with pytest.raises(StageError, match="1 of 40 units failed"):
        run(tmp_path, [-1, *range(1, 40)], max_failure_rate=0.02)


def test_an_operator_must_return_the_rows_it_was_given(tmp_path):
    class Loses(Square):
        def __call__(self, table):
            return super().__call__(table).slice(1)

    with pytest.raises(RuntimeError, match="returned other rows"):
        run(tmp_path, [1, 2], operator=Loses())


def test_full_disk_keeps_earlier_segments_and_leaves_no_part(tmp_path, monkeypatch):
    run(tmp_path, [1, 2])

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rows.os, "fsync", full)
    with pytest.raises(StageError, match=r"No space left on device(.|\n)*earlier segments are kept"):
        run(tmp_path, [1, 2, 3, 4, 5, 6, 7])
    monkeypatch.undo()
    assert not list((tmp_path / "square").glob(".*part"))
    _, again = run(tmp_path, [1, 2, 3, 4])
    assert again.batches == [[3, 4]]


def test_two_runs_at_once_are_refused_and_different_shards_are_not(tmp_path):
    store = Store(tmp_path / "square", payload=PAYLOAD)
    with store.lock(Shard(0, 1)):
        with pytest.raises(StageError, match="another run is writing"):
            run(tmp_path, [1])
        with pytest.raises(StageError, match="another run is writing"), store.lock(Shard(0, 2)):
            pass
    with store.lock(Shard(0, 2)), store.lock(Shard(1, 2)):
        with pytest.raises(StageError, match="writer-1-of-2"), store.lock(Shard(1, 2)):
            pass
        with pytest.raises(StageError, match="another run is writing"):
            run(tmp_path, [1])
    run(tmp_path, [1])


def test_shards_divide_the_work_and_a_whole_run_finds_it_done(tmp_path):
    numbers = list(range(20))
    done = []
    for index in range(3):
        _, operator = run(tmp_path, numbers, shard=Shard(index, 3))
        done.append({number for batch in operator.batches for number in batch})
    assert set.union(*done) == set(numbers) and sum(map(len, done)) == 20 and all(done)
    _, whole = run(tmp_path, numbers)
    assert whole.batches == []


def test_segments_of_another_layout_are_left_alone(tmp_path):
    folder = tmp_path / "square"
    folder.mkdir()
    pq.write_table(
        pa.table({"key": ["old"], "status": ["ok"], "reason": [None], "cube": [1]}), folder / "seg-0.parquet"
    )
    _, operator = run(tmp_path, [1])
    assert operator.batches == [[1]]


SLOW = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from test_rows import Square, run

    class Slow(Square):
        def __call__(self, table):
            time.sleep(0.05)
            return super().__call__(table)

    run(Path({folder!r}), list(range(400)), operator=Slow(), flush_rows=10)
"""


def test_a_run_killed_with_sigkill_loses_at_most_a_flush(tmp_path):
    script = textwrap.dedent(SLOW.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    child = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "square").glob("seg-*"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    kept = cache.stats(tmp_path)[0].rows
    assert 30 <= kept < 400
    _, operator = run(tmp_path, list(range(400)))
    assert sum(map(len, operator.batches)) == 400 - kept
