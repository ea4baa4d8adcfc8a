"""encoders: the tiny towers and the tiny language model from random weights (the tiny world's CLIP, BEATs and LLaMA).

Inputs: an earlier run, or an empty file; every batch is made from its number. Outputs, in
training/artifacts/encoders/<name>: the weights (vision: clip/, sound: beats.safetensors, both: projector.safetensors,
language: llama/), module.safetensors (all that was trained, float16, for a run that goes on from it), loss.csv and
metrics.json. All categories occur here, also those that fine-tuning never sees, as the originals know the words and
sights of the whole world.
"""

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors.torch import save_file
from torch import nn

from tgs_pipeline.backends.thinker.checkpoint import Sizes, make_projector
from tgs_pipeline.models.qformer import Modality
from tgs_pipeline.tinyworld.models import beats, clip, ref_thinker
from tgs_pipeline.tinyworld.pretraining import language, slots, sound, vision
from tgs_pipeline.tinyworld.pretraining.loop import Step, train
from tgs_pipeline.tinyworld.pretraining.slots import SlotWriter
from tgs_pipeline.tinyworld.pretraining.texts import TextWriter
from tgs_pipeline.tinyworld.words import vocabulary
from tgs_pipeline.training.originals import save_projector
from tgs_pipeline.training.params import Encoder, Pretraining, TrainingParams
from tgs_pipeline.training.pretraining import checkpoints_of, is_layer_matrix, plan_of, write_figures
from tgs_pipeline.training.workspace import EncoderName, TrainingWorkspace
from tgs_pipeline.weights import digest, load_state

MODULE = "module.safetensors"
VERSION = 1  # raise when a change of the code makes unfinished runs of before unusable

log = logging.getLogger(__name__)

# settings -> module to train, its loss on batch `number`, and what writes its weights into a folder
Job = tuple[nn.Module, Step, Callable[[Path], None]]


def run(params: TrainingParams, workspace: TrainingWorkspace, *, name: EncoderName) -> None:
    """Pretrain one model, or go on with an unfinished run of the same settings."""
    settings: Encoder = getattr(params.encoders, name)
    start = Path(settings.start)
    decides = settings.model_dump(exclude={"start"})
    decides |= {} if name == "language" else {"sizes": params.model.sizes.model_dump()}
    checkpoints = checkpoints_of(workspace, f"encoders-{name}", version=VERSION, decides=decides, weights=digest(start))
    torch.manual_seed(settings.seed)
    module, step, write = JOBS[name](settings, params.model.sizes)
    _load(module, start, name=name)
    plan = plan_of(settings, save_every_steps=params.runtime.save_every_steps)
    module.train()
    curve = train(name, module, step, is_matrix=is_layer_matrix(module), plan=plan, folder=checkpoints)
    out = workspace.encoder(name)
    out.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.half() for key, tensor in module.state_dict().items()}, out / MODULE)
    write(out)
    write_figures(out, curve=curve, module=module, num_steps=settings.num_steps)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _load(module: nn.Module, path: Path, *, name: EncoderName) -> None:
    """Go on from an earlier run; ValueError where its file is of another model."""
    if not path.stat().st_size:
        return
    found, expected = load_state(path), module.state_dict()
    wrong = [
        key
        for key in sorted(found.keys() | expected.keys())
        if key not in found or key not in expected or found[key].shape != expected[key].shape
    ]
    if wrong:
        raise ValueError(
            f"encoders.{name}.start {path} does not fit the model: {len(wrong)} tensors are missing, unknown or of "
            f"another shape, among them {wrong[:3]}"
        )
    module.load_state_dict(found)


def _vision(settings: Pretraining, sizes: Sizes) -> Job:
    tower = clip.build(seed=settings.seed)
    reader = vision.PatchReader(tower.config.hidden_size)

    writer = _writer("visual", sizes=sizes)

    def step(number: int) -> tuple[torch.Tensor, dict[str, float]]:
        views = vision.make_batch(settings.seed, number, clips=settings.batch_size)
        features = vision.features_of(tower, views.pixels)
        loss, right = vision.loss_of(reader, features, views)
        of_slots, right["slots"] = slots.loss_of(writer(features), views.slots)
        return loss + of_slots, right

    def write(out: Path) -> None:
        clip.save(out / "clip", tower)
        save_projector(out / "projector.safetensors", writer.projector, modality="visual", sizes=sizes)

    return nn.ModuleDict({"tower": tower, "reader": reader, "writer": writer}), step, write


def _sound(settings: Pretraining, sizes: Sizes) -> Job:
    model = beats.build(seed=settings.seed)
    reader = sound.SecondReader(beats.config().encoder_embed_dim)

    writer = _writer("audio", sizes=sizes)

    def step(number: int) -> tuple[torch.Tensor, dict[str, float]]:
        batch = sound.make_batch(settings.seed, number, clips=settings.batch_size)
        features = sound.features_of(model, batch)
        loss, right = sound.loss_of(model, reader, features, batch)
        of_slots, right["slots"] = slots.loss_of(writer(features), batch.slots.reshape(-1, *batch.slots.shape[2:]))
        return loss + of_slots, right

    def write(out: Path) -> None:
        beats.save(out / "beats.safetensors", model)
        save_projector(out / "projector.safetensors", writer.projector, modality="audio", sizes=sizes)

    return nn.ModuleDict({"tower": model, "reader": reader, "writer": writer}), step, write


def _writer(modality: Modality, *, sizes: Sizes) -> SlotWriter:
    projector = make_projector(modality, sizes=sizes, llm_dim=ref_thinker.HIDDEN_SIZE)
    return SlotWriter(projector, hidden_dim=sizes.qformer.hidden_dim)


def _language(settings: Pretraining, sizes: Sizes) -> Job:
    tokenizer = ref_thinker.make_tokenizer(vocabulary())
    llm = ref_thinker.make_llm(tokenizer)
    llm.set_attn_implementation("eager")  # faster than the fused one on texts this short
    reader = language.Reader(llm)
    stream = language.TextStream(TextWriter(tokenizer), seed=settings.seed, batch_size=settings.batch_size)

    def write(out: Path) -> None:
        llm.half().save_pretrained(out / "llama")
        tokenizer.save_pretrained(out / "llama")

    return reader, lambda number: language.loss_of(reader, stream.batch(number)), write


JOBS: Mapping[EncoderName, Callable[[Pretraining, Sizes], Job]] = MappingProxyType(
    {"vision": _vision, "sound": _sound, "language": _language}
)
