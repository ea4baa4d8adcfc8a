"""The cases of detect.json and segment.json: a small Grounding-DINO, a small SAM 2, frames, captions and boxes."""

import re

import numpy as np
from golden.drawn import picture, weight

WORDS = ["a", "red", "blue", "guitar", "dog", "man", "on", "the", "left", "play", "##ing", "with"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *WORDS]
BERT = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
DINO = {"enc_layers": 2, "dec_layers": 2, "dim_feedforward": 64, "num_queries": 20}
SWIN = {"embed_dim": 16, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 4], "window_size": 7}
SHORTEST_EDGE_PX, LONGEST_EDGE_PX = 64, 107
OBJECTS = ["red guitar", "dog.", "the man playing"]  # the second gets a second dot from upstream
BOX_THRESHOLD = 0.3
BOX = (0.31, 0.3, 0.69, 0.7)  # relative x0 y0 x1 y1
SQUARE_PX = 224


def frame() -> np.ndarray:
    """uint8 RGB (120, 200, 3)."""
    return picture("frame", height=120, width=200)


def dino_weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of Grounding-DINO by its original name; its box heads are one and the same."""
    name = re.sub(r"^(transformer\.decoder\.)?bbox_embed\.\d+\.", "bbox_embed.0.", name)
    drawn = weight(name, shape)
    return drawn * np.float32(0.1) if name == "transformer.encoder.text_layers.1.norm2.weight" else drawn
