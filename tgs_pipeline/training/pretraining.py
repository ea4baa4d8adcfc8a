"""What the stages that make tiny models from random weights share: their checkpoints, plan, curves and figures."""

import csv
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.rows import JSON, Recipe
from tgs_pipeline.tinyworld.pretraining.loop import Plan
from tgs_pipeline.training.params import Pretraining
from tgs_pipeline.training.workspace import TrainingWorkspace

_NO_MATRIX = re.compile(r"grep|bbox_embed|sampling_offsets|attention_weights")  # gates, and what starts at zero


def plan_of(settings: Pretraining, *, save_every_steps: int) -> Plan:
    """The settings of a params file as the loop takes them."""
    return Plan(
        num_steps=settings.num_steps,
        warmup_steps=settings.warmup_steps,
        matrix_rate=settings.matrix_rate,
        other_rate=settings.other_rate,
        decay_power=settings.decay_power,
        bfloat16=settings.bfloat16,
        log_every_steps=settings.log_every_steps,
        save_every_steps=save_every_steps,
    )


def checkpoints_of(
    workspace: TrainingWorkspace, stage: str, *, version: int, decides: Mapping[str, JSON], weights: str = ""
) -> Path:
    """Folder of the unfinished run of a stage with these very settings. weights: digest of what it starts from."""
    key = Recipe(stage=stage, version=version, params=dict(decides), weights=weights).key()
    return workspace.checkpoints(stage) / key


def is_layer_matrix(module: nn.Module) -> Callable[[str], bool]:
    """Whether a parameter is a matrix of a transformer layer; embeddings, heads, norms and tables of biases are not."""
    matrices = {
        f"{name}.weight"
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and (".layers." in name or ".layer." in name) and not _NO_MATRIX.search(name)
    }
    return matrices.__contains__


def write_figures(out: Path, *, curve: list[dict[str, float]], module: nn.Module, num_steps: int) -> None:
    """Write loss.csv and, last, metrics.json of a finished run into the folder of its weights."""
    with (out / "loss.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(curve[0]) if curve else ["step", "loss"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(curve)
    num_trained = sum(parameter.numel() for parameter in module.parameters())
    metrics: dict[str, object] = {"num_steps": num_steps, "num_trained": num_trained}
    metrics |= {"first": curve[0], "last": curve[-1]} if curve else {}
    write_text(out / "metrics.json", json.dumps(metrics, indent=2) + "\n")
