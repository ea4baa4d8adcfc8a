"""The audio encoder: BEATs from the published checkpoint or from our safetensors file.

    published   .pt            {"cfg": sizes and switches, "model": tensors, "label_dict": class number -> AudioSet id}
    ours        .safetensors   the same tensors; metadata "beats": JSON {"cfg": the same, "labels": in order of number}

Only fine-tuned models are accepted: a model that is only pre-trained has no classifier, hence no sound tags.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tgs_pipeline.models.beats import BEATs, BeatsConfig
from tgs_pipeline.weights import assign, load_state, mismatches, refuse, shapes_of

# Switches of `cfg` that models/beats.py does not offer, because every published checkpoint sets them so.
SWITCHES: Mapping[str, str | bool] = {
    "activation_fn": "gelu",
    "conv_bias": False,
    "deep_norm": True,
    "gru_rel_pos": True,
    "layer_norm_first": False,
    "relative_position_embedding": True,
}
ABSENT: Mapping[str, str | bool] = {"activation_fn": "gelu"}  # what an absent switch means; the others mean False


class BeatsEncoder:
    """Features and sound tags of log-mel spectrograms (data/fbank.py)."""

    def __init__(self, path: Path, *, device: str, dtype: str) -> None:
        self.model, self.labels = read(path)
        assign(self.model, self.model.state_dict(), device=device, dtype=getattr(torch, dtype))
        self.device, self.dtype = device, getattr(torch, dtype)

    @torch.inference_mode()
    def encode(self, fbanks: np.ndarray) -> np.ndarray:
        """Features float32 (segments, patches, dim) of float32 (segments, frames, 128), as one batch."""
        return self.model(self._tensor(fbanks)).float().cpu().numpy()

    @torch.inference_mode()
    def classify(self, fbank: np.ndarray) -> np.ndarray:
        """Probability float32 (classes,), in the order of `labels`, of each sound in a spectrogram (frames, 128)."""
        return self.model.classify(self._tensor(fbank[None]))[0].float().cpu().numpy()

    def _tensor(self, fbanks: np.ndarray) -> Tensor:
        return torch.tensor(fbanks).to(device=self.device, dtype=self.dtype)


def read(path: Path) -> tuple[BEATs, list[str]]:
    """The model of a checkpoint, for evaluation, mapped and in the stored dtype, and the labels of its classes.

    ValueError names the file and the keys that are missing, unknown or of the wrong shape, or the setting that this
    implementation does not know.
    """
    state, cfg, labels = _parts(path)
    config = _config(cfg, path=path)
    if set(labels) != set(range(config.predictor_class)):
        raise ValueError(
            f"{path}: expected labels for the classes 0..{config.predictor_class - 1}, found {len(labels)}"
        )
    with torch.device("meta"):
        model = BEATs(config)
    problems = mismatches(state, shapes_of(model.state_dict()))
    refuse(problems, what=f"{path}: its tensors are not those of the BEATs that its cfg describes")
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False), [labels[index] for index in range(config.predictor_class)]


def write(path: Path, model: BEATs, *, config: BeatsConfig, labels: list[str]) -> None:
    """Save a model in our format; every key has its own tensor, as in the published files."""
    cfg = {**asdict(config), **SWITCHES, "finetuned_model": True}
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    # One entry of metadata: safetensors writes several in random order, and equal models must have equal bytes.
    save_file(state, path, metadata={"beats": json.dumps({"cfg": cfg, "labels": labels})})


def convert(source: Path, target: Path) -> None:
    """Write a published checkpoint as a safetensors file of ours; ValueError as `read`."""
    model, labels = read(source)
    _, cfg, _ = _parts(source)
    write(target, model, config=_config(cfg, path=source), labels=labels)


def _parts(path: Path) -> tuple[dict[str, Tensor], dict, dict[int, str]]:
    """Tensors, cfg and labels of either kind of file."""
    state: dict = load_state(path)
    if path.suffix != ".safetensors":
        missing = [name for name in ("cfg", "model", "label_dict") if not isinstance(state.get(name), dict)]
        if missing == ["label_dict"]:
            raise ValueError(
                f"{path}: a pre-trained BEATs without sound classes; get a fine-tuned one (..._finetuned_...)"
            )
        if missing:
            raise ValueError(f"{path}: not a BEATs checkpoint: expected {missing[0]!r}, found {sorted(state)[:5]}")
        return state["model"], state["cfg"], state["label_dict"]
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    try:
        beats = json.loads(metadata["beats"])
        return state, beats["cfg"], dict(enumerate(beats["labels"]))
    except (KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a BEATs file of ours: its metadata lacks cfg and labels ({error!r})") from None


def _config(cfg: dict, *, path: Path) -> BeatsConfig:
    """Sizes from `cfg`, if it describes a model that models/beats.py implements."""
    if not cfg.get("finetuned_model", False):
        raise ValueError(f"{path}: a pre-trained BEATs without classifier; get a fine-tuned one (..._finetuned_...)")
    for name, expected in SWITCHES.items():
        found = cfg.get(name, ABSENT.get(name, False))
        if found != expected:
            raise ValueError(f"{path}: cfg {name} is {found!r}; this BEATs knows only {expected!r}")
    names = [field.name for field in fields(BeatsConfig)]
    for name in names:
        if not isinstance(cfg.get(name), int):
            raise ValueError(f"{path}: cfg {name} is {cfg.get(name)!r}, expected an integer")
    return BeatsConfig(**{name: cfg[name] for name in names})
