"""Copies of this project to run in, so that tests can edit params and modules and run DVC."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
SMALL_WORLD = {"train": 1, "val": 0, "test_s": 2, "test_u": 1, "test_n": 1}
CODE = (
    "stages",
    "tgs_pipeline",
    "profiles",
    "experiments",
    ".dvc/config",
    ".dvc/plots",
    ".dvcignore",
    "dvc.yaml",
    "params.yaml",
)


@dataclass(frozen=True)
class Project:
    """A project folder with its own DVC cache and row cache."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        cache = str(self.folder / ".tgs_cache")
        return os.environ | {"PATH": path, "PYTHONPATH": str(self.folder), "TGS_CACHE": cache}

    def run(self, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project; changes are environment variables."""
        return subprocess.run(
            command, cwd=self.folder, env=self.environment | changes, capture_output=True, text=True, check=False
        )

    def tgs(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-c", "from tgs_pipeline.cli import app; app()", *arguments, **changes)

    def repro(self) -> "Repro":
        done = self.run("dvc", "repro")
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        rows = re.findall(r"^(\w+): \d+ units, \d+ from the cache, (\d+) computed", output, re.MULTILINE)
        return Repro(
            ran=re.findall(r"Running stage '(\w+)'", output),
            computed={stage: int(count) for stage, count in rows},
            output=output,
        )

    def edit(self, name: str, value: object) -> None:
        """Set one parameter by its dotted name."""
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        *sections, key = name.split(".")
        target = params
        for section in sections:
            target = target[section]
        target[key] = value
        path.write_text(yaml.safe_dump(params, sort_keys=False))


@dataclass(frozen=True)
class Repro:
    """What one `dvc repro` did: stages whose command ran, rows computed by stage, and everything printed."""

    ran: list[str]
    computed: dict[str, int]
    output: str


def copy_project(folder: Path) -> Project:
    """The code, the profiles and the weights in a new folder, set to a small world."""
    for name in CODE:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    shutil.copytree(ROOT / "weights", folder / "weights")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    project = Project(folder)
    project.edit("dataset.tinyworld.num_clips", SMALL_WORLD)
    project.edit("dataset.tinyworld.references_per_clip", 2)
    return project


def leaves(params: object, prefix: str = "") -> Iterator[str]:
    """Dotted names of all values of nested params."""
    if isinstance(params, dict):
        for key, child in params.items():
            yield from leaves(child, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix
