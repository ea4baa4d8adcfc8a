"""Sweep: runs the operators of the pipeline for each row of a grid, from the first stage that nobody has run for it.

    <out>/rows/<name>/artifacts/     what the row ran itself; links to the artifacts of the stages before
    <out>/rows/<name>/row.json       written last: the row is finished
    <out>/table.md, .csv, .json, chart.html

A stage's result is known by a key of its params, weights and version and of the key of the stage before. Results are
taken from the run of the pipeline (`artifacts/`, as far as `dvc status` calls it current) or from another row; what is
run goes through the row cache, so a frame is never detected or segmented twice. A finished row is not run again.
"""

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.operators import detect, features, ground, manifest, score, segment, think
from tgs_pipeline.params import Params, load
from tgs_pipeline.stage import execution_of, workspace_of
from tgs_pipeline.sweep import oracles, table
from tgs_pipeline.sweep.grid import Oracle, Plan, plan, read_grid
from tgs_pipeline.weights import digest
from tgs_pipeline.workspace import Workspace

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """A stage of a row: its operator, and the folder below artifacts/ that it writes."""

    operator: ModuleType
    folder: str


STAGES = {
    "manifest": Stage(manifest, "samples"),
    "features": Stage(features, "features"),
    "think": Stage(think, "chains"),
    "detect": Stage(detect, "candidates"),
    "ground": Stage(ground, "boxes"),
    "segment": Stage(segment, "masks"),
    "score": Stage(score, "score"),
}
PARAMS = Path("params.yaml")  # the file that DVC reads


def run(grid: Path, *, params: Path, out: Path) -> str:
    """Run what is not finished and write the tables; returns the Markdown table. ValueError for what cannot be run."""
    asked = read_grid(grid)
    plans = plan(asked, params=params)
    keys = {one.folder: stage_keys(one.params, oracle=one.oracle) for one in plans}
    owners = _current(params)
    for one in plans:
        owners |= _finished(out / "rows" / one.folder, keys[one.folder])
    for number, one in enumerate(plans, start=1):
        folder = out / "rows" / one.folder
        if _finished(folder, keys[one.folder]):
            log.info("sweep: row %d of %d, %s: finished before", number, len(plans), one.name)
            continue
        log.info("sweep: row %d of %d, %s", number, len(plans), one.name)
        _run_row(one, folder=folder, keys=keys[one.folder], owners=owners)
        owners |= _finished(folder, keys[one.folder])
    rows = [
        table.Row(one.name, one.changes, one.oracle, json.loads(_metrics(out / "rows" / one.folder))) for one in plans
    ]
    return table.write(out, rows, title=asked.title)


def stage_keys(params: Params, *, oracle: tuple[Oracle, ...]) -> dict[str, str]:
    """The key of the result of each stage, in order."""
    keys: dict[str, str] = {}
    before = ""
    for name, stage in STAGES.items():
        section = params.dataset if name == "manifest" else getattr(params, name)
        identity = [
            before, name, section.model_dump(), _inputs(params, name), getattr(stage.operator, "VERSION", None),
            ("name" in oracle and name == "think") or ("box" in oracle and name == "ground"),
        ]  # fmt: skip
        text = json.dumps(identity, sort_keys=True)
        before = keys[name] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return keys


def _inputs(params: Params, stage: str) -> list[str]:
    """Digests of the files that a stage reads besides artifacts: weights, and the references."""
    match stage:
        case "manifest":
            paths = [str(Path(params.dataset.root) / params.dataset.metadata)]
        case "features":
            paths = [params.features.visual.weights, params.features.audio.weights]
            paths += [params.features.other_tagger] if params.features.other_tagger is not None else []
        case "think" if params.think.backend == "ref_thinker":
            paths = [params.think.weights]
        case "think" if params.think.label_names is not None:
            paths = [params.think.label_names]
        case "detect":
            paths = [params.detect.weights]
        case "segment":
            paths = [params.segment.weights, params.segment.config, params.segment.sounding]
            matching = [getattr(params.segment.matching, "weights", None), params.think.label_names]
            paths += [path for path in matching if path is not None and params.segment.matching is not None]
        case _:
            paths = []
    for path in paths:
        if not Path(path).exists():
            raise ValueError(f"{path} is missing: `tgs check` says what a run needs, `dvc repro dataset` renders")
    return [digest(Path(path)) for path in paths]


def _current(params: Path) -> dict[str, Path]:
    """Results of the last run of the pipeline by their key, as far as DVC says that they belong to the params file."""
    if params.resolve() != PARAMS.resolve():
        return {}
    command = [sys.executable, "-m", "dvc", "status", "--json", "dataset", *STAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        log.info("sweep: `dvc status` fails here, so every stage is run: %s", done.stderr.strip())
        return {}
    changed = json.loads(done.stdout)
    base = load(params)
    if "dataset" in changed and base.dataset.tinyworld is not None:
        raise ValueError(f"the dataset is not the one of {params}: run `dvc repro dataset` first")
    found: dict[str, Path] = {}
    for (name, stage), key in zip(STAGES.items(), stage_keys(base, oracle=()).values(), strict=True):
        if name in changed:
            break
        found[key] = workspace_of(base).artifacts / stage.folder
    return found


def _finished(folder: Path, keys: dict[str, str]) -> dict[str, Path]:
    """What a finished row has run itself, by key; empty where it is not finished or was another one."""
    try:
        known = json.loads((folder / "row.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if known["keys"] != keys:
        return {}
    return {keys[name]: folder / "artifacts" / STAGES[name].folder for name in known["ran"]}


def _run_row(one: Plan, *, folder: Path, keys: dict[str, str], owners: dict[str, Path]) -> None:
    """Run a row in a new folder: link what is owned by others, up to the first stage that is not, and run the rest."""
    shutil.rmtree(folder, ignore_errors=True)
    workspace = Workspace(artifacts=folder / "artifacts", dataset=Path(one.params.dataset.root))
    workspace.artifacts.mkdir(parents=True)
    ran: list[str] = []
    for name, stage in STAGES.items():
        owner = owners.get(keys[name])
        if not ran and owner is not None and owner.exists() and name != "score":
            target = os.path.relpath(owner.resolve(), workspace.artifacts.resolve())
            (workspace.artifacts / stage.folder).symlink_to(target)
            continue
        ran.append(name)
        stage.operator.run(one.params, workspace, execution_of(one.params, stage=name))
        if name == "think" and "name" in one.oracle:
            oracles.write_true_names(workspace)
        if name == "ground" and "box" in one.oracle:
            oracles.write_true_boxes(workspace)
    write_text(folder / "row.json", json.dumps({"name": one.name, "keys": keys, "ran": ran}, indent=2) + "\n")


def _metrics(folder: Path) -> str:
    return Workspace(artifacts=folder / "artifacts", dataset=Path()).metrics.read_text(encoding="utf-8")
