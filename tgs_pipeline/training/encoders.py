"""encoders: the tiny towers and the tiny language model from random weights (the tiny world's CLIP, BEATs and LLaMA).

Inputs: none; every batch is made from its number. Outputs, in training/artifacts/encoders/<name>: the weights (vision:
clip/, sound: beats.safetensors, both: projector.safetensors, language: llama/), loss.csv and metrics.json. All
categories occur here, also those that fine-tuning never sees, as the originals know the words and sights of the whole
world.
"""

import csv
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import nn

from tgs_pipeline.backends.thinker.checkpoint import Sizes
from tgs_pipeline.models.qformer import MediaProjector
from tgs_pipeline.rows import Recipe
from tgs_pipeline.tinyworld.models import beats, clip, ref_thinker
from tgs_pipeline.tinyworld.pretraining import language, slots, sound, vision
from tgs_pipeline.tinyworld.pretraining.loop import Plan, Step, train
from tgs_pipeline.tinyworld.pretraining.slots import SlotWriter
from tgs_pipeline.tinyworld.pretraining.texts import TextWriter
from tgs_pipeline.tinyworld.words import vocabulary
from tgs_pipeline.training.originals import save_projector
from tgs_pipeline.training.params import Pretraining, TrainingParams
from tgs_pipeline.training.workspace import EncoderName, TrainingWorkspace

VERSION = 1  # raise when a change of the code makes unfinished runs of before unusable

log = logging.getLogger(__name__)

# settings -> module to train, its loss on batch `number`, and what writes its weights into a folder
Job = tuple[nn.Module, Step, Callable[[Path], None]]


def run(params: TrainingParams, workspace: TrainingWorkspace, *, name: EncoderName) -> None:
    """Pretrain one model, or go on with an unfinished run of the same settings."""
    settings: Pretraining = getattr(params.encoders, name)
    decides = settings.model_dump() | ({} if name == "language" else {"sizes": params.model.sizes.model_dump()})
    key = Recipe(stage=f"encoders-{name}", version=VERSION, params=decides, weights="").key()
    checkpoints = workspace.checkpoints(f"encoders-{name}") / key
    torch.manual_seed(settings.seed)
    module, step, write = JOBS[name](settings, params.model.sizes)
    plan = Plan(
        num_steps=settings.num_steps,
        warmup_steps=settings.warmup_steps,
        matrix_rate=settings.matrix_rate,
        other_rate=settings.other_rate,
        decay_power=settings.decay_power,
        bfloat16=settings.bfloat16,
        log_every_steps=settings.log_every_steps,
        save_every_steps=params.runtime.save_every_steps,
    )
    module.train()
    curve = train(name, module, step, is_matrix=_is_layer_matrix(module), plan=plan, folder=checkpoints)
    out = workspace.encoder(name)
    out.mkdir(parents=True, exist_ok=True)
    write(out)
    _write_curve(out / "loss.csv", curve)
    metrics: dict[str, object] = {
        "num_steps": settings.num_steps,
        "num_trained": sum(p.numel() for p in module.parameters()),
    }
    metrics |= {"first": curve[0], "last": curve[-1]} if curve else {}
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(checkpoints, ignore_errors=True)


def _vision(settings: Pretraining, sizes: Sizes) -> Job:
    tower = clip.build(seed=settings.seed)
    reader = vision.PatchReader(tower.config.hidden_size)

    writer = _writer(sizes, encoder_dim=sizes.visual_dim)

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

    writer = _writer(sizes, encoder_dim=sizes.audio_dim)

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


def _writer(sizes: Sizes, *, encoder_dim: int) -> SlotWriter:
    projector = MediaProjector(encoder_dim=encoder_dim, llm_dim=ref_thinker.HIDDEN_SIZE, **sizes.qformer.model_dump())
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


def _is_layer_matrix(module: nn.Module) -> Callable[[str], bool]:
    """Whether a parameter is a matrix of a transformer layer; embeddings, heads, norms and tables of biases are not."""
    matrices = {
        f"{name}.weight"
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and (".layers." in name or ".layer." in name) and "grep" not in name
    }
    return matrices.__contains__


def _write_curve(path: Path, curve: list[dict[str, float]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(curve[0]) if curve else ["step", "loss"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(curve)
