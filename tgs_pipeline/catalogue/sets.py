"""The catalogue of published weights (files.yaml), and which of its sets a profile names.

A path of the params is a set of the catalogue if its last part is the set's: the folder around it is free.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from tgs_pipeline.params import Params

CATALOGUE = Path(__file__).with_name("files.yaml")
ALONE = "."  # the path of a file whose set it is


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class File(_Entry):
    """A file of a set and its one source: repo, by_hand, package or content (see files.yaml)."""

    path: str
    repo: str | None = None
    by_hand: str | None = None
    package: str | None = None
    content: dict[str, object] | None = None
    name: str | None = None
    size_bytes: Annotated[int, Field(gt=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "File":
        if sum(source is not None for source in (self.repo, self.by_hand, self.package, self.content)) != 1:
            raise ValueError(f"{self.path}: expected one of repo, by_hand, package, content")
        if PurePosixPath(self.path).is_absolute() or ".." in PurePosixPath(self.path).parts:
            raise ValueError(f"{self.path}: lies outside the folder of its set")
        return self


class WeightSet(_Entry):
    """Files that belong together: a folder, or one file."""

    path: str
    what: str
    licence: str
    gated: bool
    files: list[File]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True)
class Placed:
    """A set of the catalogue in the folder where it is or will be; section: the key of the params that names it."""

    set: WeightSet
    root: Path
    section: str | None = None

    def place(self, file: File) -> Path:
        """Where a file of the set lies."""
        path = self.root / self.set.path
        return path if file.path == ALONE else path / file.path

    @property
    def missing(self) -> list[Path]:
        """Files that are not there."""
        return [path for file in self.set.files if not (path := self.place(file)).is_file()]


@lru_cache(maxsize=1)
def catalogue() -> dict[str, WeightSet]:
    """All sets by their path."""
    entries = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    return {entry.path: entry for entry in TypeAdapter(list[WeightSet]).validate_python(entries)}


def weight_paths(params: Params) -> dict[str, Path]:
    """Every path of weights in the params, by its dotted key."""
    paths = {
        "features.visual.weights": params.features.visual.weights,
        "features.audio.weights": params.features.audio.weights,
        "features.other_tagger": params.features.other_tagger,
        "think.weights": params.think.weights,
        "detect.weights": params.detect.weights,
        "segment.weights": params.segment.weights,
        "segment.config": params.segment.config,
        "segment.matching.weights": getattr(params.segment.matching, "weights", None),
    }
    return {section: Path(path) for section, path in paths.items() if path is not None}


def named_by(params: Params) -> Iterator[Placed]:
    """The sets that a profile names; weights of our own are none."""
    known = catalogue()
    for section, path in weight_paths(params).items():
        if path.name in known:
            yield Placed(known[path.name], root=path.parent, section=section)


def chosen(names: list[str], *, root: Path) -> list[Placed]:
    """Sets by their paths; ValueError lists what there is where one is unknown."""
    known = catalogue()
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise ValueError(f"no set {unknown[0]!r} in the catalogue; there are: {', '.join(known)}")
    return [Placed(known[name], root=root) for name in names]
