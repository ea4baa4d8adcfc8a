"""Shards: entries of the page in a few script files, loaded on demand.

A page opened from file:// may not `fetch` files beside it, but it may load scripts. So `NAME-00003.js` is one call,
`tgsShard("NAME-00003", [entry, ...])`, and entry i of the page lies at offset i % size of shard i // size.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType


class ShardWriter:
    """Writes entries in order, `size` in each file; memory holds one shard."""

    def __init__(self, folder: Path, name: str, *, size: int) -> None:
        self.folder, self.name, self.size = folder, name, size
        self.num_entries = 0
        self._pending: list[str] = []

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()

    def add(self, entry: Mapping) -> None:
        self._pending.append(script_json(entry))
        self.num_entries += 1
        if len(self._pending) == self.size:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        shard = f"{self.name}-{(self.num_entries - 1) // self.size:05d}"
        entries = ",\n".join(self._pending)
        (self.folder / f"{shard}.js").write_text(f'tgsShard("{shard}",[\n{entries}\n]);\n', encoding="ascii")
        self._pending = []


def script_json(value: object) -> str:
    """ASCII JSON that is safe inside a script element too: no `<`, `>` or `&`, no U+2028, no NaN."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
