"""The case of think.json: a small LLaMA, both projectors, and three samples of different lengths.

Two clips of two frames; the prompts differ in length, so that two of three are padded.
"""

import numpy as np
from golden.drawn import numbers

BASE_VOCABULARY = 60  # the 21 special tokens follow it
LLAMA = {
    "vocab_size": BASE_VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
}
BERT = {"hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 48, "vocab_size": 30}
ENCODER_DIM = {"visual": 16, "audio": 12}
NUM_PATCHES = {"visual": 4, "audio": 3}
NUM_FRAMES, NUM_QUERIES = 2, 3
NUM_NEW_TOKENS = 12
NUM_WORDS = (5, 16, 9)
VIDEO, AUDIO = BASE_VOCABULARY + 3, BASE_VOCABULARY + 6
END = 2  # also the padding


def token_ids() -> list[list[int]]:
    """Three prompts: words (3..59) around one video and one audio token."""
    prompts = []
    for sample, num_words in enumerate(NUM_WORDS):
        words = (
            3 + np.abs(numbers(f"words {sample}", (num_words,)) * 1000).astype(int) % (BASE_VOCABULARY - 3)
        ).tolist()
        prompts.append([1, *words[:2], VIDEO, words[2], AUDIO, *words[3:]])
    return prompts


def features(modality: str) -> list[np.ndarray]:
    """What the encoder says of each sample: float32 (frames, patches, width)."""
    shape = (NUM_FRAMES, NUM_PATCHES[modality], ENCODER_DIM[modality])
    return [numbers(f"{modality} {sample}", shape) for sample in range(len(NUM_WORDS))]
