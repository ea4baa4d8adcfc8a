"""Sample: what every dataset adapter yields; paths are relative to the dataset's root and not yet checked."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SAFE_NAME = re.compile(r"[A-Za-z0-9_\-]{1,200}")
MAX_REFERENCE_CHARS = 2000


@dataclass(frozen=True)
class Sample:
    """One reference to one clip.

    frames, masks: one path for each frame that the benchmark defines, in order (masks is empty where there is no
    ground truth, and None for a frame without); a mask can be a part of its file (data/truth.py). audio: places to look
    for the sound track, the first that exists is taken.
    """

    uid: str
    row: int
    vid: str
    split: str
    reference: str
    is_null: bool
    frames: tuple[PurePosixPath, ...]
    audio: tuple[PurePosixPath, ...]
    masks: tuple[PurePosixPath | None, ...]


def read_csv(path: Path, *, required: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with their 0-based number; ValueError names the file, the line and what is wrong."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            missing = [name for name in required if name not in (reader.fieldnames or [])]
            if missing:
                raise ValueError(f"{path}: lacks the column(s) {missing}; found {reader.fieldnames or 'an empty file'}")
            for number, row in enumerate(reader):
                if None in row or None in row.values():
                    raise ValueError(
                        f"{path}, line {reader.line_num}: expected {len(reader.fieldnames or [])} fields "
                        f"({', '.join(reader.fieldnames or [])}); quote fields that hold commas"
                    )
                yield number, row
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; check dataset.root and dataset.metadata in params.yaml") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{path}: not a well-formed CSV file ({error})") from None


def check_name(name: str, *, path: Path, row: int) -> str:
    """`name` itself if it can safely be a folder name; ValueError else, so that no CSV can point outside the root."""
    if SAFE_NAME.fullmatch(name):
        return name
    raise ValueError(
        f"{path}, data row {row}: {name!r} is no valid id; ids name folders: up to 200 letters, digits, '_', '-'"
    )


def check_reference(text: str, *, path: Path, row: int) -> str:
    """`text` itself if it is a usable reference: not blank, not absurdly long, no control characters."""
    if not text.isprintable() and any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError(f"{path}, data row {row}: the reference is not valid UTF-8")
    if not text.strip():
        raise ValueError(f"{path}, data row {row}: the reference is empty")
    if len(text) > MAX_REFERENCE_CHARS:
        raise ValueError(
            f"{path}, data row {row}: the reference has {len(text)} characters (limit {MAX_REFERENCE_CHARS})"
        )
    if any(ord(char) < 32 and char not in "\t\n\r" for char in text):
        raise ValueError(f"{path}, data row {row}: the reference holds control characters: {text!r}")
    return text
