"""Random access to rows of Parquet files by a string key; an index of the keys and a few row groups are in memory."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

MAX_HELD_BYTES = 64 * 2**20


class Place(NamedTuple):
    """Where a row lies: file number, row group of that file, offset in the row group."""

    file: int
    group: int
    offset: int


class Lookup:
    """Rows of several Parquet files of one schema, found by `key`.

    Where a key stands in several places the last one wins, unless `prefer(old, new)` (called with the two values of
    `prefer_column`) says that the old one stays. Row groups are decoded when first asked for and held up to
    MAX_HELD_BYTES, so access in the order of writing reads every row group once.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        schema: pa.Schema,
        key: str = "key",
        prefer_column: str | None = None,
        prefer: Callable[[str, str], bool] | None = None,
    ) -> None:
        self.schema = schema
        self._paths = list(paths)  # opened for each read: a store can have more segments than a process may have files
        self._places: dict[str, Place] = {}
        self._values: dict[str, str] = {}
        self._held: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        self._held_bytes = 0
        columns = [key] if prefer_column is None else [key, prefer_column]
        for number, path in enumerate(self._paths):
            file = pq.ParquetFile(path)
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=columns)
                values = table[prefer_column].to_pylist() if prefer_column else [""] * table.num_rows
                for offset, (name, value) in enumerate(zip(table[key].to_pylist(), values, strict=True)):
                    if prefer and name in self._values and prefer(self._values[name], value):
                        continue
                    self._places[name] = Place(number, group, offset)
                    if prefer:
                        self._values[name] = value

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __len__(self) -> int:
        return len(self._places)

    def value(self, name: str) -> str | None:
        """The value of `prefer_column` of a key, or None where the key is unknown."""
        return self._values.get(name)

    def __iter__(self) -> Iterator[str]:
        """All keys, in the order they were first met."""
        return iter(self._places)

    def take(self, names: Sequence[str]) -> pa.Table:
        """The rows of `names`, in that order, repeats allowed; KeyError for an unknown one."""
        runs: list[pa.Table] = []
        start = 0
        while start < len(names):
            place = self._places[names[start]]
            offsets = [place.offset]
            stop = start + 1
            while stop < len(names) and self._places[names[stop]][:2] == place[:2]:
                offsets.append(self._places[names[stop]].offset)
                stop += 1
            runs.append(self._group(place.file, place.group).take(pa.array(offsets, pa.int64())))
            start = stop
        return pa.concat_tables(runs) if runs else self.schema.empty_table()

    def _group(self, file: int, group: int) -> pa.Table:
        """A decoded row group, from the ones held where possible."""
        table = self._held.pop((file, group), None)
        if table is None:
            table = pq.ParquetFile(self._paths[file]).read_row_group(group, columns=self.schema.names)
            self._held_bytes += table.nbytes
        self._held[file, group] = table
        while self._held_bytes > MAX_HELD_BYTES and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._held_bytes -= dropped.nbytes
        return table
