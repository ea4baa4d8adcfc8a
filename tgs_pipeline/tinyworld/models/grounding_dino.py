"""Tiny Grounding-DINO: sizes, vocabulary and initialisation. What `write` saves is UNTRAINED: its boxes mean nothing.

About 2.6 M parameters: Swin of width 32 and strides 8/16/32, model width 96, 2 + 3 layers, 30 queries, a 2-layer BERT
of width 64, for frames of 224 px. Nothing is dropped at random, since training (pretraining/grounding.py) sees no frame
twice.
"""

import math
import re
import string
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from transformers import BertConfig, BertTokenizer, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig
from transformers.utils import logging as transformers_logging

from tgs_pipeline.tinyworld.words import vocabulary

# Ids of bert-base-uncased, which transformers' Grounding-DINO assumes.
FIXED_IDS = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
FIRST_FREE_ID = 104

BACKBONE_WIDTHS = (64, 128, 256)  # of the feature maps with strides 8, 16 and 32
FUSION_SCALE = 0.2  # upstream's 1e-4 needs long training
# A logit is the product of two layer-normed vectors of 96 numbers: about normal(0, 9.8). This gain of one of them makes
# it normal(0, 1), and opposite biases (along the ones, which normed vectors have no part in) shift it to a prior at
# which few queries pass a threshold of 0.1: the prior that the focal loss needs at the start, of queries and proposals.
TEXT_GAIN = 0.1
PRIOR_LOGIT = -3.4


def write(folder: Path, *, seed: int) -> None:
    """Save the untrained model and its tokenizer (fp16 safetensors, layout of the Hugging Face hub)."""
    tokenizer = make_tokenizer(vocabulary())
    save(folder, make_model(vocab_size=len(tokenizer), seed=seed), tokenizer)


def save(folder: Path, model: GroundingDinoForObjectDetection, tokenizer: BertTokenizer) -> None:
    """Save a model, which becomes float16, and its tokenizer in the layout of the Hugging Face hub."""
    transformers_logging.disable_progress_bar()
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_tokenizer(words: Sequence[str]) -> BertTokenizer:
    """Lower-case word pieces: what BERT's splitting leaves of `words`, and single characters for other ASCII text."""
    letters = string.ascii_lowercase + string.digits
    whole = sorted({part for word in words for part in re.findall(r"[a-z0-9]+", word.lower())})
    pieces = [*whole, *letters, *(f"##{letter}" for letter in letters), *string.punctuation]
    ids = dict(FIXED_IDS)
    taken = set(ids.values())
    free = (number for number in range(FIRST_FREE_ID, FIRST_FREE_ID + len(pieces) + len(taken)) if number not in taken)
    for piece in dict.fromkeys(pieces):
        if piece not in ids:
            ids[piece] = next(free)
    taken = set(ids.values())
    ids |= {f"[unused{number}]": number for number in range(max(taken)) if number not in taken}
    return BertTokenizer(vocab=dict(sorted(ids.items(), key=lambda item: item[1])), do_lower_case=True)


def make_model(*, vocab_size: int, seed: int) -> GroundingDinoForObjectDetection:
    """The untrained model in float32, initialised by fan-in (std .02 is too small at this width)."""
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(  # type: ignore[call-arg]
            image_size=224,
            embed_dim=32,
            depths=[1, 1, 2, 1],
            num_heads=[1, 2, 4, 8],
            window_size=7,
            drop_path_rate=0.0,
            out_indices=[2, 3, 4],
        ),
        text_config=BertConfig(
            vocab_size=vocab_size,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=128,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        ),
        d_model=96,
        num_queries=30,
        num_feature_levels=3,
        encoder_layers=2,
        encoder_ffn_dim=256,
        encoder_attention_heads=4,
        encoder_n_points=2,
        decoder_layers=3,
        decoder_ffn_dim=256,
        decoder_attention_heads=4,
        dropout=0.0,
        fusion_droppath=0.0,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You'd better set embed_dim")  # about speed of a CUDA kernel
        torch.manual_seed(seed)
        model = GroundingDinoForObjectDetection(config)
        initialise(model)
    return model


@torch.no_grad()
def initialise(model: GroundingDinoForObjectDetection) -> None:
    """Fan-in weights where the library draws them with a fixed std; zeroed weights (box deltas, offsets) stay zero."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and module.weight.any():
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.weight[0].numel()))
    nn.init.normal_(model.model.query_position_embeddings.weight)
    # The port zeroes the last layer of every small head, also of this one: queries would not know where they are.
    of_position = model.model.decoder.reference_points_head.layers[-1]
    nn.init.normal_(of_position.weight, std=1 / math.sqrt(of_position.in_features))
    for layer in model.model.encoder.layers:
        layer.fusion_layer.vision_param.fill_(FUSION_SCALE)
        layer.fusion_layer.text_param.fill_(FUSION_SCALE)
    text_norm = model.model.encoder.layers[-1].text_enhancer_layer.layer_norm_after
    bias = math.sqrt(-PRIOR_LOGIT / len(text_norm.bias))
    text_norm.weight.fill_(TEXT_GAIN)
    text_norm.bias.fill_(-bias)
    for query_norm in (model.model.decoder.layer_norm, model.model.enc_output_norm):
        query_norm.bias.fill_(bias)
