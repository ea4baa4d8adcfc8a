import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tgs_pipeline.artifacts import table

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


def test_rows_are_written_as_they_come(tmp_path):
    rows = [{"key": f"k{i}", "value": i} for i in range(600)]
    assert table.write_rows(tmp_path / "a", SCHEMA, iter(rows)) == 600
    table.write(tmp_path / "b", SCHEMA, pieces([600]))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert table.write_rows(tmp_path / "none", SCHEMA, []) == 0
    with pytest.raises(ValueError, match="differ from the schema"):
        table.write_rows(tmp_path / "c", SCHEMA, [*rows, {"key": "a"}])
    assert not (tmp_path / "c").exists()


def test_chunks():
    assert list(table.chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(table.chunks([], 2)) == []
