"""`tgs train`: making data for Ref-Thinker, training it by hand, reading its published files, evaluating models.

The stages of training are run by `dvc repro training/dvc.yaml`. `tgs train faithfulness` belongs to the main pipeline.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tgs_pipeline import stage
from tgs_pipeline.params import Params
from tgs_pipeline.workspace import Workspace

app = typer.Typer(no_args_is_help=True, help="Training, making data for it, and measuring what was trained.")

PIPELINE = Path("training/dvc.yaml")
PARAMS = Path("training/params.yaml")
PIPELINE_PARAMS = Path("params.yaml")
TEACHER_PARAMS = Path("training/teacher.yaml")
TeacherFile = Annotated[Path, typer.Option("--params", help="Parameters of the teacher.")]


@app.command()
def run(
    until: Annotated[str, typer.Option("--until", help="Stop after this stage, for example finetune.")] = "",
) -> None:
    """Check training/params.yaml and everything it names, then run what is out of date. Go on after a kill with it."""
    from tgs_pipeline.training.check import find_problems

    with stage.told_errors():
        problems = find_problems(PARAMS)
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    raise typer.Exit(_reproduce(f"{PIPELINE}:{until}" if until else str(PIPELINE)))


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

    from tgs_pipeline.backends.thinker import published
    from tgs_pipeline.backends.thinker.checkpoint import load_base, save
    from tgs_pipeline.training.params import load

    with stage.told_errors():
        model_params = load(params).model
        dtype = getattr(torch, model_params.dtype)
        model, _ = load_base(llama, sizes=model_params.sizes, dtype=dtype)
        published.load(
            model,
            sizes=model_params.sizes,
            finetune_weights=finetune_weights,
            non_lora_trainables=non_lora_trainables,
        )
        shutil.copytree(llama, out / "llama")
        save(out, model=model, sizes=model_params.sizes, dtype=dtype)


@app.command()
def instruct(params: TeacherFile = TEACHER_PARAMS) -> None:
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
    params: TeacherFile = TEACHER_PARAMS,
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


@app.command()
def evaluate(
    params: Annotated[Path, typer.Option(help="Its sections `features` and `think` say what is evaluated.")] = Path(
        "params.yaml"
    ),
    seed: Annotated[list[int] | None, typer.Option(help="Data seed; repeat it. Default: 101, 102 and 103.")] = None,
    clips: Annotated[int, typer.Option(min=0, help="Clips of test_s, and as many of test_u, for each seed.")] = 60,
    null_clips: Annotated[int, typer.Option(min=0, help="Clips of test_n for each seed.")] = 30,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.json, the table and all answers.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask a thinker about clips of the tiny world that it was not trained on, and score answers and chains."""
    from tgs_pipeline import params as pipeline_params

    with stage.told_errors():
        loaded = pipeline_params.load(params)
        stage.limit_threads(loaded.runtime.num_threads)
        from tgs_pipeline.training.evaluation.run import evaluate_params

        evaluation = evaluate_params(
            loaded, seeds=seed or [101, 102, 103], num_clips={"test_s": clips, "test_u": clips, "test_n": null_clips}
        )
        if out is not None:
            evaluation.write(out)
    typer.echo(json.dumps(evaluation.to_json(), indent=2) if as_json else evaluation.to_markdown())


@app.command(name="evaluate-segmenter")
def evaluate_segmenter(
    weights: Annotated[Path, typer.Option(help="Weights of a SAM 2.")] = Path("weights/tiny/sam2.safetensors"),
    config: Annotated[Path, typer.Option(help="Its configuration.")] = Path("weights/tiny/sam2.yaml"),
    seed: Annotated[list[int] | None, typer.Option(help="Data seed; repeat it. Default: 101, 102 and 103.")] = None,
    clips: Annotated[int, typer.Option(min=1, help="Clips for each seed.")] = 20,
    num_threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for segmenter.json and the table.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Let a SAM 2 mask objects of the tiny world from boxes, on single frames and through clips, and score it."""
    with stage.told_errors():
        stage.limit_threads(num_threads)
        from tgs_pipeline.training.evaluation.segmenter import evaluate_weights

        evaluation = evaluate_weights(config, weights, seeds=seed or [101, 102, 103], num_clips=clips)
        if out is not None:
            evaluation.write(out)
    typer.echo(json.dumps(evaluation.to_json(), indent=2) if as_json else evaluation.to_markdown())


@app.command(name="evaluate-detector")
def evaluate_detector(
    params: Annotated[
        Path, typer.Option(help="Its sections `detect` and `ground` say what is evaluated, at which threshold.")
    ] = PIPELINE_PARAMS,
    weights: Annotated[Path | None, typer.Option(help="Weights to evaluate instead of detect.weights.")] = None,
    backend: Annotated[str, typer.Option(help="Backend to use instead of detect.backend.")] = "",
    seed: Annotated[list[int] | None, typer.Option(help="Data seed; repeat it. Default: 101, 102 and 103.")] = None,
    clips: Annotated[int, typer.Option(help="Clips of val, test_s and test_u each, for each seed.")] = 40,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.json, the table and all answers.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask a detector for objects of clips that it was not trained on: boxes, names, present against absent."""
    from tgs_pipeline import params as pipeline_params

    with stage.told_errors():
        loaded = pipeline_params.load(params)
        detect = loaded.detect.model_dump()
        detect |= ({"weights": str(weights)} if weights else {}) | ({"backend": backend} if backend else {})
        loaded = pipeline_params.Params.model_validate(loaded.model_dump() | {"detect": detect})
        stage.limit_threads(loaded.runtime.num_threads)
        from tgs_pipeline.training.evaluation.detector.run import evaluate_params

        evaluation = evaluate_params(loaded, seeds=seed or [101, 102, 103], num_clips=clips)
        if out is not None:
            evaluation.write(out)
    typer.echo(json.dumps(evaluation.to_json(), indent=2) if as_json else evaluation.to_markdown())


@app.command()
def faithfulness(
    params: Annotated[
        Path, typer.Option("--params", help="A complete params file; others than params.yaml need --out.")
    ] = PIPELINE_PARAMS,
    out: Annotated[
        Path | None, typer.Option(help="Measure without DVC and write all artifacts below this folder.")
    ] = None,
) -> None:
    """Measure whether answers follow chains, sound and frames when these are interfered with, and print the rates.

    Without --out this is `dvc repro faithfulness`. With it, any other thinker can be measured on the same dataset:
    rows that were computed before are found in the cache, and the artifacts of the pipeline are left alone.
    """
    from tgs_pipeline import params as pipeline_params
    from tgs_pipeline.report.faithfulness import as_text, read_faithfulness

    with stage.told_errors():
        loaded = pipeline_params.load(params)
        if out is not None:
            workspace = stage.workspace_of(loaded, artifacts=out)
            _measure_faithfulness(loaded, workspace)
        elif params == PIPELINE_PARAMS:
            workspace = stage.workspace_of(loaded)
            if status := _reproduce("faithfulness"):
                raise typer.Exit(status)
        else:
            raise ValueError(f"--params {params}: DVC reads {PIPELINE_PARAMS} alone; name a folder with --out")
        typer.echo(as_text(read_faithfulness(workspace.faithfulness_metrics)))


def _reproduce(target: str) -> int:
    """`dvc repro` of a target, whose `python` is the one of this process; the exit status."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "dvc", "repro", target]
    return subprocess.run(command, env=os.environ | {"PATH": path}, check=False).returncode


def _measure_faithfulness(params: Params, workspace: Workspace) -> None:
    """Run all stages that faithfulness needs, in this process."""
    stage.limit_threads(params.runtime.num_threads)
    from tgs_pipeline.operators import faithfulness, features, manifest, think

    stages = {"manifest": manifest, "features": features, "think": think, "faithfulness": faithfulness}
    for name, operator in stages.items():
        operator.run(params, workspace, stage.execution_of(params, stage=name))


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
