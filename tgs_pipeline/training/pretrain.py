"""pretrain_audio, pretrain_visual: phase 1 trains the projector of one modality on captions.

Inputs: the corpus and the features of the modality, the base language model. Outputs: projector.safetensors (names as
in the published audio_pretrain.bin and visual_pretrain.bin), loss.csv, metrics.json. lm_head is trained along, as
upstream does, and dropped: fine-tuning starts from the base model's, and the two runs do not depend on each other.
"""

from pathlib import Path

from tgs_pipeline.models.qformer import Modality
from tgs_pipeline.models.ref_thinker import RefThinker
from tgs_pipeline.training.originals import save_projector
from tgs_pipeline.training.params import TrainingParams
from tgs_pipeline.training.run import Task, run_phase
from tgs_pipeline.training.workspace import PhaseName, TrainingWorkspace


def run_audio(params: TrainingParams, workspace: TrainingWorkspace) -> None:
    """Train the projector of the sound."""
    _run("audio", "pretrain_audio", params=params, workspace=workspace)


def run_visual(params: TrainingParams, workspace: TrainingWorkspace) -> None:
    """Train the projector of the frames."""
    _run("visual", "pretrain_visual", params=params, workspace=workspace)


def _run(modality: Modality, name: PhaseName, *, params: TrainingParams, workspace: TrainingWorkspace) -> None:
    task = Task(
        name=name,
        phase=getattr(params, name),
        corpus=workspace.examples(modality),
        modalities=[modality],
        inputs=[],
        start=lambda model: None,
    )

    def write(folder: Path, model: RefThinker) -> None:
        save_projector(folder / "projector.safetensors", model=model, modality=modality, sizes=params.model.sizes)

    run_phase(task, params=params, workspace=workspace, write=write)
