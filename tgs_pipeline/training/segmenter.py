"""segmenter_image, segmenter_clips: the tiny SAM 2 from random weights, on the tiny world.

First boxes on single frames, then clips, for what carries an object from frame to frame: memory encoder, memory
attention, object pointers and scores. Inputs: none for frames, every batch is made from its number; for clips the
weights of the first phase. Outputs: sam2.yaml and sam2.safetensors, as the stage segment loads them (after the first
phase too, which serves single frames), loss.csv and metrics.json. All categories occur, as SAM 2 knows the sights of
the whole world.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from tgs_pipeline.backends.segmenter.sam2 import load_model
from tgs_pipeline.tinyworld.models.sam2 import initialise, save, write_config
from tgs_pipeline.tinyworld.pretraining import mask_samples, segmenter
from tgs_pipeline.tinyworld.pretraining.loop import Step, train
from tgs_pipeline.training.params import Pretraining, TrainingParams
from tgs_pipeline.training.pretraining import checkpoints_of, plan_of, write_figures
from tgs_pipeline.training.workspace import SegmenterPhase, TrainingWorkspace
from tgs_pipeline.weights import digest

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

VERSION = 1  # raise when a change of the code makes unfinished runs of before unusable

TRANSFORMERS = ("trunk.blocks.", "memory_attention.layers.", "sam_mask_decoder.transformer.")


def run_image(params: TrainingParams, workspace: TrainingWorkspace) -> None:
    """Train on single frames, or go on with an unfinished run of the same settings."""
    settings = params.segmenter_image
    model = initialise(write_config(workspace.segmenter("image")), seed=settings.seed)

    def step(number: int) -> tuple[torch.Tensor, dict[str, float]]:
        batch = mask_samples.make_frames(settings.seed, number, frames=settings.batch_size)
        return segmenter.frames_loss(model, batch)

    _run("image", model, step, settings=settings, start="", params=params, workspace=workspace)


def run_clips(params: TrainingParams, workspace: TrainingWorkspace) -> None:
    """Train on clips, or go on with an unfinished run of the same settings and first weights."""
    settings = params.segmenter_clips
    start = Path(settings.start)
    model = load_model(write_config(workspace.segmenter("clips")), start)

    def step(number: int) -> tuple[torch.Tensor, dict[str, float]]:
        batch = mask_samples.make_tracks(settings.seed, number, clips=settings.batch_size)
        return segmenter.tracks_loss(model, batch)

    _run("clips", model, step, settings=settings, start=digest(start), params=params, workspace=workspace)


def _run(
    phase: SegmenterPhase,
    model: "SAM2Base",
    step: Step,
    *,
    settings: Pretraining,
    start: str,
    params: TrainingParams,
    workspace: TrainingWorkspace,
) -> None:
    """start: digest of the weights that training begins with."""
    name = f"segmenter_{phase}"
    decides = settings.model_dump(exclude={"start"})
    checkpoints = checkpoints_of(workspace, name, version=VERSION, decides=decides, weights=start)
    torch.manual_seed(settings.seed)  # of dropout
    plan = plan_of(settings, save_every_steps=params.runtime.save_every_steps)
    model.train()
    curve = train(name, model, step, is_matrix=matrices_of(model).__contains__, plan=plan, folder=checkpoints)
    out = workspace.segmenter(phase)
    save(model, out / "sam2.safetensors")
    write_figures(out, curve=curve, module=model, num_steps=settings.num_steps)
    shutil.rmtree(checkpoints, ignore_errors=True)


def matrices_of(model: nn.Module) -> set[str]:
    """Names of the matrices of transformer layers, which Muon trains; heads, convolutions and embeddings are not."""
    return {
        f"{name}.weight"
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and any(part in name for part in TRANSFORMERS)
    }
