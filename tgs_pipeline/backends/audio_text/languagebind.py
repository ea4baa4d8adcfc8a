"""LanguageBind's audio-text model (Zhu et al., arXiv:2310.01852; PKU-YuanGroup/LanguageBind, MIT) on CLIP's classes.

The published folder LanguageBind_Audio_FT holds config.json, pytorch_model.bin (or model.safetensors) and the files of
CLIP's tokenizer. Its network is CLIP's, with tensors of the same names, but its pictures are log-mel spectrograms of
num_mel_bins x target_length (112 x 1036), so positions are not those of a square. Only models whose encoder was tuned
whole (FT) are read; those with LoRA (LanguageBind_Audio) have other tensors.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tgs_pipeline.backends.audio_text.base import SAMPLE_RATE_HZ
from tgs_pipeline.data.fbank import unscaled_log_mel
from tgs_pipeline.weights import assign, load_folder_state, mismatches, refuse, shapes_of, without_memory

if TYPE_CHECKING:
    import torch
    from transformers import CLIPModel

_LAYERS = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
_OTHERS = ("hidden_act", "layer_norm_eps")
_OF_TEXT = (*_LAYERS, *_OTHERS, "vocab_size", "max_position_embeddings")
_OF_SOUND = (*_LAYERS, *_OTHERS, "num_channels", "patch_size")
_NUMBERS = {*_LAYERS, "vocab_size", "max_position_embeddings", "num_channels", "patch_size"}
# Constants that older files store; they are no parameters.
_DEAD = {"text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"}


@dataclass(frozen=True)
class Spectrogram:
    """How the model takes sound: log-mels, less `mean` and divided by two `std`."""

    num_mel_bins: int
    num_frames: int
    mean: float
    std: float

    def of(self, waveform: np.ndarray) -> np.ndarray:
        """float32 (bins, frames) of mono sound at 16 kHz, float32 (num_samples,), its mean taken off first.

        ValueError where there is not one whole frame of 25 ms.
        """
        mel = unscaled_log_mel(waveform - waveform.mean(), num_mel_bins=self.num_mel_bins)
        return (mel.T - self.mean) / (2 * self.std)

    def pieces(self, waveform: np.ndarray) -> np.ndarray:
        """The picture of a sound: float32 (3, bins, num_frames), three channels that are the same for up to 10 s.

        A short sound is repeated to the full length. A long one gives each channel a piece that begins in another
        third of the possible starts: upstream draws it, here it is the first one.
        """
        mel = self.of(waveform)
        spare = mel.shape[1] - self.num_frames
        if spare <= 0:
            repeated = np.tile(mel, (1, -(-self.num_frames // mel.shape[1])))[:, : self.num_frames]
            return np.stack([repeated] * 3)
        thirds = np.array_split(np.arange(spare + 1), 3)
        starts = [int(third[0]) if len(third) else 0 for third in thirds]
        return np.stack([mel[:, start : start + self.num_frames] for start in starts])


class LanguageBindAudio:
    """Similarity of texts and sounds (base.AudioText), in float32; each sound and text alone."""

    def __init__(self, folder: Path, *, device: str) -> None:
        """ValueError names what is missing, unknown or of another shape in the folder's files."""
        import torch
        from transformers import CLIPTokenizer

        self.tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        model, state, self.spectrogram = fit(folder)
        model.text_model.eos_token_id = self.tokenizer.eos_token_id  # where the text's embedding is taken from
        embeddings = model.text_model.embeddings
        self.max_tokens, num_tokens = (
            table.num_embeddings for table in (embeddings.position_embedding, embeddings.token_embedding)
        )
        if len(self.tokenizer) > num_tokens:
            raise ValueError(
                f"{folder}: its tokenizer has {len(self.tokenizer)} tokens, its model {num_tokens}: the files are of "
                "different models"
            )
        assign(model, state, device=device, dtype=torch.float32)
        self.model, self.device = model.eval(), device

    def similarity(self, texts: Sequence[str], sounds: Sequence[np.ndarray]) -> np.ndarray:
        """See base.AudioText."""
        pictures = [self.spectrogram.pieces(sound) for sound in sounds]
        return self._embed_texts(texts) @ np.stack([self._embed_picture(picture) for picture in pictures], axis=1)

    def text_similarity(self, text: str, others: Sequence[str]) -> np.ndarray:
        """See base.AudioText."""
        return self._embed_texts(others) @ self._embed_texts([text])[0]

    def _embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """float32 (texts, dim) of length 1. What exceeds the model's tokens is cut, as upstream."""
        import torch

        embedded = []
        with torch.inference_mode():
            for text in texts:
                ids = self.tokenizer(text, truncation=True, max_length=self.max_tokens, return_tensors="pt")
                states = self.model.text_model(input_ids=ids["input_ids"].to(self.device))
                embedded.append(self.model.text_projection(states.pooler_output)[0])
            return torch.nn.functional.normalize(torch.stack(embedded), dim=-1).cpu().numpy()

    def _embed_picture(self, picture: np.ndarray) -> np.ndarray:
        """float32 (dim,) of length 1 of a picture of `Spectrogram.pieces`."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(picture[None]).to(self.device)
            states = self.model.vision_model(pixels)
            embedded = self.model.visual_projection(states.pooler_output)[0]
            return torch.nn.functional.normalize(embedded, dim=-1).cpu().numpy()


def fit(folder: Path) -> "tuple[CLIPModel, dict[str, torch.Tensor], Spectrogram]":
    """The model without memory, the mapped tensors of the folder by its names, and how it takes sound.

    ValueError names the setting that cannot be, or the tensors that are missing, unknown or of another shape.
    """
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    from tgs_pipeline.models.mel_embeddings import MelEmbeddings

    path = folder / "config.json"
    content = _read_config(path)
    sound, text = _section(content, "vision_config", path=path), _section(content, "text_config", path=path)
    spectrogram = _spectrogram(sound, path=path)
    text_config = CLIPTextConfig(**_known(text, _OF_TEXT, path=path))
    sound_config = CLIPVisionConfig(**_known(sound, _OF_SOUND, path=path))
    projection_dim = _number(content, "projection_dim", path=path)
    config = CLIPConfig(text_config=text_config, vision_config=sound_config, projection_dim=projection_dim)
    patch = _number(sound, "patch_size", path=path)
    with without_memory():
        model = CLIPModel(config)
        model.vision_model.embeddings = MelEmbeddings(
            width=sound_config.hidden_size,
            num_channels=sound_config.num_channels,
            patch_px=patch,
            grid=(spectrogram.num_mel_bins // patch, spectrogram.num_frames // patch),
        )
    state = {name: tensor for name, tensor in load_folder_state(folder).items() if name not in _DEAD}
    problems = mismatches(state, shapes_of(model.state_dict()))
    refuse(problems, what=f"{folder}: its tensors are not those of the LanguageBind that its config.json describes")
    return model, state, spectrogram


def _spectrogram(sound: Mapping[str, object], *, path: Path) -> Spectrogram:
    if sound.get("lora_r", 2) != 0 or sound.get("add_time_attn", False):  # 2: what an absent lora_r means upstream
        raise ValueError(
            f"{path}: vision_config has lora_r {sound.get('lora_r')!r} and add_time_attn "
            f"{sound.get('add_time_attn', False)!r}, expected 0 and false: get LanguageBind_Audio_FT"
        )
    if sound.get("audio_sample_rate") != SAMPLE_RATE_HZ:
        raise ValueError(
            f"{path}: vision_config.audio_sample_rate is {sound.get('audio_sample_rate')!r}, expected {SAMPLE_RATE_HZ}"
        )
    mean, std = sound.get("audio_mean"), sound.get("audio_std")
    if not isinstance(mean, float) or not isinstance(std, float) or not std > 0:
        raise ValueError(f"{path}: vision_config has audio_mean {mean!r} and audio_std {std!r}, expected numbers")
    bins, frames = (_number(sound, name, path=path) for name in ("num_mel_bins", "target_length"))
    return Spectrogram(bins, frames, mean, std)


def _known(section: Mapping[str, object], names: Sequence[str], *, path: Path) -> dict[str, Any]:
    """The settings of a part of the network; those that are absent have CLIP's defaults, as upstream."""
    return {
        name: _number(section, name, path=path) if name in _NUMBERS else section[name]
        for name in names
        if name in section
    }


def _number(section: Mapping[str, object], name: str, *, path: Path) -> int:
    value = section.get(name)
    if type(value) is not int or value < 1:
        raise ValueError(f"{path}: {name} is {value!r}, expected a whole number above 0")
    return value


def _section(content: Mapping[str, object], name: str, *, path: Path) -> Mapping[str, object]:
    section = content.get(name)
    if not isinstance(section, dict):
        raise ValueError(f"{path}: expected a section {name}, found {section!r:.80}")
    return section


def _read_config(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}); expected the folder LanguageBind_Audio_FT"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    if not isinstance(content, dict) or content.get("model_type") != "LanguageBindAudio":
        raise ValueError(f"{path}: expected the settings of LanguageBind's audio model (model_type LanguageBindAudio)")
    return content
