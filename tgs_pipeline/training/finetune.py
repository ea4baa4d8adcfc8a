"""finetune: phase 2 trains LoRA, both projectors, embed_tokens and lm_head on references with their chains.

Inputs: the instructions, features of their clips, both pretrained projectors, the base language model.
Outputs: ref_thinker.safetensors and ref_thinker.json (backends/thinker/checkpoint.py), loss.csv, metrics.json.
"""

from pathlib import Path

import torch

from tgs_pipeline.backends.thinker.checkpoint import save
from tgs_pipeline.models.ref_thinker import RefThinker
from tgs_pipeline.training.originals import load_projector
from tgs_pipeline.training.params import TrainingParams
from tgs_pipeline.training.run import Task, run_phase
from tgs_pipeline.training.workspace import TrainingWorkspace


def run(params: TrainingParams, workspace: TrainingWorkspace) -> None:
    """Fine-tune, or go on with an unfinished run of the same settings."""
    sizes = params.model.sizes
    visual, audio = Path(params.finetune.visual_projector), Path(params.finetune.audio_projector)

    def start(model: RefThinker) -> None:
        load_projector(visual, model.visual_projector, modality="visual", sizes=sizes)
        load_projector(audio, model.audio_projector, modality="audio", sizes=sizes)

    def write(folder: Path, model: RefThinker) -> None:
        save(folder, model=model, sizes=sizes, dtype=getattr(torch, params.model.dtype))

    task = Task(
        name="finetune",
        phase=params.finetune,
        corpus=workspace.examples("instructions"),
        modalities=["visual", "audio"],
        inputs=[visual, audio],
        start=start,
    )
    run_phase(task, params=params, workspace=workspace, write=write)
