"""What every stage script does: read the params, set up the run, call the operator, and end with a clear message.

With several `runtime.devices`, one process for each computes its share into the row store; this process then
publishes the result from the store.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tgs_pipeline import params as params_file
from tgs_pipeline.execution import WHOLE, Execution, Shard, StageError
from tgs_pipeline.params import Params
from tgs_pipeline.workspace import Workspace, cache_folder

RunStage = Callable[[Params, Workspace, Execution], None]

log = logging.getLogger(__name__)


def main(stage: str, run: RunStage) -> None:
    """Command line of the stage script `stages/<stage>.py`."""

    def command(
        params: Annotated[Path, typer.Option(help="A complete params file.")] = Path("params.yaml"),
        shard: Annotated[str, typer.Option(help="i/n: compute only share i of n into the row store.")] = "0/1",
        device: Annotated[str, typer.Option(help="Compute on this device instead of runtime.devices.")] = "",
    ) -> None:
        with stopping(stage):
            loaded = params_file.load(params)
            limit_threads(loaded.runtime.num_threads)
            share = _shard(shard)
            devices = [device] if device else loaded.runtime.devices
            if share == WHOLE and len(devices) > 1 and hasattr(loaded.runtime.batch_size, stage):
                _one_process_each(devices, params=params)
            run(loaded, workspace_of(loaded), execution_of(loaded, stage=stage, device=devices[0], shard=share))

    typer.run(command)


@contextmanager
def stopping(stage: str) -> Iterator[None]:
    """The boundary of every stage script: whatever stops the stage ends in one clear line and exit status 1."""
    configure_logging()
    try:
        yield
    except (ValueError, OSError) as error:
        log.error("%s stopped: %s", stage, error)
        raise SystemExit(1) from None
    except Exception as error:
        log.exception("%s stopped where it should not", stage)
        log.error(
            "%s stopped by an unexpected %s: %s. What was computed before is kept; the traceback stands above.",
            stage, type(error).__name__, error,
        )  # fmt: skip
        raise SystemExit(1) from None


@contextmanager
def told_errors() -> Iterator[None]:
    """For commands of `tgs`: an expected error ends with its message instead of a traceback."""
    configure_logging()
    try:
        yield
    except (ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


def configure_logging() -> None:
    """One line for each message on stderr; libraries are quiet, and show progress in a terminal only."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("tgs_pipeline").setLevel(logging.INFO)
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def limit_threads(num_threads: int) -> None:
    """CPU threads of the libraries that this process loads from now on; call it before torch is imported.

    They sleep while they wait: spinning threads starve each other where other programs keep the cores busy.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(num_threads))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def workspace_of(params: Params, *, artifacts: Path = Path("artifacts")) -> Workspace:
    """The folders of a run in the current directory."""
    return Workspace(artifacts=artifacts, dataset=Path(params.dataset.root))


def execution_of(params: Params, *, stage: str, device: str | None = None, shard: Shard = WHOLE) -> Execution:
    """How `stage` runs, from the section `runtime`."""
    runtime = params.runtime
    return Execution(
        cache=cache_folder(runtime.cache),
        batch_size=getattr(runtime.batch_size, stage, 1),
        num_loaders=runtime.num_loaders,
        flush_rows=runtime.flush_rows,
        flush_sec=runtime.flush_sec,
        max_failure_rate=runtime.max_failure_rate,
        device=device or runtime.devices[0],
        shard=shard,
    )


def _shard(text: str) -> Shard:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise ValueError(f"--shard {text!r}: expected i/n with 0 <= i < n, for example 0/4")
    return Shard(int(index), int(count))


def _one_process_each(devices: list[str], *, params: Path) -> None:
    """Compute the shares of this stage side by side; StageError where one of them fails."""
    command = [sys.executable, sys.argv[0], "--params", str(params)]
    children = [
        subprocess.Popen([*command, "--shard", f"{index}/{len(devices)}", "--device", device])
        for index, device in enumerate(devices)
    ]
    failed = [device for child, device in zip(children, devices, strict=True) if child.wait() != 0]
    if failed:
        raise StageError(f"the processes on {failed} failed; their messages stand above, their rows are kept")
