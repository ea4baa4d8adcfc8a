"""A small model in the format of the published LanguageBind_Audio_FT: the same files and keys, other sizes."""

import json
from pathlib import Path

import torch

BINS, FRAMES, PATCH, WIDTH, DIM, TEXT_WIDTH = 16, 40, 4, 8, 6, 12
LETTERS = "abcdefghijklmnopqrstuvwxyz,;"
VOCAB = {
    token: number
    for number, token in enumerate(
        [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "do", "dog</w>", "<|startoftext|>", "<|endoftext|>"]
    )
}


def tensors(*, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random tensors by the names of the published pytorch_model.bin, with its constants position_ids."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) / 4

    positions = (BINS // PATCH) * (FRAMES // PATCH) + 1
    state = {
        "logit_scale": torch.tensor(4.6),
        "text_model.embeddings.position_ids": torch.arange(10)[None],
        "text_model.embeddings.token_embedding.weight": draw(len(VOCAB), TEXT_WIDTH),
        "text_model.embeddings.position_embedding.weight": draw(10, TEXT_WIDTH),
        "text_model.final_layer_norm.weight": 1 + draw(TEXT_WIDTH),
        "text_model.final_layer_norm.bias": draw(TEXT_WIDTH),
        "vision_model.embeddings.class_embedding": draw(WIDTH),
        "vision_model.embeddings.patch_embedding.weight": draw(WIDTH, 3, PATCH, PATCH),
        "vision_model.embeddings.position_embedding.weight": draw(positions, WIDTH),
        "vision_model.embeddings.position_ids": torch.arange(positions)[None],
        "visual_projection.weight": draw(DIM, WIDTH),
        "text_projection.weight": draw(DIM, TEXT_WIDTH),
    }
    for norm in ("pre_layrnorm", "post_layernorm"):
        state |= {f"vision_model.{norm}.weight": 1 + draw(WIDTH), f"vision_model.{norm}.bias": draw(WIDTH)}
    for tower, width in (("text_model", TEXT_WIDTH), ("vision_model", WIDTH)):
        for layer in range(2):
            inside = f"{tower}.encoder.layers.{layer}"
            for norm in ("layer_norm1", "layer_norm2"):
                state |= {f"{inside}.{norm}.weight": 1 + draw(width), f"{inside}.{norm}.bias": draw(width)}
            for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                state |= {
                    f"{inside}.self_attn.{part}.weight": draw(width, width),
                    f"{inside}.self_attn.{part}.bias": draw(width),
                }
            state |= {f"{inside}.mlp.fc1.weight": draw(2 * width, width), f"{inside}.mlp.fc1.bias": draw(2 * width)}
            state |= {f"{inside}.mlp.fc2.weight": draw(width, 2 * width), f"{inside}.mlp.fc2.bias": draw(width)}
    return state


def config(**changes: object) -> dict:
    """config.json; changes: of its vision_config."""
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-05}
    vision = {
        "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_channels": 3, "patch_size": PATCH, "image_size": 224,
        "num_mel_bins": BINS, "target_length": FRAMES, "audio_sample_rate": 16000, "audio_mean": -4.2677393,
        "audio_std": 4.5689974, "lora_r": 0, "lora_alpha": 16, "add_time_attn": False, "num_frames": 1,
    }  # fmt: skip
    text = {
        "hidden_size": TEXT_WIDTH, "intermediate_size": 2 * TEXT_WIDTH, "vocab_size": len(VOCAB),
        "max_position_embeddings": 10, "bos_token_id": 0, "eos_token_id": 2,
    }  # fmt: skip
    return {
        "model_type": "LanguageBindAudio", "architectures": ["LanguageBindAudio"], "projection_dim": DIM,
        "logit_scale_init_value": 2.6592, "vision_config": vision | layers | changes, "text_config": text | layers,
    }  # fmt: skip


def write(folder: Path, *, state: dict[str, torch.Tensor] | None = None, **changes: object) -> Path:
    """The folder with pytorch_model.bin, as published. changes: of vision_config."""
    folder.mkdir(parents=True)
    torch.save(tensors() if state is None else state, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config(**changes)))
    (folder / "vocab.json").write_text(json.dumps(VOCAB))
    (folder / "merges.txt").write_text("#version: 0.2\nd o\ndo g</w>\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special | {"pad_token": "<|endoftext|>"}))
    (folder / "tokenizer_config.json").write_text(json.dumps(special | {"model_max_length": 77}))
    return folder
