import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tgs_pipeline.artifacts import table
from tgs_pipeline.artifacts.lookup import Lookup

SCHEMA = pa.schema([table.field("key", pa.string(), "a key"), table.field("value", pa.int32(), "a value")])


def pieces(sizes):
    start = 0
    for size in sizes:
        yield table.from_rows([{"key": f"k{i}", "value": i} for i in range(start, start + size)], SCHEMA)
        start += size


def test_bytes_do_not_depend_on_how_the_rows_arrive(tmp_path):
    assert table.write(tmp_path / "a", SCHEMA, pieces([1000])) == 1000
    table.write(tmp_path / "b", SCHEMA, pieces([1, 700, 0, 299]))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert pq.ParquetFile(tmp_path / "a").num_row_groups == 4
    assert [row["value"] for row in table.read_rows(tmp_path / "a", SCHEMA)] == list(range(1000))


def test_an_error_leaves_no_file(tmp_path):
    def breaks():
        yield from pieces([300])
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        table.write(tmp_path / "a", SCHEMA, breaks())
    assert list(tmp_path.iterdir()) == []


def test_wrong_rows_are_refused():
    with pytest.raises(ValueError, match="differ from the schema"):
        table.from_rows([{"key": "a"}], SCHEMA)
    with pytest.raises(ValueError, match="does not fit the schema"):
        table.from_rows([{"key": "a", "value": "b"}], SCHEMA)


def test_reading_something_else_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="is missing: run `dvc repro`"):
        list(table.read(tmp_path / "absent", SCHEMA))
    (tmp_path / "junk").write_bytes(b"PAR1junk")
    with pytest.raises(ValueError, match="not a readable Parquet file"):
        list(table.read(tmp_path / "junk", SCHEMA))
    pq.write_table(pa.table({"other": [1]}), tmp_path / "other")
    with pytest.raises(ValueError, match=r"expected \['key', 'value'\], found \['other'\]"):
        list(table.read(tmp_path / "other", SCHEMA))


def test_lookup_takes_rows_across_files_in_any_order(tmp_path, monkeypatch):
    for name, sizes in {"a": [600], "b": [1000]}.items():
        table.write(tmp_path / name, SCHEMA, pieces(sizes))
    monkeypatch.setattr("tgs_pipeline.artifacts.lookup.MAX_HELD_BYTES", 3000)  # holds about one row group
    found = Lookup([tmp_path / "a", tmp_path / "b"], schema=SCHEMA)
    assert len(found) == 1000 and "k999" in found and "k1000" not in found
    wanted = ["k999", "k0", "k0", "k1", "k512", "k3"]
    assert found.take(wanted)["value"].to_pylist() == [999, 0, 0, 1, 512, 3]
    assert found.take([]).num_rows == 0
    with pytest.raises(KeyError):
        found.take(["k1000"])
