"""Files of annotations: JSON of the shape that their format says."""

import json
from pathlib import Path
from typing import TypeVar

Items = TypeVar("Items", list, dict)
SHAPES = {list: "a list of objects", dict: "an object of uids"}


def read_annotations(path: Path, shape: type[Items], *, setting: str) -> Items:
    """The content of a JSON file; ValueError names the file, and the setting where the file is missing."""
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; check {setting} in training/params.yaml") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a JSON file ({error})") from None
    if not isinstance(items, shape):
        raise ValueError(f"{path}: expected {SHAPES[shape]}, found {type(items).__name__}")
    return items
