"""`tgs train`: training by hand. Stages are run by `dvc repro training/dvc.yaml`."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from tgs_pipeline import stage

app = typer.Typer(no_args_is_help=True, help="Training Ref-Thinker.")

PIPELINE = Path("training/dvc.yaml")
PARAMS = Path("training/params.yaml")


@app.command()
def run(
    until: Annotated[str, typer.Option("--until", help="Stop after this stage, for example finetune.")] = "",
) -> None:
    """Check training/params.yaml and everything it names, then run what is out of date. Go on after a kill with it."""
    from tgs_pipeline.training.check import find_problems

    stage.configure_logging()
    problems = find_problems(PARAMS)
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    target = f"{PIPELINE}:{until}" if until else str(PIPELINE)
    done = subprocess.run([sys.executable, "-m", "dvc", "repro", target], check=False)
    raise typer.Exit(done.returncode)


@app.command(name="import")
def import_original(
    llama: Annotated[Path, typer.Argument(help="Hugging Face folder of the base language model.")],
    finetune_weights: Annotated[Path, typer.Argument(help="finetune_weights.bin")],
    non_lora_trainables: Annotated[Path, typer.Argument(help="non_lora_trainables.bin")],
    out: Annotated[Path, typer.Option(help="New folder for think.weights.")],
    params: Annotated[Path, typer.Option(help="Training params whose model.sizes fit the files.")] = PARAMS,
) -> None:
    """Turn the two published files of a Ref-Thinker into a folder for think.weights."""
    import shutil

    import torch

    from tgs_pipeline.backends.thinker.checkpoint import load_base, save
    from tgs_pipeline.training import originals
    from tgs_pipeline.training.params import load

    stage.configure_logging()
    try:
        model_params = load(params).model
        dtype = getattr(torch, model_params.dtype)
        model, _ = load_base(llama, sizes=model_params.sizes, dtype=dtype)
        originals.load(
            model,
            sizes=model_params.sizes,
            finetune_weights=finetune_weights,
            non_lora_trainables=non_lora_trainables,
        )
        shutil.copytree(llama, out / "llama")
        save(out, model=model, sizes=model_params.sizes, dtype=dtype)
    except (ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
