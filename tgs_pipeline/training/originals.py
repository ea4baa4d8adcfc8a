"""The files that upstream's training writes, under their names (UPSTREAM_FACTS 3).

    finetune_weights.bin      LoRA and both projectors; upstream publishes those of the last epoch but one
    non_lora_trainables.bin   both projectors, embed_tokens and lm_head, of the end of training
    {audio,visual}_pretrain.bin   one projector, after phase 1

Names are those of ref_thinker.safetensors behind PEFT's prefix. Projectors also hold the text half of their Q-Former,
which no input reaches: upstream stores it as BERT initialises it, and so does `save`. Upstream loads everything with
strict=False (trap T3); here a missing, unknown or ill-shaped tensor is an error that names it.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from tgs_pipeline.backends.thinker.checkpoint import (
    EMBEDDINGS,
    PROJECTOR_PREFIXES,
    QFormerSizes,
    Sizes,
    file_keys,
)
from tgs_pipeline.models.qformer import MediaProjector, Modality, from_original, to_original
from tgs_pipeline.models.ref_thinker import RefThinker
from tgs_pipeline.weights import load_state

FINETUNE_WEIGHTS, NON_LORA_TRAINABLES = "finetune_weights.bin", "non_lora_trainables.bin"
PREFIX = "base_model.model."
BERT_VOCABULARY, BERT_POSITIONS, BERT_STD = 30522, 512, 0.02
DEAD_SEED = 0
_MAX_KEYS_SHOWN = 5

Shapes = dict[str, tuple[int, ...]]


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
    projectors |= _dead(sizes)
    lora = {name: shape for name, shape in live.items() if ".lora_" in name}
    embeddings = {name: live[name] for name in EMBEDDINGS}
    first, second = ({PREFIX + name: shape for name, shape in each.items()} for each in (lora, embeddings))
    prefixed = {PREFIX + name: shape for name, shape in projectors.items()}
    return first | prefixed, prefixed | second


def save(folder: Path, *, model: RefThinker, sizes: Sizes, dtype: torch.dtype) -> None:
    """Write both files; the same model gives the same bytes."""
    state = model.state_dict()
    tensors = {PREFIX + name: state[key] for name, key in file_keys(model, sizes=sizes).items()}
    tensors |= {PREFIX + name: tensor for name, tensor in _initialise(_dead(sizes)).items()}
    folder.mkdir(parents=True, exist_ok=True)
    names = zip((FINETUNE_WEIGHTS, NON_LORA_TRAINABLES), shapes(model, sizes=sizes), strict=True)
    for file, expected in names:
        content = {name: tensors[name].detach().to("cpu", dtype).clone() for name in expected}
        torch.save(content, folder / file)


def load(model: RefThinker, *, sizes: Sizes, finetune_weights: Path, non_lora_trainables: Path) -> None:
    """Load both files in upstream's order: the second one overwrites the projectors of the first.

    So the published model is LoRA of epoch 5 with everything else of epoch 6 (UPSTREAM_FACTS 3). Files are read as
    tensors only. ValueError names the file and the keys that do not fit, before anything is loaded.
    """
    files = zip((finetune_weights, non_lora_trainables), shapes(model, sizes=sizes), strict=True)
    states = [read(path, expected=expected, sizes=sizes) for path, expected in files]
    keys = file_keys(model, sizes=sizes)
    for state in states:
        model.load_state_dict({keys[name.removeprefix(PREFIX)]: tensor for name, tensor in state.items()}, strict=False)


def read(path: Path, *, expected: Mapping[str, tuple[int, ...]], sizes: Sizes) -> dict[str, torch.Tensor]:
    """The used tensors of a file, all of its names and shapes checked; the text half may be absent."""
    state = load_state(path)
    dead = {PREFIX + name for name in _dead(sizes)}
    problems = [f"missing key {name}" for name in sorted(expected.keys() - state.keys() - dead)]
    problems += [f"unexpected key {name}" for name in sorted(state.keys() - expected.keys() - _buffers())]
    for name in sorted(expected.keys() & state.keys() - dead):
        if tuple(state[name].shape) != expected[name]:
            problems.append(f"{name} has shape {list(state[name].shape)}, expected {list(expected[name])}")
    if problems:
        left = len(problems) - _MAX_KEYS_SHOWN
        raise ValueError(
            f"{path} does not fit the model: {'; '.join(problems[:_MAX_KEYS_SHOWN])}"
            + (f"; and {left} more" if left > 0 else "")
        )
    return {name: state[name] for name in expected.keys() - dead}


def save_projector(path: Path, projector: MediaProjector, *, modality: Modality, sizes: Sizes) -> None:
    """Write one projector as safetensors under the published names, without the text half."""
    from safetensors.torch import save_file

    original = to_original(projector.state_dict(), modality=modality, num_layers=sizes.qformer.num_layers)
    prefix = PROJECTOR_PREFIXES[modality]
    save_file({prefix + name: tensor.cpu().contiguous() for name, tensor in original.items()}, path)


def load_projector(path: Path, projector: MediaProjector, *, modality: Modality, sizes: Sizes) -> None:
    """Load a projector of ours or a published {audio,visual}_pretrain.bin.

    lm_head and embed_tokens in it are ignored: the vocabulary of that training was another one (UPSTREAM_FACTS 2.4).
    """
    prefix, state = PROJECTOR_PREFIXES[modality], load_state(path)
    found = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name not in EMBEDDINGS}
    try:
        projector.load_state_dict(from_original(found, modality=modality, num_layers=sizes.qformer.num_layers))
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path} does not fit model.sizes: {error}") from None


def _dead(sizes: Sizes) -> Shapes:
    """The unused tensors of both projectors, without PEFT's prefix."""
    return {
        prefix + name: shape
        for modality, prefix in PROJECTOR_PREFIXES.items()
        for name, shape in dead_shapes(modality, sizes=sizes.qformer).items()
    }


def _initialise(dead: Shapes) -> dict[str, torch.Tensor]:
    """As BERT initialises: N(0, 0.02), biases 0, norms 1 and 0. No gradient ever changed them."""
    generator = torch.Generator().manual_seed(DEAD_SEED)
    tensors = {}
    for name, shape in sorted(dead.items()):
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        elif "LayerNorm" in name:
            tensors[name] = torch.ones(shape)
        else:
            tensors[name] = torch.randn(shape, generator=generator) * BERT_STD
    return tensors


def _buffers() -> set[str]:
    """What a state dict of upstream's module has beyond its parameters; the published files should lack them."""
    names = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "bert.embeddings.position_ids")
    return {
        f"{PREFIX}{prefix}{modality}_Qformer.{name}"
        for modality, prefix in PROJECTOR_PREFIXES.items()
        for name in names
    }
