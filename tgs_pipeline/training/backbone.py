"""backbone: the Swin of the tiny Grounding-DINO from random weights, until its cells tell category and colour.

Inputs: none; every batch is made from its number. Outputs, in training/artifacts/backbone: backbone.safetensors,
loss.csv and metrics.json. Without this phase a detector finds objects long before it can tell a cat from a dog.
"""

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from tgs_pipeline.tinyworld.models import grounding_dino
from tgs_pipeline.tinyworld.pretraining import cells
from tgs_pipeline.tinyworld.pretraining.loop import train
from tgs_pipeline.tinyworld.words import vocabulary
from tgs_pipeline.training.params import TrainingParams
from tgs_pipeline.training.pretraining import checkpoints_of, is_layer_matrix, plan_of, write_figures
from tgs_pipeline.training.workspace import TrainingWorkspace
from tgs_pipeline.weights import load_state

VERSION = 1  # raise when a change of the code makes unfinished runs of before unusable
FILE = "backbone.safetensors"


def run(params: TrainingParams, workspace: TrainingWorkspace) -> None:
    """Pretrain the backbone, or go on with an unfinished run of the same settings."""
    settings = params.backbone
    checkpoints = checkpoints_of(workspace, "backbone", version=VERSION, decides=settings.model_dump())
    vocab_size = len(grounding_dino.make_tokenizer(vocabulary()))
    backbone = backbone_of(grounding_dino.make_model(vocab_size=vocab_size, seed=settings.seed))
    torch.manual_seed(settings.seed)
    reader = cells.CellReader(grounding_dino.BACKBONE_WIDTHS)
    module = nn.ModuleDict({"backbone": backbone, "reader": reader})

    def step(number: int) -> tuple[torch.Tensor, dict[str, float]]:
        frames = cells.make_batch(settings.seed, number, clips=settings.batch_size)
        return cells.loss_of(reader, cells.features_of(backbone, frames.pixels), frames.cells)

    plan = plan_of(settings, save_every_steps=params.runtime.save_every_steps)
    module.train()
    curve = train("backbone", module, step, is_matrix=is_layer_matrix(module), plan=plan, folder=checkpoints)
    out = workspace.backbone
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in backbone.state_dict().items()}, out / FILE)
    write_figures(out, curve=curve, module=module, num_steps=settings.num_steps)
    shutil.rmtree(checkpoints, ignore_errors=True)


def backbone_of(model: nn.Module) -> nn.Module:
    """The part of a Grounding-DINO that is pretrained: the Swin with the norms of its feature maps."""
    return model.get_submodule("model.backbone.conv_encoder")


def load_backbone(model: nn.Module, path: Path) -> None:
    """Put a pretrained backbone into a detector; an empty file leaves it random. ValueError where it does not fit."""
    if path.is_file() and not path.stat().st_size:
        return
    try:
        backbone_of(model).load_state_dict(load_state(path))
    except RuntimeError as error:
        raise ValueError(f"detector.backbone {path} does not fit the tiny detector: {error}") from None
