"""Loading a Ref-Thinker for use: from files that are mapped into memory straight to the device, in one dtype.

Its folder (checkpoint.py) holds llama/, ref_thinker.json and one of

    ref_thinker.safetensors                              our own file
    finetune_weights.bin and non_lora_trainables.bin     the published files, read in upstream's order (published.py)
    adapter/ and non_lora_trainables.bin                 the same with LoRA in PEFT's own format

Every key is accounted for before anything is loaded, where upstream loads with strict=False (trap T3).
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tgs_pipeline.backends.thinker import published
from tgs_pipeline.backends.thinker.checkpoint import EMBEDDINGS, Sizes, build, match, read_llama_config, read_sizes
from tgs_pipeline.models.ref_thinker import RefThinker
from tgs_pipeline.weights import assign, load_folder_state, load_state, mismatches, refuse, shapes_of, without_memory

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OURS = "ref_thinker.safetensors"
DEAD_LLAMA = re.compile(r"rotary_emb\.inv_freq$")  # a constant that older files store
VOCABULARY_FILES = ("tokenizer.json", "tokenizer.model")


def load(folder: Path, *, dtype: torch.dtype, device: str) -> tuple[RefThinker, "PreTrainedTokenizerBase"]:
    """The model in evaluation mode, and its tokenizer. ValueError names the file and key that do not fit."""
    model, tokenizer, state = fit(folder)
    assign(model, state, device=device, dtype=dtype)
    return model.eval(), tokenizer


def fit(folder: Path) -> tuple[RefThinker, "PreTrainedTokenizerBase", dict[str, torch.Tensor]]:
    """A model without memory, its tokenizer, and the mapped tensors of all its parameters, checked.

    ValueError names the file and key that do not fit.
    """
    from transformers import LlamaForCausalLM

    sizes = read_sizes(folder / "ref_thinker.json")
    llama = folder / "llama"
    config = read_llama_config(llama)
    tokenizer = load_tokenizer(llama)
    with without_memory():
        llm = LlamaForCausalLM(config)
        expected = shapes_of(llm.state_dict())
        model = build(llm, tokenizer=tokenizer, sizes=sizes)
    base = {name: tensor for name, tensor in _base_state(llama).items() if not DEAD_LLAMA.search(name)}
    refuse(mismatches(base, expected), what=f"{llama}: the weights do not fit config.json")
    tuned = _tuned(folder, model, sizes=sizes)
    own = {key.removeprefix("llm.").replace(".base_layer.", "."): key for key in model.state_dict()}
    return model, tokenizer, {own[name]: base[name] for name in base if name not in EMBEDDINGS} | tuned


def load_tokenizer(llama: Path) -> "PreTrainedTokenizerBase":
    """The tokenizer of the base language model; ValueError where it is missing or cannot be read."""
    from transformers import AutoTokenizer

    if not any((llama / name).is_file() for name in VOCABULARY_FILES):
        raise ValueError(f"{llama}: holds neither {' nor '.join(VOCABULARY_FILES)}, the vocabulary; fetch it again")
    return AutoTokenizer.from_pretrained(llama, local_files_only=True)


def _base_state(llama: Path) -> dict[str, torch.Tensor]:
    try:
        return load_folder_state(llama)
    except ValueError as error:
        raise ValueError(f"{llama}: the language model cannot be loaded: {error}") from None


def _tuned(folder: Path, model: RefThinker, *, sizes: Sizes) -> dict[str, torch.Tensor]:
    """What fine-tuning changed, by the keys of the model, from whichever files the folder holds."""
    if not (folder / OURS).is_file() and published.is_here(folder):
        return published.read_folder(folder, model, sizes=sizes)
    return match(load_state(folder / OURS), model, sizes=sizes, path=folder / OURS)
