"""`tgs weights`: the published weights that a profile names: list, fetch, check, convert."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tgs_pipeline import params as params_file
from tgs_pipeline import stage

app = typer.Typer(no_args_is_help=True, help="The published weights that a profile names.")

DEFAULT_ROOT = Path("weights/paper")
ParamsFile = Annotated[Path, typer.Option("--params", help="A complete params file.")]
Root = Annotated[Path, typer.Option(help="Where sets that no profile names lie.")]


@app.command(name="list")
def list_sets(
    everything: Annotated[bool, typer.Option("--all", help="Also sets that the profile does not name.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    root: Root = DEFAULT_ROOT,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Show each set: where it belongs, its size and licence, where it comes from, and what is missing."""
    from tgs_pipeline.catalogue.sets import catalogue, chosen, named_by

    with stage.told_errors():
        sets = list(named_by(params_file.load(params)))
        if everything:
            named = {one.set.path for one in sets}
            sets += chosen([path for path in catalogue() if path not in named], root=root)
    if as_json:
        rows = [
            {"section": one.section, "path": str(one.root / one.set.path), "missing": list(map(str, one.missing))}
            | one.set.model_dump(exclude={"path"})
            for one in sets
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    for one in sets:
        missing = len(one.missing)
        state = "here" if not missing else f"{missing} of {len(one.set.files)} files missing"
        typer.echo(f"{one.root / one.set.path}  ({one.section or 'not in this profile'}): {state}")
        typer.echo(f"  {one.set.what}; {one.set.size_bytes / 1e9:.2f} GB")
        typer.echo(f"  licence: {one.set.licence}" + ("; GATED: accept it on the hub first" if one.set.gated else ""))
        sources = dict.fromkeys(
            file.repo or file.by_hand or (f"package {file.package}" if file.package else "written by pull")
            for file in one.set.files
        )
        typer.echo(f"  from: {'; '.join(sources)}")
    if not sets:
        typer.echo(f"{params} names no published weights: all of its own are in this repository or made by you")


@app.command()
def pull(
    names: Annotated[list[str] | None, typer.Argument(help="Sets by name; none: those of the profile.")] = None,
    root: Root = DEFAULT_ROOT,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Fetch what is missing, going on with unfinished files; checksums are compared before a file gets its name."""
    from tgs_pipeline.catalogue.pull import pull as fetch
    from tgs_pipeline.catalogue.sets import chosen, named_by

    with stage.told_errors():
        sets = chosen(names, root=root) if names else list(named_by(params_file.load(params)))
        problems = fetch(sets)
    for problem in problems:
        typer.echo(f"error: {problem}", err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"all files of {len(sets)} sets are here; `tgs weights check` looks into them")


@app.command()
def check(
    checksums: Annotated[bool, typer.Option("--checksums", help="Read every byte, too.")] = False,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Name the first thing that is wrong with each path of weights: files, sizes, names and shapes of tensors."""
    from tgs_pipeline.catalogue.check import check as look

    failed = 0
    with stage.told_errors():
        loaded = params_file.load(params)
        stage.limit_threads(loaded.runtime.num_threads)
        for one in look(loaded, checksums=checksums):
            failed += one.problem is not None
            typer.echo(f"{one.section}: {one.problem or f'{one.path} fits'}", err=one.problem is not None)
    if failed:
        raise typer.Exit(1)


@app.command()
def convert(
    out: Annotated[Path, typer.Option(help="A folder for the converted weights.")],
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Write weights that are pickles as safetensors, and print the lines of params that change."""
    from tgs_pipeline.catalogue.convert import convert as write

    with stage.told_errors():
        loaded = params_file.load(params)
        stage.limit_threads(loaded.runtime.num_threads)
        for key, path in write(loaded, out):
            typer.echo(f"{key}: {path}")
