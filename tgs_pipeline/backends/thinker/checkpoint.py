"""The folder that a Ref-Thinker is kept in, and building the model that training starts from (loading.py: for use).

    llama/                   Hugging Face folder of the base language model: config.json, safetensors, tokenizer files
    ref_thinker.safetensors  what fine-tuning changed: projectors, LoRA, and all of embed_tokens and lm_head, under the
                             names of the published checkpoints without PEFT's prefix (UPSTREAM_FACTS 3)
                             (or, in its place, the published files themselves: published.py)
    ref_thinker.json         sizes of the Q-Formers, widths of the encoders, LoRA settings (`Sizes`)

The tokenizer may lack the special tokens, as the original does: they are added. Loading accounts for every key, where
upstream loads with strict=False and a wrong prefix loads nothing (trap T3).
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError

from tgs_pipeline.models.qformer import MediaProjector, Modality, dead_keys, live_keys
from tgs_pipeline.models.ref_thinker import RefThinker
from tgs_pipeline.prompts.ref_thinker import AUDIO, IMAGE, SPECIAL_TOKENS, VIDEO
from tgs_pipeline.weights import cast_parameters, load_state, mismatches, refuse

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
EMBEDDINGS = ("model.embed_tokens.weight", "lm_head.weight")
PROJECTOR_PREFIXES: Mapping[Modality, str] = {"visual": "model.vl_projector.", "audio": "model.al_projector."}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class QFormerSizes(_Section):
    """Sizes of both Q-Formers."""

    num_queries: PositiveInt
    hidden_dim: PositiveInt
    num_layers: PositiveInt
    num_heads: PositiveInt
    ffn_dim: PositiveInt
    num_moments: NonNegativeInt = 0  # ours alone: as many frames or seconds carry their place (models/qformer.py)


class Lora(_Section):
    """Low-rank adaptation of the seven linear layers of each LLaMA layer (LORA_TARGETS)."""

    rank: PositiveInt
    alpha: PositiveInt
    dropout: float


class Sizes(_Section):
    """What ref_thinker.json holds."""

    visual_dim: PositiveInt
    audio_dim: PositiveInt
    qformer: QFormerSizes
    lora: Lora


def build(llm: "LlamaForCausalLM", *, tokenizer: "PreTrainedTokenizerBase", sizes: Sizes) -> RefThinker:
    """A Ref-Thinker around a base language model: special tokens, LoRA layers and untrained projectors are added.

    Changes `llm` and `tokenizer` in place. ValueError where the special tokens cannot have the ids they need.
    """
    from peft import LoraConfig, inject_adapter_in_model
    from transformers import GenerationConfig

    _add_special_tokens(tokenizer)
    if llm.get_input_embeddings().num_embeddings != len(tokenizer):
        llm.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    llm.generation_config = GenerationConfig()  # sampling settings of the base model would only cause warnings
    lora = LoraConfig(
        r=sizes.lora.rank,
        lora_alpha=sizes.lora.alpha,
        lora_dropout=sizes.lora.dropout,
        target_modules=list(LORA_TARGETS),
        bias="none",
        task_type="CAUSAL_LM",
    )
    ids = tokenizer.get_vocab()
    pad_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    inject_adapter_in_model(lora, llm)
    return RefThinker(
        llm,
        visual_projector=make_projector("visual", sizes=sizes, llm_dim=llm.config.hidden_size),
        audio_projector=make_projector("audio", sizes=sizes, llm_dim=llm.config.hidden_size),
        image_id=ids[IMAGE],
        video_id=ids[VIDEO],
        audio_id=ids[AUDIO],
        pad_id=pad_id,
        eos_id=tokenizer.eos_token_id,
    )


def make_projector(modality: Modality, *, sizes: Sizes, llm_dim: int) -> MediaProjector:
    """An untrained projector of a modality; llm_dim: width of the language model."""
    encoder_dim = sizes.visual_dim if modality == "visual" else sizes.audio_dim
    return MediaProjector(encoder_dim=encoder_dim, llm_dim=llm_dim, **sizes.qformer.model_dump())


def load_base(llama: Path, *, sizes: Sizes, dtype: torch.dtype) -> tuple[RefThinker, "PreTrainedTokenizerBase"]:
    """A Ref-Thinker before any training: the base language model, and untrained parts from torch's random state."""
    from transformers import AutoTokenizer

    llm = _load_llm(llama, dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(llama, local_files_only=True)
    model = build(llm, tokenizer=tokenizer, sizes=sizes)
    cast_parameters(model, dtype)
    return model, tokenizer


def load_tuned(model: RefThinker, path: Path, *, sizes: Sizes) -> None:
    """Load a ref_thinker.safetensors into a model; ValueError names the keys that do not fit."""
    model.load_state_dict(match(load_state(path), model, sizes=sizes, path=path), strict=False)


def save(folder: Path, *, model: RefThinker, sizes: Sizes, dtype: torch.dtype) -> None:
    """Write ref_thinker.safetensors and ref_thinker.json; llama/ is the base model and does not change."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = model.state_dict()
    tensors = {name: state[key].to("cpu", dtype).contiguous() for name, key in file_keys(model, sizes=sizes).items()}
    save_file(tensors, folder / "ref_thinker.safetensors")
    (folder / "ref_thinker.json").write_text(json.dumps(sizes.model_dump(), indent=2) + "\n", encoding="utf-8")


def file_keys(model: RefThinker, *, sizes: Sizes) -> dict[str, str]:
    """Keys of ref_thinker.safetensors -> keys of the model."""
    keys: dict[str, str] = {}
    for modality, prefix in PROJECTOR_PREFIXES.items():
        qformer = sizes.qformer
        live = live_keys(modality, num_layers=qformer.num_layers, has_moments=qformer.num_moments > 0)
        keys |= {prefix + name: f"{modality}_projector.{key}" for name, key in live.items()}
    llm = [key.removeprefix("llm.") for key in model.state_dict() if key.startswith("llm.")]
    return keys | {key: f"llm.{key}" for key in llm if ".lora_" in key or key in EMBEDDINGS}


def read_sizes(path: Path) -> Sizes:
    """Read ref_thinker.json; ValueError where it is missing or not what `Sizes` says."""
    if not path.is_file():
        raise ValueError(
            f"{path} is missing: think.weights must be a folder with this file, llama/ and ref_thinker.safetensors"
        )
    try:
        return Sizes.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise ValueError(f"{path}: {problems}") from None


def _add_special_tokens(tokenizer: "PreTrainedTokenizerBase") -> None:
    """Add what is missing of SPECIAL_TOKENS and check that they end the vocabulary, in their order."""
    tokenizer.add_tokens(list(SPECIAL_TOKENS), special_tokens=True)
    ids = tokenizer.get_vocab()
    first = len(tokenizer) - len(SPECIAL_TOKENS)
    for expected, token in enumerate(SPECIAL_TOKENS, first):
        if ids[token] != expected:
            raise ValueError(
                f"{tokenizer.name_or_path}: the tokenizer gives {token} the id {ids[token]}, expected {expected}: "
                "the special tokens must end the vocabulary in the order of tgs_pipeline/prompts/ref_thinker.py; "
                "use the tokenizer of the base model as published"
            )


def read_llama_config(folder: Path) -> "LlamaConfig":
    """The configuration of the base language model; ValueError where it is missing or of another kind of model."""
    from transformers import LlamaConfig

    config = folder / "config.json"
    if not config.is_file():
        raise ValueError(f"{config} is missing: think.weights must hold the base language model in llama/")
    kind = json.loads(config.read_bytes()).get("model_type")
    if kind != "llama":
        raise ValueError(f"{config}: model_type is {kind!r}, expected 'llama'")
    return LlamaConfig.from_pretrained(folder, local_files_only=True)


def _load_llm(folder: Path, *, dtype: torch.dtype) -> "LlamaForCausalLM":
    """The base language model, whole: transformers alone would fill missing weights at random."""
    from transformers import LlamaForCausalLM

    read_llama_config(folder)
    try:
        loaded = LlamaForCausalLM.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{folder}: the language model cannot be loaded: {error}") from None
    llm, info = cast("tuple[LlamaForCausalLM, dict[str, set[str]]]", loaded)
    wrong = {name: sorted(map(str, info[name])) for name in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(wrong.values()):
        raise ValueError(f"{folder}: the weights do not fit config.json: {wrong}; fetch or write the folder again")
    return llm


def match(state: Mapping[str, torch.Tensor], model: RefThinker, *, sizes: Sizes, path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a ref_thinker.safetensors under the keys of the model; ValueError where they do not fit."""
    names = file_keys(model, sizes=sizes)
    dead = {
        prefix + key
        for modality, prefix in PROJECTOR_PREFIXES.items()
        for key in dead_keys(modality, num_layers=sizes.qformer.num_layers)
    }
    target = model.state_dict()
    expected = {name: tuple(target[key].shape) for name, key in names.items()}
    problems = with_vocabulary(mismatches(state, expected, dead=dead))
    refuse(problems, what=f"{path} does not fit llama/ and ref_thinker.json")
    return {key: state[name] for name, key in names.items()}


def with_vocabulary(problems: list[str]) -> list[str]:
    """Problems of `weights.mismatches`, with where the expected number of rows of the embeddings comes from."""
    shaped = re.compile(rf"({'|'.join(map(re.escape, EMBEDDINGS))}) has shape .*\]$")
    return [f"{one}, the number of tokens of llama/" if shaped.search(one) else one for one in problems]
