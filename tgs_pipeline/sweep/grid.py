"""Grid: a YAML file that lists the rows of a sweep as changes of a complete params file.

    title: Which caption finds the object
    base: {"detect.captions": [s_object, f_object]}      # changes of every row
    rows:                                                # optional
      - {name: simple name, set: {"ground.prompt": s_object}}
      - {name: true box, oracle: [box]}                  # a ceiling, not a system: see oracles.py
    grid: {"ground.box_threshold": [0.1, 0.2]}           # optional: every row with every combination

Each row is validated whole, as a params file is, before any is run.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tgs_pipeline.params import Params, ParamsError, check, load_as, read
from tgs_pipeline.params_section import Section, Text

Oracle = Literal["name", "box"]
FIXED = ("dataset.tinyworld", "runtime", "report")  # rendered by dvc repro; without effect on scores


class Row(Section):
    """One row, or one for each combination of the grid."""

    name: Text
    set: dict[str, object] = Field(default_factory=dict)
    oracle: list[Oracle] = Field(default_factory=list)


class Grid(Section):
    """The content of a grid file."""

    title: Text
    base: dict[str, object] = Field(default_factory=dict)
    rows: list[Row] = Field(default_factory=list)
    grid: dict[str, Annotated[list[object], Field(min_length=1)]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """One row to run. folder: a name that is safe for one; changes: dotted parameter -> value."""

    name: str
    folder: str
    params: Params
    changes: Mapping[str, object]
    oracle: tuple[Oracle, ...]


def read_grid(path: Path) -> Grid:
    """Read a grid file; ParamsError lists what is wrong with it."""
    return load_as(Grid, path, template="experiments/prompt-source.yaml")


def plan(grid: Grid, *, params: Path) -> list[Plan]:
    """The rows of a grid on top of a params file, in order; ParamsError lists the mistakes of all rows."""
    data = read(params)
    check(Params, data, where=str(params))
    plans: list[Plan] = []
    problems: list[str] = []
    for name, changes, oracle in _expand(grid):
        try:
            changed = check(Params, _changed(data, changes, name=name), where=f"row {name!r}")
            folder = re.sub(r"[^A-Za-z0-9.=-]+", "_", name)
            if folder in {one.folder for one in plans}:
                raise ParamsError(f"row {name!r}: another row has this name")
            if oracle and changed.dataset.adapter != "ref_avsbench":
                raise ParamsError(f"row {name!r}: an oracle needs ground truth; dataset.adapter has none")
            plans.append(Plan(name, folder, changed, changes, oracle))
        except ParamsError as error:
            problems.append(str(error))
    if problems:
        raise ParamsError("\n".join(problems))
    return plans


def _expand(grid: Grid) -> Iterator[tuple[str, dict[str, object], tuple[Oracle, ...]]]:
    """(name, changes, oracle) of each row."""
    unchanged: list[Row | None] = [None]
    for row in grid.rows or unchanged:
        for values in product(*grid.grid.values()):
            cell = dict(zip(grid.grid, values, strict=True))
            shown = ", ".join(f"{key.rsplit('.', 1)[-1]}={_shown(value)}" for key, value in cell.items())
            name = "; ".join(part for part in (row.name if row else "", shown) if part) or "as it is"
            yield name, {**grid.base, **(row.set if row else {}), **cell}, tuple(row.oracle) if row else ()


def _shown(value: object) -> str:
    return "null" if value is None else str(value)


def _changed(data: dict, changes: Mapping[str, object], *, name: str) -> dict:
    """A copy of the params with dotted names set; ParamsError for one that names no section or is FIXED."""
    changed = copy.deepcopy(data)
    for dotted, value in changes.items():
        if any(dotted == fixed or dotted.startswith(f"{fixed}.") for fixed in FIXED):
            raise ParamsError(f"row {name!r}: {dotted} cannot be changed by a sweep, only in the params file")
        *sections, key = dotted.split(".")
        target: object = changed
        for section in sections:
            target = target.get(section) if isinstance(target, dict) else None
        if not isinstance(target, dict):
            raise ParamsError(f"row {name!r}: {dotted} is in no section of the params")
        target[key] = copy.deepcopy(value)
    return changed
