import pyarrow as pa
import pytest

from tgs_pipeline.artifacts import lookup, table
from tgs_pipeline.artifacts.lookup import Lookup

SCHEMA = pa.schema([(name, pa.string()) for name in ("key", "status")] + [("value", pa.int32())])


def write(path, values, *, status="ok"):
    rows = [{"key": f"k{value % 1000}", "status": status, "value": value} for value in values]
    table.write_rows(path, SCHEMA, rows)
    return path


def values(found, *keys):
    return found.take(keys)["value"].to_pylist()


def test_rows_are_taken_across_files_in_any_order(tmp_path, monkeypatch):
    paths = [write(tmp_path / "a", range(600)), write(tmp_path / "b", range(600, 1000))]
    monkeypatch.setattr(lookup, "MAX_HELD_BYTES", 4000)  # holds about one row group
    found = Lookup(paths, schema=SCHEMA)
    assert values(found, "k999", "k0", "k0", "k1", "k512", "k3") == [999, 0, 0, 1, 512, 3]
    assert list(found) == [f"k{i}" for i in range(1000)]
    assert found.take([]).schema.equals(SCHEMA) and found.take([]).num_rows == 0
    with pytest.raises(KeyError):
        found.take(["k1000"])


def test_access_in_the_order_of_writing_decodes_each_row_group_once(tmp_path, monkeypatch):
    found = Lookup([write(tmp_path / "a", range(600))], schema=SCHEMA)
    monkeypatch.setattr(lookup, "MAX_HELD_BYTES", 0)  # holds one row group
    decoded = []
    read = lookup.pq.ParquetFile.read_row_group

    def remember(self, group, **options):
        decoded.append(group)
        return read(self, group, **options)

    monkeypatch.setattr(lookup.pq.ParquetFile, "read_row_group", remember)
    for start in range(0, 600, 10):
        values(found, *(f"k{i}" for i in range(start, start + 10)))
    assert decoded == [0, 1, 2]


def test_the_last_row_of_a_key_wins(tmp_path):
    found = Lookup([write(tmp_path / "a", [1, 2]), write(tmp_path / "b", [1001])], schema=SCHEMA)
    assert values(found, "k1", "k2") == [1001, 2]


def test_a_failed_row_never_replaces_a_success_and_is_not_done(tmp_path):
    first = write(tmp_path / "a", [1, 2, 3], status="failed")
    good = write(tmp_path / "b", [1001, 1002])
    last = write(tmp_path / "c", [2001, 2003], status="failed")
    found = Lookup([first, good, last], schema=SCHEMA)
    assert values(found, "k1", "k2", "k3") == [1001, 1002, 2003]
    assert [found.is_done(key) for key in ("k1", "k2", "k3", "k4")] == [True, True, False, False]
