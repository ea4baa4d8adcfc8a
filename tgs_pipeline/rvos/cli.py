"""`tgs export` and `tgs benchmark`: masks in the forms of Ref-YouTube-VOS, Ref-DAVIS17 and MeViS."""

from pathlib import Path
from typing import Annotated

import typer

from tgs_pipeline import params as params_file
from tgs_pipeline import stage, telling

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
    heading = f"{result.benchmark}, split {split}, {len(result.items)} expressions or objects"
    telling.tell(result, heading=heading, as_json=as_json)
