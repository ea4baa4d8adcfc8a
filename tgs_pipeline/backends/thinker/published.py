"""The published files of a Ref-Thinker, under the names of upstream's training (UPSTREAM_FACTS 3): reading them.

    finetune_weights.bin      LoRA and both projectors; upstream publishes those of the last epoch but one
    non_lora_trainables.bin   both projectors, embed_tokens and lm_head, of the end of training
    adapter/                  adapter_config.json and adapter_model.safetensors: LoRA of the end of training, by PEFT

Names are those of ref_thinker.safetensors behind PEFT's prefix. Projectors also hold the text half of their Q-Former,
which no input reaches. Upstream loads everything with strict=False (trap T3); here a missing, unknown or ill-shaped
tensor is an error that names it.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import torch

from tgs_pipeline.backends.thinker.checkpoint import (
    EMBEDDINGS,
    LORA_TARGETS,
    PROJECTOR_PREFIXES,
    QFormerSizes,
    Sizes,
    file_keys,
    with_vocabulary,
)
from tgs_pipeline.models.qformer import Modality
from tgs_pipeline.models.ref_thinker import RefThinker
from tgs_pipeline.weights import Shapes, load_state, mismatches, refuse

FINETUNE_WEIGHTS, NON_LORA_TRAINABLES = "finetune_weights.bin", "non_lora_trainables.bin"
ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter", "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
BERT_VOCABULARY, BERT_POSITIONS = 30522, 512

log = logging.getLogger(__name__)


def dead_shapes(modality: Modality, *, sizes: QFormerSizes) -> Shapes:
    """The unused tensors of a published projector, without prefix."""
    width, ffn = sizes.hidden_dim, sizes.ffn_dim
    bert, head = f"{modality}_Qformer.bert", f"{modality}_Qformer.cls.predictions"
    shapes: Shapes = {
        f"{bert}.embeddings.word_embeddings.weight": (BERT_VOCABULARY, width),
        f"{bert}.embeddings.position_embeddings.weight": (BERT_POSITIONS, width),
        f"{head}.bias": (BERT_VOCABULARY,),
        f"{head}.transform.dense.weight": (width, width),
        f"{head}.transform.dense.bias": (width,),
    }
    norms = [f"{head}.transform.LayerNorm"]
    for layer in (f"{bert}.encoder.layer.{number}" for number in range(sizes.num_layers)):
        shapes |= {f"{layer}.intermediate.dense.weight": (ffn, width), f"{layer}.intermediate.dense.bias": (ffn,)}
        shapes |= {f"{layer}.output.dense.weight": (width, ffn), f"{layer}.output.dense.bias": (width,)}
        norms.append(f"{layer}.output.LayerNorm")
    return shapes | {f"{norm}.{part}": (width,) for norm in norms for part in ("weight", "bias")}


def shapes(model: RefThinker, *, sizes: Sizes) -> tuple[Shapes, Shapes]:
    """Names and shapes of everything in finetune_weights.bin and in non_lora_trainables.bin."""
    state = model.state_dict()
    live = {name: tuple(state[key].shape) for name, key in file_keys(model, sizes=sizes).items()}
    projectors = {name: shape for name, shape in live.items() if name.startswith(tuple(PROJECTOR_PREFIXES.values()))}
    projectors |= dead_names(sizes)
    lora = {name: shape for name, shape in live.items() if ".lora_" in name}
    embeddings = {name: live[name] for name in EMBEDDINGS}
    first, second = ({PREFIX + name: shape for name, shape in each.items()} for each in (lora, embeddings))
    prefixed = {PREFIX + name: shape for name, shape in projectors.items()}
    return first | prefixed, prefixed | second


def is_here(folder: Path) -> bool:
    """Whether a folder holds any of the published files."""
    return any((folder / name).exists() for name in (FINETUNE_WEIGHTS, NON_LORA_TRAINABLES, ADAPTER))


def read_folder(folder: Path, model: RefThinker, *, sizes: Sizes) -> dict[str, torch.Tensor]:
    """The tensors of the published files of a folder, by the keys of the model, in upstream's order.

    ValueError names the file and the keys that do not fit, or the file that is missing or one too many.
    """
    adapter, trained = folder / ADAPTER, folder / FINETUNE_WEIGHTS
    if adapter.exists() == trained.exists():
        which = "both" if adapter.exists() else "neither"
        raise ValueError(
            f"{folder}: holds {which} of {FINETUNE_WEIGHTS} (LoRA as published) and {ADAPTER}/ (LoRA in PEFT's "
            f"format), expected one of them beside {NON_LORA_TRAINABLES}"
        )
    if trained.exists():
        return read_pair(model, sizes=sizes, finetune_weights=trained, non_lora_trainables=folder / NON_LORA_TRAINABLES)
    lora = read_adapter(adapter, model, sizes=sizes)
    _, expected = shapes(model, sizes=sizes)
    rest = read(folder / NON_LORA_TRAINABLES, expected=expected, sizes=sizes)
    return _by_model_keys(lora | rest, model, sizes=sizes)


def read_pair(
    model: RefThinker, *, sizes: Sizes, finetune_weights: Path, non_lora_trainables: Path
) -> dict[str, torch.Tensor]:
    """The tensors of both files by the keys of the model; the second overwrites the projectors of the first.

    So the published model is LoRA of epoch 5 with everything else of epoch 6 (UPSTREAM_FACTS 3).
    """
    files = zip((finetune_weights, non_lora_trainables), shapes(model, sizes=sizes), strict=True)
    first, second = (read(path, expected=expected, sizes=sizes) for path, expected in files)
    return _by_model_keys(first | second, model, sizes=sizes)


def load(model: RefThinker, *, sizes: Sizes, finetune_weights: Path, non_lora_trainables: Path) -> None:
    """Load both files into a model (`read_pair`); ValueError before anything is loaded."""
    state = read_pair(model, sizes=sizes, finetune_weights=finetune_weights, non_lora_trainables=non_lora_trainables)
    model.load_state_dict(state, strict=False)


def read(path: Path, *, expected: Mapping[str, tuple[int, ...]], sizes: Sizes) -> dict[str, torch.Tensor]:
    """The used tensors of a file, all of its names and shapes checked; the text half may be absent."""
    state = load_state(path)
    dead = {PREFIX + name for name in dead_names(sizes)}
    used = {name: shape for name, shape in expected.items() if name not in dead}
    problems = with_vocabulary(mismatches(state, used, dead=(dead & expected.keys()) | _buffers()))
    refuse(problems, what=f"{path} does not fit the model")
    if unused := sorted(state.keys() - used.keys()):
        log.info("%s: %d tensors that nothing reads are left out, %s to %s", path, len(unused), unused[0], unused[-1])
    return {name: state[name] for name in used}


def read_adapter(folder: Path, model: RefThinker, *, sizes: Sizes) -> dict[str, torch.Tensor]:
    """LoRA from a folder that PEFT's `save_pretrained` wrote, under the names of finetune_weights.bin.

    PEFT leaves the name of the adapter out of its keys, and stores resized embeddings too, which are not used here.
    """
    _check_adapter_config(folder / ADAPTER_CONFIG, sizes=sizes)
    expected, _ = shapes(model, sizes=sizes)
    lora = {name: shape for name, shape in expected.items() if ".lora_" in name}
    short = {name.replace(".default.", "."): name for name in lora}
    state = load_state(folder / ADAPTER_WEIGHTS)
    dead = {PREFIX + name for name in EMBEDDINGS}
    problems = mismatches(state, {name: lora[full] for name, full in short.items()}, dead=dead)
    refuse(problems, what=f"{folder / ADAPTER_WEIGHTS} does not fit the model")
    return {full: state[name] for name, full in short.items()}


def _check_adapter_config(path: Path, *, sizes: Sizes) -> None:
    """ValueError where an adapter_config.json is missing or describes other LoRA layers than ref_thinker.json."""
    try:
        found = json.loads(path.read_bytes())
        targets = sorted(found["target_modules"])
        settings = {"r": found["r"], "lora_alpha": found["lora_alpha"], "bias": found.get("bias", "none")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not the configuration of a LoRA adapter ({error})") from None
    expected = {"r": sizes.lora.rank, "lora_alpha": sizes.lora.alpha, "bias": "none"}
    settings["target_modules"], expected["target_modules"] = targets, sorted(LORA_TARGETS)
    for name, value in expected.items():
        if settings[name] != value:
            raise ValueError(f"{path}: {name} is {settings[name]!r}, but ref_thinker.json says {value!r}")


def _by_model_keys(state: Mapping[str, torch.Tensor], model: RefThinker, *, sizes: Sizes) -> dict[str, torch.Tensor]:
    keys = file_keys(model, sizes=sizes)
    return {keys[name.removeprefix(PREFIX)]: tensor for name, tensor in state.items()}


def dead_names(sizes: Sizes) -> Shapes:
    """Names and shapes of the unused tensors of both projectors, without PEFT's prefix."""
    return {
        prefix + name: shape
        for modality, prefix in PROJECTOR_PREFIXES.items()
        for name, shape in dead_shapes(modality, sizes=sizes.qformer).items()
    }


def _buffers() -> set[str]:
    """What a state dict of upstream's module has beyond its parameters; the published files should lack them."""
    names = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "bert.embeddings.position_ids")
    return {
        f"{PREFIX}{prefix}{modality}_Qformer.{name}"
        for modality, prefix in PROJECTOR_PREFIXES.items()
        for name in names
    }
