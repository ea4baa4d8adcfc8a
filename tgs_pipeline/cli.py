"""`tgs`: looking at a pipeline and running parts of it by hand. Stages are run by `dvc repro`."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from tgs_pipeline import params as params_file
from tgs_pipeline import stage, telling
from tgs_pipeline.artifacts import score_metrics
from tgs_pipeline.catalogue.cli import app as weights_app
from tgs_pipeline.compat.traps import Compat
from tgs_pipeline.compat.traps import summary as compat_summary
from tgs_pipeline.rvos import cli as rvos_cli
from tgs_pipeline.training.cli import app as train_app
from tgs_pipeline.workspace import cache_folder

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
cache_app = typer.Typer(no_args_is_help=True, help="The row cache, where every finished row is kept.")
app.add_typer(cache_app, name="cache")
app.add_typer(train_app, name="train")
app.add_typer(weights_app, name="weights")
app.command()(rvos_cli.export)
app.command()(rvos_cli.benchmark)

ChainStatus = Literal["ok", "malformed", "truncated", "failed"]
PROFILES = Path("profiles")
ParamsFile = Annotated[Path, typer.Option("--params", help="A complete params file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def check(params: ParamsFile = Path("params.yaml")) -> None:
    """Find everything that would stop a run, before any output is deleted."""
    from tgs_pipeline.check import find_problems

    with stage.told_errors():
        problems = find_problems(params)
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{params}: no problem found")


@app.command()
def profile(
    name: Annotated[str, typer.Argument(help="A file of profiles/, without .yaml.")],
    compat: Annotated[
        Compat | None, typer.Option(help="Set every trap (docs/parity.md) as upstream has it, or right.")
    ] = None,
    stage_names: Annotated[
        list[str] | None, typer.Option("--stage", help="Only the traps of this stage; may be given several times.")
    ] = None,
) -> None:
    """Print a complete params file; `tgs profile paper > params.yaml` makes it the current one."""
    known = sorted(path.stem for path in PROFILES.glob("*.yaml"))
    if name not in known:
        typer.echo(f"error: no profile {name!r} in {PROFILES}/; there are: {', '.join(known) or 'none here'}", err=True)
        raise typer.Exit(1)
    with stage.told_errors():
        text = (PROFILES / f"{name}.yaml").read_text(encoding="utf-8")
        if compat is not None:
            from tgs_pipeline.compat.profiles import with_compat

            text = with_compat(text, compat, stages=stage_names, where=str(PROFILES / f"{name}.yaml"))
    typer.echo(text, nl=False)


@app.command()
def chains(
    uid: Annotated[str | None, typer.Option(help="Only this reference.")] = None,
    status: Annotated[ChainStatus | None, typer.Option(help="Only this status.")] = None,
    as_json: AsJson = False,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Print reasoning chains."""
    from tgs_pipeline.artifacts import chains as artifact
    from tgs_pipeline.artifacts import table

    with stage.told_errors():
        workspace = stage.workspace_of(params_file.load(params))
        num_shown = 0
        for row in table.read_rows(workspace.chains, artifact.SCHEMA):
            if (uid is None or row["uid"] == uid) and (status is None or row["status"] == status):
                typer.echo(json.dumps(row, ensure_ascii=False) if as_json else _readable(row))
                num_shown += 1
        if uid is not None and not num_shown:
            raise ValueError(f"no chain of uid {uid!r}" + (f" with status {status!r}" if status else ""))


def _readable(row: dict) -> str:
    head = f"{row['uid']} (row {row['row']}, {row['split']}): {row['status']}"
    lines = [f"  reference  {row['reference']}", f"  think      {row['think']}", f"  f_object   {row['f_object']}",
             f"  s_object   {row['s_object']}"]  # fmt: skip
    if row["reason"]:
        lines.append(f"  reason     {row['reason']}")
    return "\n".join([head, *lines, ""])


@app.command()
def scores(as_json: AsJson = False, params: ParamsFile = Path("params.yaml")) -> None:
    """Print the score table of the last run and where its report is."""
    with stage.told_errors():
        workspace = stage.workspace_of(params_file.load(params))
        metrics = score_metrics.read(workspace.metrics)
        if as_json:
            typer.echo(json.dumps(metrics, indent=2))
            return
        typer.echo(f"protocol {metrics['protocol']}")
        typer.echo(f"compat   {compat_summary(metrics['compat'])}")
        for split, values in metrics["splits"].items():
            cells = [f"{name} {telling.number(value)}" for name, value in values.items()]
            typer.echo(f"{split:8} " + "  ".join(cells))
        typer.echo(f"report   {workspace.report / 'index.html'}")


@app.command()
def calibrate(
    out: Annotated[Path, typer.Option(help="A folder for calibration.csv and calibration.html.")],
    split: Annotated[str, typer.Option(help="A split that is not tested on.")] = "val",
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Fit the thresholds of abstention on the artifacts of the last run, and print them for params.yaml."""
    from tgs_pipeline.calibration import run as calibration

    with stage.told_errors():
        loaded = params_file.load(params)
        fits = calibration.run(loaded, stage.workspace_of(loaded), split=split, out=out)
    typer.echo(calibration.as_text(fits))
    typer.echo(f"# every threshold: {out / 'calibration.csv'}, drawn: {out / 'calibration.html'}")


@app.command()
def sweep(
    grid: Annotated[Path, typer.Argument(help="A YAML file of rows, such as those of experiments/.")],
    out: Annotated[Path, typer.Option(help="A folder for rows and tables; finished rows in it are not run again.")],
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Run the pipeline for each row of a grid, sharing all that is equal, and print one table of scores."""
    with stage.told_errors():
        stage.limit_threads(params_file.load(params).runtime.num_threads)
        from tgs_pipeline.sweep import run as sweeping

        text = sweeping.run(grid, params=params, out=out)
    typer.echo(text + f"\nwritten to {out}: table.md, table.csv, table.json, chart.html")


@app.command()
def picture(
    rows: Annotated[list[int], typer.Argument(help="Values of the column `row` of samples.")],
    out: Annotated[Path, typer.Option(help="A PNG file.")],
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Draw some samples of the last run: frames, masks, boxes, reference and chain."""
    with stage.told_errors():
        workspace = stage.workspace_of(params_file.load(params))
        from tgs_pipeline.report.picture import picture as draw

        draw(workspace, out, rows=rows)
    typer.echo(str(out))


@app.command()
def run(
    video: Annotated[Path, typer.Argument(help="A video file with sound.")],
    ref: Annotated[str, typer.Option(help="The referring expression.")],
    out: Annotated[Path, typer.Option(help="A new folder for chain, boxes, masks and overlay.")],
    start: Annotated[float, typer.Option(help="Where the clip of 10 s begins, in seconds.", min=0)] = 0.0,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Find and mask, in one video, the object that a sentence refers to (the same operators, no DVC)."""
    with stage.told_errors():
        loaded = params_file.load(params)
        stage.limit_threads(loaded.runtime.num_threads)
        from tgs_pipeline import one_video

        chain = one_video.run(loaded, video=video, reference=ref, out=out, start_sec=start)
    typer.echo(_readable(chain) + f"written to {out}: chain.json, boxes.json, masks/, overlay.png")


@app.command()
def extract(
    videos: Annotated[list[Path], typer.Argument(help="Video files.")],
    out: Annotated[Path, typer.Option(help="Dataset folder; the file name without suffix becomes the vid.")],
    start: Annotated[float, typer.Option(help="Where the clip of 10 s begins, in seconds.", min=0)] = 0.0,
) -> None:
    """Turn videos into a dataset folder for `dataset.adapter: media_folder`."""
    from tgs_pipeline.data.sample import check_name
    from tgs_pipeline.data.video import extract as extract_one

    with stage.told_errors():
        for row, video in enumerate(videos):
            vid = check_name(video.stem, path=video, row=row)
            extract_one(video, out / "media" / vid, start_sec=start)
            typer.echo(f"{video} -> {out / 'media' / vid}")


@app.command()
def metadata(
    path: Annotated[Path, typer.Argument(help="A metadata CSV of Ref-AVSBench or R2-AVSBench.")],
    as_json: AsJson = False,
) -> None:
    """Read every row of a benchmark CSV and count what is unusual in it."""
    from tgs_pipeline.data.ref_avsbench import summarise

    with stage.told_errors():
        summary = summarise(path)
    typer.echo(json.dumps(summary, indent=2) if as_json else "\n".join(f"{n:7}  {what}" for what, n in summary.items()))


@app.command()
def evaluate(
    pred: Annotated[Path, typer.Argument(help="PRED/<uid>/<00000>.png, 8-bit grey = probability * 255.")],
    gt: Annotated[Path, typer.Argument(help="GT/<uid>/<00000>.png, 8-bit, foreground where > 0.")],
    protocol: Annotated[str, typer.Option(help="tgs | refavs | avsbench | alref | davis | avss (docs/protocols.md)")],
    order: Annotated[
        Path | None, typer.Option(help="A file of uids, one a line: refavs and avsbench score batches of four.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score any system's masks by a named protocol."""
    from tgs_pipeline.evaluate import evaluate_folders
    from tgs_pipeline.evaluate_semantic import PROTOCOL, evaluate_colours
    from tgs_pipeline.mask_folders import read_order

    with stage.told_errors():
        if protocol == PROTOCOL:
            result = evaluate_colours(pred, gt)
        else:
            uids = None if order is None else read_order(order)
            result = evaluate_folders(pred, gt, protocol=protocol, order=uids)
    telling.tell(result, heading=f"protocol {protocol}, {len(result.samples)} samples", as_json=as_json)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="A folder of artifacts of one run.")],
    b: Annotated[Path, typer.Argument(help="The same of another run on the same samples.")],
    top: Annotated[int, typer.Option(help="Samples to show, those that moved most.", min=0)] = 20,
    as_json: AsJson = False,
) -> None:
    """Set the scores of two runs side by side, such as of parity and corrected, and list the samples that moved."""
    from tgs_pipeline import compare as comparing

    with stage.told_errors():
        found = comparing.compare(a, b)
    typer.echo(json.dumps(found.to_json(), indent=2) if as_json else comparing.as_text(found, a=a, b=b, num_shown=top))


@cache_app.command("stats")
def cache_stats(as_json: AsJson = False, params: ParamsFile = Path("params.yaml")) -> None:
    """Rows, failures and bytes of each stage."""
    from dataclasses import asdict

    from tgs_pipeline.cache import stats

    with stage.told_errors():
        entries = stats(cache_folder(params_file.load(params).runtime.cache))
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in entries], indent=2))
        return
    for entry in entries:
        typer.echo(
            f"{entry.stage:12} {entry.rows:8} rows  {entry.failed:6} failed  {entry.superseded:6} superseded  "
            f"{entry.damaged:3} damaged "
            f"{entry.segments:5} segments  {entry.size_bytes / 2**20:9.1f} MiB"
        )


@cache_app.command("gc")
def cache_gc(
    only_last_run: Annotated[bool, typer.Option(help="Also drop rows that the last whole run did not use.")] = False,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Drop failed, superseded and outdated rows."""
    from tgs_pipeline.cache import collect

    with stage.told_errors():
        freed = collect(cache_folder(params_file.load(params).runtime.cache), only_last_run=only_last_run)
    typer.echo(f"freed {freed / 2**20:.1f} MiB")
