"""`tgs export` and `tgs benchmark`: masks in the forms of Ref-YouTube-VOS, Ref-DAVIS17 and MeViS."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from tgs_pipeline import params as params_file
from tgs_pipeline import stage

ParamsFile = Annotated[Path, typer.Option("--params", help="A complete params file.")]


def export(
    out: Annotated[Path, typer.Argument(help="A new .zip file, or a folder for Ref-DAVIS17.")],
    split: Annotated[str, typer.Option(help="The split to export.")],
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write the masks of the last run in the form that the benchmark of `dataset.adapter` asks for."""
    from tgs_pipeline.rvos import export as exporting

    with stage.told_errors():
        loaded = params_file.load(params)
        num_images = exporting.run(loaded, stage.workspace_of(loaded), out=out, split=split)
    typer.echo(f"{num_images} images in {out}")


def benchmark(
    pred: Annotated[Path, typer.Argument(help="A tree of masks as `tgs export` writes it, unpacked.")],
    split: Annotated[str, typer.Option(help="The split that it is of.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Score any system's tree of masks as Ref-DAVIS17, Ref-YouTube-VOS and MeViS do (dataset.adapter says which)."""
    from tgs_pipeline.rvos import benchmark as scoring

    with stage.told_errors():
        loaded = params_file.load(params)
        result = scoring.run(loaded, Path(loaded.dataset.root), pred=pred, split=split)
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if as_json:
        json.dump(result.to_json(), sys.stdout)
        typer.echo()
        return
    typer.echo(f"{result.benchmark}, split {split}, {len(result.items)} expressions or objects")
    typer.echo("  ".join(f"{name} {value:.4f}" for name, value in result.mean.items()))
