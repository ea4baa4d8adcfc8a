import numpy as np
import pytest
import torch
from languagebind_example import BINS, FRAMES, PATCH, VOCAB, WIDTH, tensors, write
from safetensors.torch import save_file
from torch.nn import functional

from tgs_pipeline.backends.audio_text.languagebind import LanguageBindAudio, Spectrogram
from tgs_pipeline.data.fbank import unscaled_log_mel

TEXTS = ["dog", "a cat", "dog, a cat"]


def sounds() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0.1, 0.2, size).astype(np.float32) for size in (16_000, 5_000, 900)]


def attend(state, prefix, x_LD, *, causal):
    def linear(name, x):
        return functional.linear(x, state[f"{prefix}.{name}.weight"], state[f"{prefix}.{name}.bias"])

    heads = [linear(f"self_attn.{part}_proj", x_LD).unflatten(-1, (2, -1)).transpose(0, 1) for part in "qkv"]
    mixed = functional.scaled_dot_product_attention(*heads, is_causal=causal).transpose(0, 1).flatten(1)
    return linear("self_attn.out_proj", mixed)


def tower(state, name, x_LD, *, causal):
    """Pre-norm transformer layers, written down from the architecture, with exact GELU."""

    def norm(key, x):
        return functional.layer_norm(x, x.shape[-1:], state[f"{key}.weight"], state[f"{key}.bias"], eps=1e-5)

    for layer in range(2):
        prefix = f"{name}.encoder.layers.{layer}"
        x_LD = x_LD + attend(state, prefix, norm(f"{prefix}.layer_norm1", x_LD), causal=causal)
        hidden = norm(f"{prefix}.layer_norm2", x_LD)
        for part in ("fc1", "fc2"):
            hidden = functional.linear(hidden, state[f"{prefix}.mlp.{part}.weight"], state[f"{prefix}.mlp.{part}.bias"])
            hidden = functional.gelu(hidden) if part == "fc1" else hidden
        x_LD = x_LD + hidden
    return x_LD, norm


def expected_text(state, ids):
    embedded = state["text_model.embeddings.token_embedding.weight"][ids]
    embedded = embedded + state["text_model.embeddings.position_embedding.weight"][: len(ids)]
    states, norm = tower(state, "text_model", embedded, causal=True)
    last = norm("text_model.final_layer_norm", states)[-1]
    return functional.normalize(state["text_projection.weight"] @ last, dim=0).numpy()


def expected_sound(state, waveform):
    mel = unscaled_log_mel(waveform - waveform.mean(), num_mel_bins=BINS).T
    mel = (mel + 4.2677393) / (2 * 4.5689974)
    mel = np.concatenate([mel] * FRAMES, axis=1)[:, :FRAMES] if mel.shape[1] < FRAMES else mel
    starts = [0, *(int(part[0]) for part in np.array_split(np.arange(mel.shape[1] - FRAMES + 1), 3)[1:] if len(part))]
    starts += [0] * (3 - len(starts))
    picture = torch.from_numpy(np.stack([mel[:, start : start + FRAMES] for start in starts]))
    kernel = state["vision_model.embeddings.patch_embedding.weight"]
    patches = functional.conv2d(picture[None], kernel, stride=PATCH)[0].reshape(WIDTH, -1).T
    embedded = torch.cat([state["vision_model.embeddings.class_embedding"][None], patches])
    embedded = embedded + state["vision_model.embeddings.position_embedding.weight"]
    prefix = "vision_model.pre_layrnorm"
    embedded = functional.layer_norm(embedded, (WIDTH,), state[f"{prefix}.weight"], state[f"{prefix}.bias"], eps=1e-5)
    states, norm = tower(state, "vision_model", embedded, causal=False)
    first = norm("vision_model.post_layernorm", states[:1])[0]
    return functional.normalize(state["visual_projection.weight"] @ first, dim=0).numpy()


def test_similarities_are_those_of_the_published_architecture(tmp_path):
    model = LanguageBindAudio(write(tmp_path / "ft"), device="cpu")
    state = tensors()
    start, end = VOCAB["<|startoftext|>"], VOCAB["<|endoftext|>"]
    words = {"dog": ["dog</w>"], "a": ["a</w>"], "cat": ["c", "a", "t</w>"], ",": [",</w>"]}
    spelled = [["dog"], ["a", "cat"], ["dog", ",", "a", "cat"]]
    ids = [[start, *(VOCAB[token] for word in text for token in words[word]), end] for text in spelled]
    texts = np.stack([expected_text(state, torch.tensor(some)) for some in ids])
    heard = np.stack([expected_sound(state, waveform) for waveform in sounds()], axis=1)
    found = model.similarity(TEXTS, sounds())
    assert found.shape == (3, 3) and found.dtype == np.float32
    assert np.abs(found - texts @ heard).max() < 1e-5
    assert np.abs(model.text_similarity("dog", TEXTS) - texts @ texts[0]).max() < 1e-5
    assert np.array_equal(model.similarity(TEXTS[1:], sounds()[1:]), found[1:, 1:]), "each is embedded alone"


def test_safetensors_are_read_as_well(tmp_path):
    published = write(tmp_path / "ft")
    ours = write(tmp_path / "ours")
    (ours / "pytorch_model.bin").unlink()
    save_file({name: tensor.contiguous() for name, tensor in tensors().items()}, ours / "model.safetensors")
    first, second = (
        LanguageBindAudio(folder, device="cpu").similarity(TEXTS, sounds()) for folder in (published, ours)
    )
    assert np.array_equal(first, second)


def test_a_short_sound_is_repeated_and_a_long_one_has_three_pieces():
    spectrogram = Spectrogram(num_mel_bins=BINS, num_frames=FRAMES, mean=0.0, std=0.5)
    short, long = (spectrogram.pieces(waveform) for waveform in (sounds()[2], sounds()[0]))
    assert short.shape == long.shape == (3, BINS, FRAMES)
    assert np.array_equal(short[0, :, :4], short[0, :, 4:8]) and np.array_equal(short[0], short[2])  # 4 frames of sound
    whole = spectrogram.of(sounds()[0])
    assert whole.shape == (BINS, 98)  # 59 places where a piece can begin: 20, 20 and 19
    assert all(np.array_equal(long[part], whole[:, at : at + FRAMES]) for part, at in enumerate((0, 20, 40)))
    with pytest.raises(ValueError, match="399 samples of sound are too short"):
        spectrogram.pieces(sounds()[0][:399])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("visual_projection.weight"), "missing key visual_projection.weight"),
        (lambda state: state.update(extra=torch.zeros(1)), "unexpected key extra"),
        (
            lambda state: state.update({"vision_model.embeddings.position_embedding.weight": torch.zeros(257, WIDTH)}),
            r"position_embedding.weight has shape \[257, 8\], expected \[41, 8\]",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, change, message):
    state = tensors()
    change(state)
    with pytest.raises(ValueError, match=rf"ft: its tensors are not those of the LanguageBind .*{message}"):
        LanguageBindAudio(write(tmp_path / "ft", state=state), device="cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora_r": 2}, "get LanguageBind_Audio_FT"),
        ({"add_time_attn": True}, "get LanguageBind_Audio_FT"),
        ({"audio_sample_rate": 48000}, "audio_sample_rate is 48000, expected 16000"),
        ({"audio_std": 0.0}, "audio_std 0.0, expected numbers"),
        ({"num_mel_bins": "112"}, "num_mel_bins is '112', expected a whole number above 0"),
        ({"hidden_size": -8}, "hidden_size is -8, expected a whole number above 0"),
    ],
)
def test_settings_of_other_models_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        LanguageBindAudio(write(tmp_path / "ft", **changes), device="cpu")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[]", "model_type LanguageBindAudio"), ('{"model_type": "clip"}', "model_type")],
)
def test_other_folders_are_refused(tmp_path, text, message):
    folder = write(tmp_path / "ft")
    (folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match=rf"config.json: .*{message}"):
        LanguageBindAudio(folder, device="cpu")


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    folder = write(tmp_path / "ft", state={"weight": print})
    with pytest.raises(ValueError, match=r"pytorch_model.bin: refused"):
        LanguageBindAudio(folder, device="cpu")
