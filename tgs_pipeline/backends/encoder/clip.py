"""The visual encoder: the vision tower of CLIP from a Hugging Face folder (Radford et al., arXiv:2103.00020).

The folder holds config.json, model.safetensors or pytorch_model.bin or shards (whole CLIP or the tower alone) and
preprocessor_config.json (without it CLIP's own mean and deviation are used). Nothing is fetched.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tgs_pipeline.weights import assign, load_folder_state, mismatches, refuse, shapes_of, without_memory

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import CLIPVisionConfig, CLIPVisionModel

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
DEFAULT_SIZE_PX = 224
PREFIX = "vision_model."  # of the vision tower's tensors in a file of the whole CLIP


class ClipEncoder:
    """Patch features of frames: one hidden state of the tower without the class token, before any final LayerNorm."""

    def __init__(self, folder: Path, *, layer: int, device: str, dtype: str) -> None:
        """layer: index into hidden_states, 0 = embeddings, negative from the end; ValueError where there is none."""
        import torch
        from transformers import CLIPVisionConfig

        self.side_px = input_size_px(folder)
        mean, std = _normalisation(folder)
        config = CLIPVisionConfig.from_pretrained(folder, local_files_only=True)
        num_states = config.num_hidden_layers + 1
        if not -num_states <= layer < num_states:
            raise ValueError(
                f"features.visual.layer is {layer}, but {folder} has hidden states {-num_states}..{num_states - 1}"
            )
        self.layer, self.device, self.dtype = layer, device, getattr(torch, dtype)
        model, state = fit(config, folder=folder)
        assign(model, state, device=device, dtype=self.dtype)
        self.model: nn.Module = model.eval()
        self.mean = torch.tensor(mean, device=device).view(3, 1, 1)
        self.std = torch.tensor(std, device=device).view(3, 1, 1)

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Features float32 (frames, patches, dim) of RGB uint8 (frames, S, S, 3) made by `resize`, as one batch."""
        import torch

        if frames.shape[1:] != (self.side_px, self.side_px, 3):
            raise ValueError(f"frames have shape {frames.shape}, expected (frames, {self.side_px}, {self.side_px}, 3)")
        with torch.inference_mode():
            pixels = torch.tensor(frames).to(self.device).permute(0, 3, 1, 2).float() / 255
            pixels = ((pixels - self.mean) / self.std).to(self.dtype)
            states = self.model(pixels, output_hidden_states=True).hidden_states
            return states[self.layer][:, 1:].float().cpu().numpy()


def resize(image: np.ndarray, *, side_px: int) -> np.ndarray:
    """A frame uint8 (H, W, 3) squeezed to (side_px, side_px, 3) by PIL's bicubic filter, distorted as upstream."""
    return np.asarray(Image.fromarray(image).resize((side_px, side_px), Image.Resampling.BICUBIC))


def input_size_px(folder: Path) -> int:
    """Side of the square images that the tower takes, from its config.json."""
    config = _read_json(folder / "config.json")
    return config.get("vision_config", config).get("image_size", DEFAULT_SIZE_PX)


def fit(config: "CLIPVisionConfig", *, folder: Path) -> "tuple[CLIPVisionModel, dict[str, torch.Tensor]]":
    """The tower without memory, and the mapped tensors of the folder by its names.

    ValueError names the tensors that are missing, unknown or of another shape.
    """
    from transformers import CLIPVisionModel

    with without_memory():
        model = CLIPVisionModel(config)
    state = _vision_state(folder)
    inside = PREFIX if any(name.startswith(PREFIX) for name in state) else ""  # transformers has had both names
    own = {inside + name.removeprefix(PREFIX): name for name in model.state_dict()}
    shapes = shapes_of(model.state_dict())
    problems = mismatches(state, {name: shapes[key] for name, key in own.items()})
    refuse(problems, what=f"{folder}: its tensors are not those of the CLIP that its config.json describes")
    return model, {key: state[name] for name, key in own.items()}


def _normalisation(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, of values 0..1."""
    path = folder / "preprocessor_config.json"
    settings = _read_json(path) if path.is_file() else {}
    return tuple(settings.get("image_mean", MEAN)), tuple(settings.get("image_std", STD))


def _vision_state(folder: Path) -> "dict[str, torch.Tensor]":
    """The tensors of the vision tower, by the names of a file of the tower alone."""
    state = load_folder_state(folder)
    if any(name.startswith(PREFIX) for name in state):
        state = {name: tensor for name, tensor in state.items() if name.startswith(PREFIX)}
    # A constant that older files store; it is no parameter.
    return {name: tensor for name, tensor in state.items() if not name.endswith("embeddings.position_ids")}


def _read_json(path: Path) -> dict:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(
            f"{path} is missing: expected a Hugging Face folder of CLIP; see README for the weights"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON file ({error})") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected a JSON object, found {type(data).__name__}")
    return data
