"""What every training stage script does: read training/params.yaml, set up the run, call the stage.

With `runtime.accelerate` a phase starts itself again under `accelerate launch` with that configuration file.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer

from tgs_pipeline.execution import WHOLE, Execution
from tgs_pipeline.params import Params
from tgs_pipeline.stage import stopping
from tgs_pipeline.training import params as params_file
from tgs_pipeline.training.params import TrainingParams
from tgs_pipeline.training.workspace import TrainingWorkspace
from tgs_pipeline.workspace import Workspace, cache_folder

PARAMS = Path("training/params.yaml")
ARTIFACTS = Path("training/artifacts")
ParamsFile = Annotated[Path, typer.Option("--params", help="A complete training params file.")]
LAUNCHED = "TGS_LAUNCHED"  # set for the processes that accelerate started


def main(stage: str, run: Callable[[TrainingParams, TrainingWorkspace], None], *, distributed: bool = False) -> None:
    """Command line of the script `training/stages/<stage>.py`; distributed: several processes can share its work."""

    def command(params: ParamsFile = PARAMS) -> None:
        execute(stage, run, params=params, distributed=distributed)

    typer.run(command)


def execute(
    stage: str,
    run: Callable[[TrainingParams, TrainingWorkspace], None],
    *,
    params: Path,
    distributed: bool = False,
) -> None:
    """Run a stage with a params file; errors end it with their message alone."""
    with stopping(stage):
        loaded = params_file.load(params)
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(loaded.runtime.num_threads)
        if distributed and loaded.runtime.accelerate and LAUNCHED not in os.environ:
            raise SystemExit(_launch(Path(loaded.runtime.accelerate), params=params))
        run(loaded, workspace_of(loaded))


def workspace_of(params: TrainingParams) -> TrainingWorkspace:
    """The folders of a training run in the current directory."""
    media = Workspace(artifacts=ARTIFACTS, dataset=Path(params.dataset.root))
    return TrainingWorkspace(media, cache=cache_folder(params.runtime.cache))


def with_media(
    run: Callable[[Params, Workspace, Execution], None],
) -> Callable[[TrainingParams, TrainingWorkspace], None]:
    """A stage of the main pipeline (dataset, manifest, features) as a stage of training."""

    def run_on_training_media(params: TrainingParams, workspace: TrainingWorkspace) -> None:
        sections = Params.model_construct(dataset=params.dataset, features=params.features)
        run(sections, workspace.media, _execution(params))

    return run_on_training_media


def _execution(params: TrainingParams) -> Execution:
    runtime = params.runtime
    return Execution(
        cache=cache_folder(runtime.cache),
        batch_size=runtime.batch_size,
        num_loaders=runtime.num_loaders,
        flush_rows=64,
        flush_sec=20.0,
        max_failure_rate=0.0,
        device=runtime.device,
        shard=WHOLE,
    )


def _launch(config: Path, *, params: Path) -> int:
    if not config.is_file():
        raise ValueError(f"{config} is missing: `accelerate config --config_file {config}` writes it")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)]
    command += [sys.argv[0], "--params", str(params)]
    return subprocess.run(command, env=os.environ | {LAUNCHED: "1"}, check=False).returncode
