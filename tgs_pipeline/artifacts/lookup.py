"""Random access to rows of Parquet files by a string key; an index of the keys and a few row groups are in memory."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

MAX_HELD_BYTES = 64 * 2**20


def open_rows(path: Path) -> pq.ParquetFile:
    """A Parquet file of rows; ValueError names a damaged one."""
    with _damage(path):
        return pq.ParquetFile(path)


def read_group(path: Path, group: int, *, columns: list[str]) -> pa.Table:
    """One row group; ValueError names a damaged file."""
    with _damage(path):
        return pq.ParquetFile(path).read_row_group(group, columns=columns)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path}: damaged ({error}); remove it and run again: only the rows in it are computed again"
        ) from None


class Place(NamedTuple):
    """Where a row lies: file number, row group of that file, offset in the row group."""

    file: int
    group: int
    offset: int


class Lookup:
    """Rows of several Parquet files of one schema, found by their column `key`.

    Where a key stands in several places the last row wins, but a failed one (column `status`) never replaces a
    success. Row groups are decoded when first asked for and held up to MAX_HELD_BYTES, so access in the order of
    writing reads every row group once.
    """

    def __init__(self, paths: Sequence[Path], *, schema: pa.Schema) -> None:
        self.schema = schema
        self._paths = list(paths)  # opened for each read: a store can have more segments than a process may have files
        self._places: dict[str, Place] = {}
        self._failed: set[str] = set()
        self._held: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        self._held_bytes = 0
        self.guard: IO[str] | None = None  # whatever must stay open for as long as rows are taken
        for number, path in enumerate(self._paths):
            for group in range(open_rows(path).num_row_groups):
                table = read_group(path, group, columns=["key", "status"])
                outcomes = zip(table["key"].to_pylist(), table["status"].to_pylist(), strict=True)
                for offset, (key, status) in enumerate(outcomes):
                    self._add(key, Place(number, group, offset), failed=status == "failed")

    def is_done(self, key: str) -> bool:
        """Whether the key has a row that is not failed."""
        return key in self._places and key not in self._failed

    def __iter__(self) -> Iterator[str]:
        """All keys, in the order they were first met."""
        return iter(self._places)

    def take(self, keys: Sequence[str]) -> pa.Table:
        """The rows of `keys`, in that order, repeats allowed; KeyError for an unknown one."""
        runs: list[pa.Table] = []
        start = 0
        while start < len(keys):
            place = self._places[keys[start]]
            offsets = [place.offset]
            stop = start + 1
            while stop < len(keys) and self._places[keys[stop]][:2] == place[:2]:
                offsets.append(self._places[keys[stop]].offset)
                stop += 1
            runs.append(self._group(place.file, place.group).take(pa.array(offsets, pa.int64())))
            start = stop
        return pa.concat_tables(runs) if runs else self.schema.empty_table()

    def _add(self, key: str, place: Place, *, failed: bool) -> None:
        if failed and self.is_done(key):
            return
        self._places[key] = place
        if failed:
            self._failed.add(key)
        else:
            self._failed.discard(key)

    def _group(self, file: int, group: int) -> pa.Table:
        """A decoded row group, from the ones held where possible."""
        table = self._held.pop((file, group), None)
        if table is None:
            table = read_group(self._paths[file], group, columns=self.schema.names)
            self._held_bytes += table.nbytes
        self._held[file, group] = table
        while self._held_bytes > MAX_HELD_BYTES and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._held_bytes -= dropped.nbytes
        return table
