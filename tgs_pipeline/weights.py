"""Weights on disk: content digests for row keys, and loading that never runs code from a file."""

import hashlib
import pickle
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def digest(path: Path) -> str:
    """blake2b-128 of a file, or of the names and bytes of all files below a folder; ValueError where it is missing."""
    if path.is_file():
        stat = path.stat()
        return _file_digest(path, stat.st_size, stat.st_mtime_ns)
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    if not files:
        raise ValueError(
            f"weights {path} are missing: `make weights` writes the tiny ones; see README for the originals"
        )
    total = hashlib.blake2b(digest_size=16)
    for file in files:
        total.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode())
    return total.hexdigest()


@lru_cache(maxsize=256)
def _file_digest(path: Path, size: int, mtime_ns: int) -> str:
    """Digest of a file; size and time are part of the cache key, so a changed file is read again."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def load_state(path: Path) -> "dict[str, torch.Tensor]":
    """The content of a `.safetensors`, `.pt`, `.pth` or `.bin` file: tensors by name, or the nested dict of a `.pt`.

    A file that holds anything but tensors and plain containers is refused: unpickling it could run code.
    Raises ValueError naming the file where it is missing, truncated, or refused.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ValueError(
            f"weights {path} are missing: `make weights` writes the tiny ones; see README for the originals"
        )
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path}: not a whole safetensors file ({error}); fetch or write it again") from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path}: refused, because it holds Python objects other than tensors and could run code when loaded; "
            f"get the published file again or convert it to safetensors ({str(error).splitlines()[0]})"
        ) from None
    except (RuntimeError, EOFError) as error:
        raise ValueError(f"{path}: not a whole PyTorch checkpoint ({error}); fetch it again") from None
    if not isinstance(state, dict):
        raise ValueError(f"{path}: expected a dict of tensors, found {type(state).__name__}")
    return state
