"""pretrain_audio, pretrain_visual: phase 1 trains the projector of one modality on captions.

Inputs: the corpus and the features of the modality, the base language model, an earlier projector, or an empty file.
Outputs: projector.safetensors (names as in the published audio_pretrain.bin and visual_pretrain.bin), loss.csv,
metrics.json. lm_head is trained along, as upstream does, and dropped: fine-tuning starts from the base model's, and the
two runs do not depend on each other.
"""

from pathlib import Path

from tgs_pipeline.models.qformer import MediaProjector, Modality
from tgs_pipeline.models.ref_thinker import RefThinker
from tgs_pipeline.training.originals import load_projector, save_projector
from tgs_pipeline.training.params import Pretrain, TrainingParams
from tgs_pipeline.training.run import Task, run_phase
from tgs_pipeline.training.workspace import PhaseName, TrainingWorkspace


def run_audio(params: TrainingParams, workspace: TrainingWorkspace) -> None:
    """Train the projector of the sound."""
    _run("audio", "pretrain_audio", params=params, workspace=workspace)


def run_visual(params: TrainingParams, workspace: TrainingWorkspace) -> None:
    """Train the projector of the frames."""
    _run("visual", "pretrain_visual", params=params, workspace=workspace)


def _run(modality: Modality, name: PhaseName, *, params: TrainingParams, workspace: TrainingWorkspace) -> None:
    phase: Pretrain = getattr(params, name)
    sizes = params.model.sizes
    earlier = Path(phase.projector)

    def start(model: RefThinker) -> None:
        if earlier.stat().st_size:
            load_projector(earlier, projector_of(model), modality=modality, sizes=sizes)

    def write(folder: Path, model: RefThinker) -> None:
        save_projector(folder / "projector.safetensors", projector_of(model), modality=modality, sizes=sizes)

    def projector_of(model: RefThinker) -> MediaProjector:
        return model.visual_projector if modality == "visual" else model.audio_projector

    task = Task(
        name=name,
        phase=phase,
        corpus=workspace.examples(modality),
        modalities=[modality],
        inputs=[earlier],
        start=start,
    )

    run_phase(task, params=params, workspace=workspace, write=write)
