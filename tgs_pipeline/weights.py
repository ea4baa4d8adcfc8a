"""Weights on disk: content digests for row keys, and loading that never runs code from a file.

Files are mapped into memory, not read: a tensor costs nothing until it is used, and `assign` gives a model built
`without_memory` its tensors on the device and in the dtype where they stay, with no copy of them in between.
"""

import hashlib
import json
import pickle
import warnings
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

WHOLE_FILES = ("model.safetensors", "pytorch_model.bin")  # of a Hugging Face folder, the first one there is read
WHERE_FROM = "`git checkout weights/tiny` brings the tiny ones back, `tgs weights pull` fetches published ones"
MAX_SHOWN = 5

Shapes = dict[str, tuple[int, ...]]


def digest(path: Path) -> str:
    """blake2b-128 of a file, or of the names and bytes of all files below a folder; ValueError where it is missing."""
    if path.is_file():
        stat = path.stat()
        return _file_digest(path, stat.st_size, stat.st_mtime_ns)
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    if not files:
        raise ValueError(f"weights {path} are missing: {WHERE_FROM}")
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

    Tensors are on the CPU and mapped from the file (files that torch wrote before version 1.6 are read whole). A file
    that holds anything but tensors and plain containers is refused: unpickling it could run code.
    Raises ValueError naming the file where it is missing, truncated, or refused.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ValueError(f"weights {path} are missing: {WHERE_FROM}")
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
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
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


def load_folder_state(folder: Path) -> "dict[str, torch.Tensor]":
    """The tensors of a Hugging Face folder: one file, or the shards that its index lists; mapped, as `load_state` does.

    ValueError where there is no such file, or where index and shards disagree.
    """
    for name in WHOLE_FILES:
        if (folder / name).is_file():
            return load_state(folder / name)
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _load_shards(index)
    raise ValueError(f"{folder}: holds none of {', '.join(WHOLE_FILES)} and no index of shards; fetch it again")


def _load_shards(index: Path) -> "dict[str, torch.Tensor]":
    """The tensors that an index file places in shards beside it."""
    try:
        places = json.loads(index.read_bytes())["weight_map"]
        shards = {name: str(file) for name, file in places.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{index}: not an index of shards ({_first_line(error)}); fetch it again") from None
    state: dict[str, torch.Tensor] = {}
    for file in sorted(set(shards.values())):
        if Path(file).name != file:
            raise ValueError(f"{index}: the shard {file!r} lies outside the folder")
        content = load_state(index.with_name(file))
        for name in sorted(content.keys() ^ {key for key, place in shards.items() if place == file}):
            raise ValueError(f"{index.with_name(file)}: {name} stands in only one of it and {index.name}")
        state |= content
    return state


def without_memory() -> AbstractContextManager:
    """Models built inside have parameters without memory (device meta), but real buffers, which no file may hold."""
    from accelerate import init_empty_weights

    return init_empty_weights(include_buffers=False)


def assign(model: "nn.Module", state: "Mapping[str, torch.Tensor]", *, device: str, dtype: "torch.dtype") -> None:
    """Give a model built `without_memory` its tensors, by its own names and already checked, and move its buffers.

    The one copy is made on the device. On a CPU it is made where the dtype is right already, too: sums over tensors
    inside a file come out a little otherwise, by where they happen to lie. Floating-point parameters get `dtype`;
    buffers keep theirs, as rotary frequencies in bfloat16 would be wrong by a radian where a prompt of 800 tokens ends.
    """
    own = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    target = model.state_dict()
    placed = {
        name: tensor.to(device, dtype if name in own and tensor.is_floating_point() else target[name].dtype, copy=True)
        for name, tensor in state.items()
    }
    model.load_state_dict(placed, strict=False, assign=True)
    empty = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    assert not empty, empty[0]
    model.to(device)


def cast_parameters(model: "nn.Module", dtype: "torch.dtype") -> None:
    """Give all floating-point parameters a dtype and leave the buffers alone (see `assign`)."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


def shapes_of(state: "Mapping[str, torch.Tensor]") -> Shapes:
    """The shape of each tensor."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def mismatches(found: Mapping[str, object], expected: Shapes, *, dead: Collection[str] = ()) -> list[str]:
    """What is wrong with a state dict, a phrase for each key: missing, unexpected, or not a tensor of the shape.

    dead: keys that may be there or not and are not looked at.
    """
    problems = [f"missing key {name}" for name in sorted(expected.keys() - found.keys() - set(dead))]
    problems += [f"unexpected key {name}" for name in sorted(found.keys() - expected.keys() - set(dead))]
    for name in sorted(found.keys() & expected.keys() - set(dead)):
        shape, wanted = list(getattr(found[name], "shape", ())), list(expected[name])
        if shape != wanted:
            hint = " (transposed)" if shape == wanted[::-1] else ""
            problems.append(f"{name} has shape {shape}, expected {wanted}{hint}")
    return problems


def refuse(problems: Sequence[str], *, what: str) -> None:
    """ValueError that begins with `what` and shows the first of the problems; nothing where there are none."""
    if problems:
        left = len(problems) - MAX_SHOWN
        raise ValueError(f"{what}: {'; '.join(problems[:MAX_SHOWN])}" + (f"; and {left} more" if left > 0 else ""))


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
