"""Weights on disk: content digests for row keys, and loading that never runs code from a file."""

import hashlib
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
    with path.open("rb") as handle:
        head = handle.read(64).lstrip().lower()
    if head.startswith((b"<", b"version https://git-lfs")):
        raise ValueError(f"{path}: a web page or a Git LFS pointer instead of the weights; fetch the file itself")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle protocol of files that are refused below
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path}: refused, because it is damaged or holds Python objects other than tensors, which could run code "
            "when loaded; get the published file again, or convert it to safetensors where you trust it"
        ) from None
    except Exception as error:  # noqa: BLE001  reading a damaged pickle can raise anything
        raise ValueError(f"{path}: not a whole PyTorch checkpoint ({_first_line(error)}); fetch it again") from None
    if not isinstance(state, dict):
        raise ValueError(f"{path}: expected a dict of tensors, found {type(state).__name__}")
    return state


@contextmanager
def loading(path: Path, *, device: str) -> Iterator[None]:
    """Checks a device, then turns whatever a library raises over the files of a model into a ValueError naming them."""
    check_device(device)
    try:
        yield
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path}: {error}") from error
    except Exception as error:  # libraries raise anything over a damaged configuration, tokenizer or tensor file
        raise ValueError(
            f"{path}: cannot be loaded ({_first_line(error)}); compare its files with the published ones"
        ) from error


def check_device(device: str) -> None:
    """ValueError where torch cannot put a tensor on a device."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"runtime.devices: {device!r} cannot be used here ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
