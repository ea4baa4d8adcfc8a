"""Journal: rows that cost money are on disk as soon as they exist, before their segment of the row store is full.

    <cache>/<stage>/journal-<uuid>.jsonl      one line for each finished row, written and synced one by one

A run that ends in order removes its journal, since its rows are in segments by then. What another run left behind (it
was killed, the disk was full) is moved into the store by the next whole run; a line that was cut is dropped.
"""

import json
import logging
import os
import threading
import uuid
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from tgs_pipeline.execution import WHOLE
from tgs_pipeline.rows import Store

log = logging.getLogger(__name__)


class Journal:
    """The journal of this process; safe to write from several threads. The file appears with the first row."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"journal-{uuid.uuid4().hex}.jsonl"
        self._lock = threading.Lock()

    def add(self, row: dict) -> None:
        """Keep a row of JSON types; it survives whatever happens next."""
        line = json.dumps(row) + "\n"
        with self._lock, self._path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the file where the run ended in order; after an error the next run looks what it lacks of it."""
        if error is None:
            self._path.unlink(missing_ok=True)


def recover(store: Store) -> int:
    """Move rows of journals of killed runs into the store; returns their number. The caller runs as a whole.

    StageError where another run is writing, whose journal must be left alone.
    """
    if not any(store.folder.glob("journal-*.jsonl")):
        return 0
    with store.lock(WHOLE):
        paths = sorted(store.folder.glob("journal-*.jsonl"))
        done = store.rows()
        found = [row for path in paths for row in _whole_rows(path, names=store.schema.names)]
        rows = [row for row in found if not done.is_done(row["key"])]
        if rows:
            store.append([pa.Table.from_pylist(rows, schema=store.schema)])
        for path in paths:
            path.unlink()
    if rows:
        log.info("%s: %d rows of a run that was killed are kept", store.folder.name, len(rows))
    return len(rows)


def _whole_rows(path: Path, *, names: list[str]) -> list[dict]:
    """The rows of a journal that fit the store; of another layout or cut, they are dropped."""
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and set(row) <= set(names) and isinstance(row.get("key"), str):
            rows.append(row)
    return rows
