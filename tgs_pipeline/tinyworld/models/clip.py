"""The tiny vision tower: CLIP's architecture at 0.9 M parameters, 112 px, 7 x 7 patches of 128 features."""

import copy
import json
from pathlib import Path

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from tgs_pipeline.backends.encoder.clip import MEAN, STD

SIZE_PX = 112
PATCH_PX = 16


def config() -> CLIPVisionConfig:
    """Sizes of the tiny tower."""
    return CLIPVisionConfig(
        image_size=SIZE_PX,
        patch_size=PATCH_PX,
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        projection_dim=128,
    )


def build(*, seed: int) -> CLIPVisionModel:
    """An untrained tower, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CLIPVisionModel(config())


def save(folder: Path, model: CLIPVisionModel) -> None:
    """Write a tower (float16) as the Hugging Face folder that backends/encoder/clip.py reads."""
    copy.deepcopy(model).half().save_pretrained(folder)
    settings = {"image_mean": MEAN, "image_std": STD, "size": {"shortest_edge": SIZE_PX}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def write(folder: Path, *, seed: int) -> None:
    """Write an untrained tower."""
    save(folder, build(seed=seed))
