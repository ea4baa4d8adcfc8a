"""alignment: a tiny projector learns to say the words that the tiny language model reads.

Inputs: features of clips of the tiny world, a projector and the language model, both of the stage encoders. Outputs, in
training/artifacts/alignment/<modality>: projector.safetensors, loss.csv, metrics.json. As encoders does, it stands for
what real Q-Formers bring along, and exists for the tiny world alone.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from tgs_pipeline.artifacts.features_reader import FeatureReader
from tgs_pipeline.backends.thinker.checkpoint import make_projector
from tgs_pipeline.models.qformer import MediaProjector, Modality
from tgs_pipeline.tinyworld.clip import SPLITS, scenes_of
from tgs_pipeline.tinyworld.pretraining.alignment import batch_of, loss_of, take_moments
from tgs_pipeline.tinyworld.pretraining.loop import train
from tgs_pipeline.tinyworld.pretraining.slots import targets_of
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene
from tgs_pipeline.tinyworld.transcript import slots_of_frame, slots_of_second
from tgs_pipeline.training.originals import load_projector, save_projector
from tgs_pipeline.training.params import TrainingParams
from tgs_pipeline.training.pretraining import checkpoints_of, plan_of, write_figures
from tgs_pipeline.training.workspace import TrainingWorkspace
from tgs_pipeline.weights import digest, load_state

VERSION = 1  # raise when a change of the code makes unfinished runs of before unusable
_WORDS = "words.weight"  # in module.safetensors of the language model
_MATRICES = frozenset({"0.weight", "2.weight"})  # of the MLP


def run(params: TrainingParams, workspace: TrainingWorkspace, *, modality: Modality) -> None:
    """Align the projector of a modality, or go on with an unfinished run of the same settings and inputs."""
    settings, sizes = params.alignment, params.model.sizes
    start, language = Path(getattr(settings.projectors, modality)), Path(settings.language)
    words = _words(language)
    projector = make_projector(modality, sizes=sizes, llm_dim=words.shape[1]).eval()  # no dropout in the Q-Former
    load_projector(start, projector, modality=modality, sizes=sizes)
    take_moments(projector, words)
    held_NH, slots_NW = _slots(projector, modality=modality, params=params, features=Path(settings.features))
    checkpoints = checkpoints_of(
        workspace,
        f"alignment-{modality}",
        version=VERSION,
        decides=settings.model_dump(exclude={"projectors", "language", "features"}),
        weights=" ".join(map(digest, (start, language, Path(settings.features)))),
    )

    def step(number: int) -> tuple[torch.Tensor, dict[str, float]]:
        batch = batch_of(len(held_NH), seed=settings.seed, number=number, size=settings.batch_size)
        return loss_of(projector.proj, held_NH=held_NH[batch], slots_NW=slots_NW[batch], words=words)

    plan = plan_of(settings, save_every_steps=params.runtime.save_every_steps)
    name = f"alignment of {modality}"
    curve = train(name, projector.proj, step, is_matrix=_MATRICES.__contains__, plan=plan, folder=checkpoints)
    out = workspace.alignment(modality)
    out.mkdir(parents=True, exist_ok=True)
    save_projector(out / "projector.safetensors", projector, modality=modality, sizes=sizes)
    write_figures(out, curve=curve, module=projector.proj, num_steps=settings.num_steps)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _words(language: Path) -> torch.Tensor:
    state = load_state(language)
    if _WORDS not in state:
        raise ValueError(f"{language} holds no {_WORDS}: expected module.safetensors of the stage encoders@language")
    return state[_WORDS].float()


def _slots(
    projector: MediaProjector, *, modality: Modality, params: TrainingParams, features: Path
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the queries hold of all clips (N, H) and the words of their slots (N, W)."""
    reader = FeatureReader(features)
    held, slots = [], []
    for vid, scene in _scenes(params):
        if vid not in reader:  # a clip without a reference has no features
            continue
        found = reader.get(vid).visual if modality == "visual" else reader.get(vid).audio
        if found is None:
            continue
        with torch.no_grad():
            held.append(projector.condense(torch.from_numpy(found.astype(np.float32))).flatten(0, 1))
        slots_of = slots_of_frame if modality == "visual" else slots_of_second
        slots += [targets_of(slots_of(scene, moment)) for moment in range(NUM_FRAMES)]
    if not held:
        raise ValueError(f"{features} holds no {modality} features of clips of dataset.splits {params.dataset.splits}")
    return torch.cat(held), torch.from_numpy(np.concatenate(slots))


def _scenes(params: TrainingParams) -> Iterator[tuple[str, Scene]]:
    world = params.dataset.tinyworld
    if world is None:
        raise ValueError("alignment is of the tiny world alone, but dataset.tinyworld is null")
    for split in (name for name in SPLITS if name in params.dataset.splits):
        for index in range(world.num_clips.model_dump()[split]):
            yield from scenes_of(world.seed, split, index).items()
