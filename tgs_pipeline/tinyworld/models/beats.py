"""The tiny sound encoder: BEATs at 0.85 M parameters, with the sounding categories of the tiny world as classes."""

import copy
from pathlib import Path

import torch

from tgs_pipeline.backends.encoder import beats
from tgs_pipeline.models.beats import BEATs, BeatsConfig
from tgs_pipeline.tinyworld.categories import SOUNDING

LABELS = list(SOUNDING)


def config() -> BeatsConfig:
    """Sizes of the tiny encoder; the patches and the position buckets are those of the original."""
    return BeatsConfig(
        input_patch_size=16,
        embed_dim=64,
        encoder_layers=4,
        encoder_embed_dim=128,
        encoder_ffn_embed_dim=512,
        encoder_attention_heads=4,
        conv_pos=32,
        conv_pos_groups=16,
        num_buckets=320,
        max_distance=800,
        predictor_class=len(LABELS),
    )


def build(*, seed: int) -> BEATs:
    """An untrained encoder, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BEATs(config())


def save(path: Path, model: BEATs) -> None:
    """Write an encoder (float16) in the format that backends/encoder/beats.py reads."""
    beats.write(path, copy.deepcopy(model).half(), config=config(), labels=LABELS)


def write(path: Path, *, seed: int) -> None:
    """Write an untrained encoder."""
    save(path, build(seed=seed))
