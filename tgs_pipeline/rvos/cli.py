"""`tgs export` and `tgs benchmark`: masks in the forms of Ref-YouTube-VOS, Ref-DAVIS17, MeViS and AVSBench-semantic."""

from pathlib import Path
from typing import Annotated

import typer

from tgs_pipeline import params as params_file
from tgs_pipeline import stage, telling

ParamsFile = Annotated[Path, typer.Option("--params", help="A complete params file.")]


def export(
    out: Annotated[Path, typer.Argument(help="A new .zip file; a folder for Ref-DAVIS17 and AVSBench-semantic.")],
    split: Annotated[str, typer.Option(help="The split to export.")],
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write the masks of the last run in the form that the benchmark of `dataset.adapter` asks for."""
    with stage.told_errors():
        loaded = params_file.load(params)
        if loaded.dataset.adapter == "avsbench_semantic":
            stage.limit_threads(loaded.runtime.num_threads)
            from tgs_pipeline.sounding.export import run
        else:
            from tgs_pipeline.rvos.export import run
        num_images = run(loaded, stage.workspace_of(loaded), out=out, split=split)
    typer.echo(f"{num_images} images in {out}")


def benchmark(
    pred: Annotated[Path, typer.Argument(help="A tree of masks as `tgs export` writes it, unpacked.")],
    split: Annotated[str, typer.Option(help="The split that it is of.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Score any system's tree of masks as the benchmark that dataset.adapter names does."""
    with stage.told_errors():
        loaded = params_file.load(params)
        root = Path(loaded.dataset.root)
        result: telling.Result
        if loaded.dataset.adapter == "avsbench_semantic":
            from tgs_pipeline.evaluate_semantic import evaluate_split

            result = evaluate_split(loaded, root, pred=pred, split=split)
            heading = f"protocol {result.protocol}, split {split}, {len(result.samples)} samples"
        else:
            from tgs_pipeline.rvos import benchmark as scoring

            result = scoring.run(loaded, root, pred=pred, split=split)
            heading = f"{result.benchmark}, split {split}, {len(result.items)} expressions or objects"
    telling.tell(result, heading=heading, as_json=as_json)
