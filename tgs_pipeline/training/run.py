"""One phase of training, from a corpus to trained parameters, a loss curve and metrics.

Outputs, in the folder of the phase: loss.csv (step, epoch, loss, learning_rate, grad_norm) and metrics.json; the
callers write the weights. Unfinished runs are kept outside the artifacts, under a key of everything that decides them.
"""

import csv
import json
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from tgs_pipeline.backends.thinker.checkpoint import load_base
from tgs_pipeline.models.qformer import Modality
from tgs_pipeline.models.ref_thinker import RefThinker
from tgs_pipeline.rows import Recipe
from tgs_pipeline.training import phases
from tgs_pipeline.training.collate import Collator
from tgs_pipeline.training.examples import Examples
from tgs_pipeline.training.params import Phase, TrainingParams
from tgs_pipeline.training.workspace import PhaseName, TrainingWorkspace
from tgs_pipeline.weights import digest

VERSION = 1  # raise when a change of the code makes unfinished runs of before unusable
CURVE_COLUMNS = ("step", "epoch", "loss", "learning_rate", "grad_norm")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What a phase trains on, and from where: `start` loads earlier results into an untrained model."""

    name: PhaseName
    phase: Phase
    corpus: Path
    modalities: Sequence[Modality]
    inputs: Sequence[Path]  # the files that `start` reads
    start: Callable[[RefThinker], None]


def run_phase(
    task: Task,
    *,
    params: TrainingParams,
    workspace: TrainingWorkspace,
    write: Callable[[Path, RefThinker], None],
) -> None:
    """Train, measure, and write the folder of the phase; `write` writes its weights.

    With several processes all of them train and the first one writes.
    """
    from tgs_pipeline.training.trainer import WEIGHTS, make_trainer, mean_loss, train

    phase, is_first = task.phase, int(os.environ.get("RANK", "0")) == 0
    folder = workspace.checkpoints(task.name) / _key(task, params=params)
    model, collator = _start(task, params=params)
    trained = phases.select(model, task.name)
    bf16 = params.model.autocast
    for parameter in trained.values():
        parameter.data = parameter.data.float()  # small steps are lost in bfloat16
    examples, held_out = (
        Examples(task.corpus, part=part, features=Path(phase.features), modalities=task.modalities)
        for part in ("train", "held_out")
    )
    before = None
    if is_first:
        _announce(task, examples=examples, model=model)
        before = mean_loss(
            model.to(params.runtime.device),
            examples=held_out,
            collator=collator,
            batch_size=phase.batch_size,
            bf16=bf16,
        )
    trainer = make_trainer(
        model,
        examples=examples,
        collator=collator,
        phase=phase,
        runtime=params.runtime,
        folder=folder,
        bf16=bf16,
    )
    curve = train(trainer, folder=folder)
    if not is_first:
        return
    final, collator = _start(task, params=params)
    final.load_state_dict(load_file(folder / "final" / WEIGHTS), strict=False)
    final.to(params.runtime.device).eval()
    after = mean_loss(final, examples=held_out, collator=collator, batch_size=phase.batch_size, bf16=bf16)
    out = workspace.phase(task.name)
    out.mkdir(parents=True, exist_ok=True)
    write(out, final)
    _write_curve(out / "loss.csv", curve)
    metrics = {
        "num_rows": len(examples),
        "num_rows_held_out": len(held_out),
        "num_steps": trainer.state.global_step,
        "num_trained": sum(parameter.numel() for parameter in trained.values()),
        "loss": {"first": curve[0]["loss"], "last": curve[-1]["loss"]},
        "held_out_loss": {"before": before, "after": after},
    }
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(folder)
    log.info(
        "%s: %d steps, loss %.3f -> %.3f, held out %s -> %s",
        task.name, trainer.state.global_step, curve[0]["loss"], curve[-1]["loss"], _show(before), _show(after),
    )  # fmt: skip


def _start(task: Task, *, params: TrainingParams) -> tuple[RefThinker, Collator]:
    """The model at the beginning of a phase: the same for the same seed."""
    torch.manual_seed(task.phase.seed)
    model, tokenizer = load_base(
        Path(params.model.llama), sizes=params.model.sizes, dtype=getattr(torch, params.model.dtype)
    )
    task.start(model)
    return model, Collator(tokenizer, model)


def _key(task: Task, *, params: TrainingParams) -> str:
    """Changes with everything that decides the result of a phase."""
    settings = {"phase": task.phase.model_dump(), "model": params.model.model_dump(exclude={"llama"})}
    recipe = Recipe(stage=task.name, version=VERSION, params=settings, weights=digest(Path(params.model.llama)))
    return recipe.key(*(digest(path) for path in (task.corpus, Path(task.phase.features), *task.inputs)))


def _announce(task: Task, *, examples: Examples, model: RefThinker) -> None:
    counts = ", ".join(f"{number:,} {group}" for group, number in phases.count(model, task.name).items())
    log.info("%s: %d rows; trains %s", task.name, len(examples), counts)
    if examples.unusable:
        log.warning("%s: %d rows left out, since their media have no features", task.name, examples.unusable)


def _write_curve(path: Path, curve: list[dict[str, float]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, CURVE_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(curve)


def _show(loss: float | None) -> str:
    return "none" if loss is None else f"{loss:.3f}"
