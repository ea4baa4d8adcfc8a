"""Grounding-DINO by the original package (groundingdino-py), which reads the published checkpoints.

The weights folder holds
    one checkpoint     groundingdino_swint_ogc.pth, groundingdino_swinb_cogcoor.pth, or any .pth or .safetensors;
    bert-base-uncased/ config.json and tokenizer files of the text encoder (its weights are in the checkpoint);
    config.json        for any other checkpoint than those two: the fields in which it differs from the package's
                       GroundingDINO_SwinT_OGC, and `swin`: {embed_dim, depths, num_heads, window_size}.

The package predates transformers 5, mixes the captions of a batch, and embeds positions for a width of 256 whatever
`hidden_dim` says; all three are put right here, around the built model.
"""

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
from torch import nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerBase

from tgs_pipeline.backends.detector.base import Candidates, detect_batch, load_tokenizer
from tgs_pipeline.backends.detector.conversion import UNUSED_BY_ORIGINAL
from tgs_pipeline.weights import assign, load_state, mismatches, refuse, shapes_of, without_memory

CONFIGS = {
    "groundingdino_swint_ogc": "GroundingDINO_SwinT_OGC",
    "groundingdino_swinb_cogcoor": "GroundingDINO_SwinB_cfg",
}
TEXT_FOLDER = "bert-base-uncased"
FILE_ONLY = {"label_enc.weight", "bert.embeddings.position_ids"}  # in published files, not in the package's model
NO_CHECKPOINTING = {"use_checkpoint": False, "use_transformer_ckpt": False}  # saves memory in training only


class GroundingDinoDetector:
    """A Detector (base.py). ValueError where the folder is incomplete or the checkpoint does not fit its config."""

    def __init__(self, weights: Path, *, shortest_edge_px: int, longest_edge_px: int, device: str, dtype: str) -> None:
        if dtype != "float32":
            raise ValueError(f"detect.dtype is {dtype}, but groundingdino-py runs in float32 only; use transformers")
        self._size = {"shortest_edge_px": shortest_edge_px, "longest_edge_px": longest_edge_px}
        self._device = torch.device(device)
        model, state, self._tokenizer, self._width = fit(weights)
        assign(model, state, device=device, dtype=torch.float32)
        self._model = model.eval()

    def detect(self, images: Sequence[np.ndarray], captions: Sequence[str], *, floor: float) -> list[Candidates]:
        """See base.Detector."""
        return detect_batch(
            images, captions, forward=self._forward, tokenizer=self._tokenizer, floor=floor, **self._size
        )

    @torch.inference_mode()
    def _forward(self, pixels: torch.Tensor, captions: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        with _no_deprecation_warnings(), _embedding_positions(self._width):
            found = self._model(pixels.to(self._device), captions=captions)
        return found["pred_logits"].cpu(), found["pred_boxes"].cpu()


def fit(weights: Path) -> tuple[nn.Module, dict[str, torch.Tensor], PreTrainedTokenizerBase, int]:
    """The model of a folder without memory, its mapped tensors, its tokenizer and its width (hidden_dim).

    ValueError names the tensors that are missing, unknown or of another shape.
    """
    checkpoint = _checkpoint(weights)
    tokenizer = load_tokenizer(weights / TEXT_FOLDER)
    config = _config(checkpoint)
    with without_memory():
        model = _build(config, text_folder=weights / TEXT_FOLDER, tokenizer=tokenizer)
    return model, _state(model, checkpoint), tokenizer, config.hidden_dim


def _checkpoint(weights: Path) -> Path:
    """The only checkpoint of the folder."""
    found = sorted(path for path in weights.glob("*") if path.suffix in (".pth", ".safetensors"))
    if len(found) != 1 or not (weights / TEXT_FOLDER / "config.json").is_file():
        raise ValueError(
            f"{weights}: expected one .pth or .safetensors file beside a folder {TEXT_FOLDER}/ with config.json and "
            f"the tokenizer, found {[path.name for path in found]}; see README for the originals"
        )
    return found[0]


def _config(checkpoint: Path) -> SimpleNamespace:
    """The package's configuration for a checkpoint, with the changes of config.json beside it."""
    changes_path = checkpoint.with_name("config.json")
    if not changes_path.is_file() and checkpoint.stem not in CONFIGS:
        raise ValueError(f"{checkpoint}: not one of {sorted(CONFIGS)}, so it needs a config.json beside it")
    module = import_module(f"groundingdino.config.{CONFIGS.get(checkpoint.stem, 'GroundingDINO_SwinT_OGC')}")
    config = {name: value for name, value in vars(module).items() if not name.startswith("_")} | {"swin": {}}
    changes = json.loads(changes_path.read_text(encoding="utf-8")) if changes_path.is_file() else {}
    if unknown := sorted(changes.keys() - config.keys()):
        raise ValueError(f"{changes_path}: unknown field {unknown[0]!r}; expected some of {sorted(config)}")
    config |= changes | NO_CHECKPOINTING
    return SimpleNamespace(**config)


def _build(config: SimpleNamespace, *, text_folder: Path, tokenizer: PreTrainedTokenizerBase) -> nn.Module:
    """The package's model, not yet filled, with a text encoder of transformers 5, and with captions kept apart."""
    with _no_deprecation_warnings():
        network = import_module("groundingdino.models.GroundingDINO.groundingdino")
    backbone = import_module("groundingdino.models.GroundingDINO.backbone.backbone")
    text = import_module("groundingdino.util.get_tokenlizer")
    bert = BertModel(BertConfig.from_pretrained(text_folder, local_files_only=True))
    replacements: list[tuple[ModuleType, str, Callable]] = [
        (network, "BertModelWarper", _with_3d_masks),
        (text, "get_tokenlizer", lambda _: tokenizer),  # the package would ask the hub
        (text, "get_pretrained_language_model", lambda _: bert),
        (backbone, "build_swin_transformer", partial(backbone.build_swin_transformer, **config.swin)),
    ]
    with ExitStack() as stack:
        for module, name, replacement in replacements:
            stack.enter_context(_replaced(module, name, replacement))
        stack.enter_context(_no_deprecation_warnings())
        model = network.build_groundingdino(config)
    for layer in model.transformer.encoder.text_layers:
        layer.register_forward_pre_hook(_keep_captions_apart, with_kwargs=True)
    return model


@contextmanager
def _replaced(module: ModuleType, name: str, replacement: Callable) -> Iterator[None]:
    """Let `module.name` be something else for a while; the package has no other way in."""
    kept = getattr(module, name)
    setattr(module, name, replacement)
    try:
        yield
    finally:
        setattr(module, name, kept)


@contextmanager
def _embedding_positions(width: int) -> Iterator[None]:
    """Let the package embed the places of tokens in `width` numbers instead of 256, and each side of a box in half."""
    module = import_module("groundingdino.models.GroundingDINO.transformer")
    embed = module.get_sine_pos_embed
    of_boxes = partial(embed, num_pos_feats=width // 2)
    with (
        _replaced(module, "gen_sineembed_for_position", of_boxes),
        _replaced(
            module, "get_sine_pos_embed", lambda places, **fixed: embed(places, **fixed | {"num_pos_feats": width})
        ),
    ):
        yield


def _with_3d_masks(bert_model: BertModel) -> BertModel:
    """Let a BertModel of transformers 5 take the package's bool masks (B, T, T), True = attend."""

    def widen(_: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        allowed = kwargs["attention_mask"][:, None]
        mask = torch.zeros(allowed.shape, dtype=bert_model.dtype, device=allowed.device)
        return args, kwargs | {"attention_mask": mask.masked_fill(~allowed, torch.finfo(mask.dtype).min)}

    bert_model.register_forward_pre_hook(widen, with_kwargs=True)
    return bert_model


def _keep_captions_apart(layer: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Repeat the masks (B, T, T) for each head the way nn.MultiheadAttention numbers them: caption by caption.

    The layer itself would repeat them head by head, so that captions of a batch see each other's masks.
    """
    return args, kwargs | {"src_mask": kwargs["src_mask"].repeat_interleave(layer.nhead, dim=0)}


def _state(model: nn.Module, checkpoint: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by the names of the model, all checked; zeros for parameters that nothing reads."""
    content: dict = load_state(checkpoint)
    found = {name.removeprefix("module."): tensor for name, tensor in content.get("model", content).items()}
    shapes = shapes_of(model.state_dict())
    dead = FILE_ONLY | {name for name in shapes if UNUSED_BY_ORIGINAL.match(name)}
    refuse(mismatches(found, shapes, dead=dead), what=f"{checkpoint} does not fit its config")
    state = {name: tensor for name, tensor in found.items() if name not in dead}
    unread = [name for name, tensor in model.named_parameters() if name in dead and tensor.is_meta]
    return state | {name: torch.zeros(shapes[name]) for name in unread}


@contextmanager
def _no_deprecation_warnings() -> Iterator[None]:
    """Hide what the package's age makes torch and timm say on every call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)
        warnings.filterwarnings("ignore", message="\n *You'd better set", category=UserWarning)
        yield
