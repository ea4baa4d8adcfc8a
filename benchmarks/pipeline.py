"""What a run costs: time of full, repeated and partial runs; peak memory of each stage by number of videos.

    python benchmarks/pipeline.py time
    python benchmarks/pipeline.py memory --videos 50 --videos 500

Each works in a temporary copy of the committed tree with a row cache of its own. On shared machines compare the
figures of one run with each other, not with another run's.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import yaml

ROOT = Path(__file__).resolve().parents[1]
STAGES = (
    "dataset", "manifest", "features", "think", "faithfulness", "detect", "ground", "segment", "score", "report",
)  # fmt: skip
app = typer.Typer(no_args_is_help=True, help=__doc__)


@contextmanager
def project_copy() -> Iterator[Path]:
    """A copy of the committed files and the weights in a new folder, with its own DVC cache and row cache."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        shutil.copytree(ROOT / "weights", folder / "weights", dirs_exist_ok=True)
        yield folder


def environment(folder: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(folder), "TGS_CACHE": str(folder / ".tgs_cache")}


def edit(folder: Path, **changes: object) -> None:
    """Set params by dotted name (dots written as double underscores)."""
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for name, value in changes.items():
        *sections, key = name.split("__")
        target = params
        for section in sections:
            target = target[section]
        target[key] = value
    path.write_text(yaml.safe_dump(params))


def repro(folder: Path) -> tuple[float, list[str], dict[str, tuple[int, int]]]:
    """Seconds, the stages that ran, and (units, computed) of each, of one `dvc repro`."""
    start = time.monotonic()
    done = subprocess.run(["dvc", "repro"], cwd=folder, env=environment(folder), capture_output=True, text=True)
    seconds = time.monotonic() - start
    output = done.stdout + done.stderr
    if done.returncode:
        sys.exit(output)
    rows = re.findall(r"^(\w+): (\d+) units, \d+ from the cache, (\d+) computed", output, re.MULTILINE)
    ran = re.findall(r"Running stage '(\w+)'", output)
    return seconds, ran, {stage: (int(units), int(computed)) for stage, units, computed in rows}


def show(what: str, result: tuple[float, list[str], dict[str, tuple[int, int]]]) -> None:
    seconds, ran, rows = result
    computed = ", ".join(f"{stage} {done}/{units}" for stage, (units, done) in rows.items())
    print(f"{what:28} {seconds:7.1f} s   ran: {' '.join(ran) or 'nothing'}   rows computed: {computed or 'none'}")


@app.command("time")
def time_runs() -> None:
    """Time a full run, a run with nothing to do, a threshold edit, its reversal, and one more video."""
    with project_copy() as folder:
        show("full run", repro(folder))
        show("nothing to do", repro(folder))
        edit(folder, ground__box_threshold=0.2)
        show("threshold edit", repro(folder))
        edit(folder, ground__box_threshold=0.1)
        show("threshold back", repro(folder))
        clips = yaml.safe_load((folder / "params.yaml").read_text())["dataset"]["tinyworld"]["num_clips"]
        edit(folder, dataset__tinyworld__num_clips=clips | {"test_s": clips["test_s"] + 1})
        show("one more video", repro(folder))


@app.command()
def memory(videos: Annotated[list[int], typer.Option(help="Numbers of videos to compare.")]) -> None:
    """Peak resident memory of each stage, run as a process of its own, for several numbers of videos."""
    peaks: dict[int, list[float]] = {}
    for count in videos:
        with project_copy() as folder:
            seen, unseen = count // 2, count // 4
            clips = {"train": 0, "val": 0, "test_s": seen, "test_u": unseen, "test_n": count - seen - unseen}
            edit(folder, dataset__tinyworld__num_clips=clips)
            peaks[count] = [peak_mib(folder, stage) for stage in STAGES]
    print("peak MiB    " + "".join(f"{count:>8} videos" for count in videos))
    for index, stage in enumerate(STAGES):
        print(f"{stage:12}" + "".join(f"{peaks[count][index]:>15.0f}" for count in videos))


def peak_mib(folder: Path, stage: str) -> float:
    """Peak resident memory of one stage, measured by a small parent process that has no other child."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    command = [sys.executable, "-c", code, sys.executable, f"stages/{stage}.py"]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return int(done.stdout.split()[-1]) / 1024


if __name__ == "__main__":
    app()
