"""The files that upstream's training writes (UPSTREAM_FACTS 3): writing those of phase 2, which the pipeline reads
(backends/thinker/published.py), and the projector of phase 1, {audio,visual}_pretrain.bin, both ways.

Projectors also hold the text half of their Q-Former, which no input reaches: upstream stores it as BERT initialises it,
and so does `save`.
"""

from pathlib import Path

import torch

from tgs_pipeline.backends.thinker.checkpoint import EMBEDDINGS, PROJECTOR_PREFIXES, Sizes, file_keys
from tgs_pipeline.backends.thinker.published import (
    FINETUNE_WEIGHTS,
    NON_LORA_TRAINABLES,
    PREFIX,
    dead_names,
    shapes,
)
from tgs_pipeline.models.qformer import MediaProjector, Modality, dead_keys, live_keys, to_original
from tgs_pipeline.models.ref_thinker import RefThinker
from tgs_pipeline.weights import Shapes, load_state, mismatches, refuse

BERT_STD = 0.02
DEAD_SEED = 0


def save(folder: Path, *, model: RefThinker, sizes: Sizes, dtype: torch.dtype) -> None:
    """Write both files; the same model gives the same bytes."""
    state = model.state_dict()
    tensors = {PREFIX + name: state[key] for name, key in file_keys(model, sizes=sizes).items()}
    tensors |= {PREFIX + name: tensor for name, tensor in _initialise(dead_names(sizes)).items()}
    folder.mkdir(parents=True, exist_ok=True)
    names = zip((FINETUNE_WEIGHTS, NON_LORA_TRAINABLES), shapes(model, sizes=sizes), strict=True)
    for file, expected in names:
        content = {name: tensors[name].detach().to("cpu", dtype).clone() for name in expected}
        torch.save(content, folder / file)


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
    num_layers, target = sizes.qformer.num_layers, projector.state_dict()
    live = live_keys(modality, num_layers=num_layers, has_moments=projector.moments is not None)
    dead = {prefix + name for name in dead_keys(modality, num_layers=num_layers)} | set(EMBEDDINGS)
    expected = {prefix + name: tuple(target[key].shape) for name, key in live.items()}
    refuse(mismatches(state, expected, dead=dead), what=f"{path} does not fit model.sizes")
    projector.load_state_dict({key: state[prefix + name] for name, key in live.items()})


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
