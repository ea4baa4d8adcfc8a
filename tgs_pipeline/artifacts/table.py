"""Reading and writing artifacts: streamed, validated against a schema, and complete or absent.

A file is written under a temporary name and renamed when it is whole. Bytes depend on the rows alone: no timestamps,
fixed row groups, fixed compression.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tgs_pipeline.artifacts.publish import replacing

ROW_GROUP_ROWS = 256

Item = TypeVar("Item")


def field(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> pa.Field:
    """A schema field whose metadata says what it holds, with its unit and range."""
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})


def write(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Stream tables into one Parquet file in row groups of ROW_GROUP_ROWS rows; returns the number of rows.

    Raises ValueError where a table does not fit the schema, naming the file and the column.
    """
    num_rows = 0
    with replacing(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        for group in _regroup(tables, schema, path):
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
            num_rows += group.num_rows
    return num_rows


def write_rows(path: Path, schema: pa.Schema, rows: Iterable[dict]) -> int:
    """Stream rows into one Parquet file as `write` does; ValueError where one does not fit the schema."""
    return write(path, schema, (from_rows(chunk, schema) for chunk in chunks(rows, ROW_GROUP_ROWS)))


def read(path: Path, schema: pa.Schema, *, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Stream an artifact as tables of up to ROW_GROUP_ROWS rows; ValueError where it is not what `schema` says."""
    with open_checked(path, schema) as file:
        for index in range(file.num_row_groups):
            yield file.read_row_group(index, columns=columns)


def read_rows(path: Path, schema: pa.Schema, *, columns: list[str] | None = None) -> Iterator[dict]:
    """Stream an artifact as dictionaries, one for each row."""
    for table in read(path, schema, columns=columns):
        yield from table.to_pylist()


def open_checked(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    """Open a Parquet artifact and compare its schema; errors say which stage to run."""
    stage = path.parent.name
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise ValueError(f"{path} is missing: run `dvc repro` to make {stage}") from None
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is not a readable Parquet file ({error}): remove it and run `dvc repro`") from None
    if not file.schema_arrow.equals(schema):
        file.close()
        raise ValueError(
            f"{path} has other columns than this version writes: expected {schema.names}, "
            f"found {file.schema_arrow.names}; run `dvc repro` to make {stage} again"
        )
    return file


def from_rows(rows: list[dict], schema: pa.Schema) -> pa.Table:
    """A table of `schema` from dictionaries; ValueError names a missing, unknown or ill-typed column."""
    for row in rows:
        if row.keys() != set(schema.names):
            raise ValueError(f"row columns {sorted(row)} differ from the schema's {sorted(schema.names)}")
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"a row does not fit the schema {schema.names}: {error}") from None


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a stream into lists of `size` items (the last may be shorter)."""
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _regroup(tables: Iterable[pa.Table], schema: pa.Schema, path: Path) -> Iterator[pa.Table]:
    """Cut a stream of tables into tables of exactly ROW_GROUP_ROWS rows (the last may be shorter)."""
    pending: list[pa.Table] = []
    num_pending = 0
    for table in tables:
        if table.schema.names != schema.names:
            raise ValueError(f"{path}: columns {table.schema.names} do not fit the schema {schema.names}")
        pending.append(table.cast(schema))
        num_pending += table.num_rows
        if num_pending < ROW_GROUP_ROWS:
            continue
        joined = pa.concat_tables(pending)
        whole = num_pending - num_pending % ROW_GROUP_ROWS
        for start in range(0, whole, ROW_GROUP_ROWS):
            yield joined.slice(start, ROW_GROUP_ROWS).combine_chunks()
        pending, num_pending = [joined.slice(whole)], num_pending - whole
    if num_pending:
        yield pa.concat_tables(pending).combine_chunks()
