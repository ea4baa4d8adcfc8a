"""`tgs train`: making data for Ref-Thinker and looking at it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tgs_pipeline import stage

app = typer.Typer(no_args_is_help=True, help=__doc__)

ParamsFile = Annotated[Path, typer.Option("--params", help="Parameters of training.")]
PARAMS = Path("training/params.yaml")


@app.command()
def instruct(params: ParamsFile = PARAMS) -> None:
    """Let a teacher model write the reasoning chains of an instruction-tuning set."""
    from tgs_pipeline import params as pipeline_params
    from tgs_pipeline.training import instruct as work
    from tgs_pipeline.training.params_teacher import load

    with stage.told_errors():
        loaded = load(params)
        pipeline = pipeline_params.load(Path(loaded.instruct.pipeline))
        work.run(loaded.instruct, loaded.teacher, pipeline=pipeline, workspace=stage.workspace_of(pipeline))


@app.command()
def rewrite(
    accept: Annotated[
        Path | None, typer.Option(help="An edited listing: write the accepted references, ask nothing.")
    ] = None,
    params: ParamsFile = PARAMS,
) -> None:
    """Let a teacher model turn plain references into reasoning-intensive ones, for a person to accept."""
    from tgs_pipeline.training import rewrite as work
    from tgs_pipeline.training.params_teacher import load

    with stage.told_errors():
        loaded = load(params)
        if accept is None:
            work.run(loaded.rewrite, loaded.teacher)
        else:
            work.accept(loaded.rewrite, listing=accept)


@app.command()
def statistics(
    first: Annotated[Path, typer.Argument(help="A CSV of Ref-AVSBench or R2-AVSBench.")],
    second: Annotated[Path | None, typer.Argument(help="Another one, shown beside it.")] = None,
    same_uids: Annotated[bool, typer.Option(help="Only rows of the first whose uid the second has too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count words, vocabulary and named categories of references."""
    from tgs_pipeline.training.reference_statistics import measure, read_references

    with stage.told_errors():
        if same_uids and second is None:
            raise ValueError("--same-uids needs two files")
        others = [] if second is None else read_references(second)
        uids = {uid for uid, _ in others} if same_uids else None
        columns = {str(first): asdict(measure(read_references(first, uids=uids)))}
        if second is not None:
            columns[str(second)] = asdict(measure(others))
    if as_json:
        typer.echo(json.dumps(columns, indent=2))
        return
    for name in next(iter(columns.values())):
        typer.echo(f"{name:16} " + "  ".join(f"{_cell(column[name]):>10}" for column in columns.values()))


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
