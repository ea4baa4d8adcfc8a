"""Small Grounding-DINO models of random weights, saved for either backend."""

import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertTokenizer, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

from tgs_pipeline.backends.detector.conversion import to_original
from tgs_pipeline.backends.detector.groundingdino import GroundingDinoDetector
from tgs_pipeline.backends.detector.transformers import TransformersDetector

WORDS = ["a", "red", "blue", "guitar", "dog", "man", "on", "the", "left", "play", "##ing", "with"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *WORDS]
SIZE = {"shortest_edge_px": 64, "longest_edge_px": 107}
SWIN = {"embed_dim": 16, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 4], "window_size": 7}


class Folders(NamedTuple):
    """The same weights in the layout of each backend."""

    port: Path
    original: Path


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    made = Folders(tmp_path_factory.mktemp("port"), tmp_path_factory.mktemp("original"))
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(VOCABULARY)}, do_lower_case=True)
    text = BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    model = random_model(text)
    model.save_pretrained(made.port)
    tokenizer.save_pretrained(made.port)

    state = {
        f"module.{name}": tensor for name, tensor in to_original(load_file(made.port / "model.safetensors")).items()
    }
    state["module.label_enc.weight"] = torch.zeros(1, 1)  # the published files hold these two and no pooler is needed
    state["module.bert.embeddings.position_ids"] = torch.arange(512)[None]
    torch.save({"model": state}, made.original / "model.pth")
    fields = {"enc_layers": 2, "dec_layers": 2, "dim_feedforward": 64, "num_queries": 20, "swin": SWIN}
    (made.original / "config.json").write_text(json.dumps(fields))
    text.save_pretrained(made.original / "bert-base-uncased")
    tokenizer.save_pretrained(made.original / "bert-base-uncased")
    return made


@torch.no_grad()
def random_model(text: BertConfig) -> GroundingDinoForObjectDetection:
    """Every tensor is random, so that no part of the network can be left out unnoticed."""
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(image_size=224, out_indices=[2, 3, 4], **SWIN),
        text_config=text,
        num_queries=20, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=64, decoder_ffn_dim=64,
    )  # fmt: skip
    model = GroundingDinoForObjectDetection(config)
    generator = torch.Generator().manual_seed(3)
    for name, tensor in model.named_parameters():
        noise = torch.randn(tensor.shape, generator=generator)
        if tensor.dim() > 1:
            tensor.copy_(noise / math.sqrt(tensor[0].numel()))
        else:
            is_gain = "norm" in name and name.endswith("weight")
            tensor.copy_(0.2 * noise + is_gain)
    model.model.encoder.layers[-1].text_enhancer_layer.layer_norm_after.weight.mul_(0.1)  # or every score is near 1
    return model


@pytest.fixture(scope="session")
def port(folders: Folders) -> TransformersDetector:
    return TransformersDetector(folders.port, device="cpu", dtype="float32", **SIZE)


@pytest.fixture(scope="session")
def original(folders: Folders) -> GroundingDinoDetector:
    return GroundingDinoDetector(folders.original, device="cpu", dtype="float32", **SIZE)


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    """Blocks of colour in four frame sizes."""
    rng = np.random.default_rng(0)
    sizes = [(64, 64), (80, 136), (136, 80), (64, 200)]
    return [rng.integers(0, 255, (h // 8, w // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1) for h, w in sizes]
