import json
import pickle

import numpy as np
import pytest
import torch
from published_names import beats as published_names
from safetensors.torch import load_file, save_file

from tgs_pipeline.backends.encoder.beats import BeatsEncoder, read
from tgs_pipeline.tinyworld.categories import SOUNDING
from tgs_pipeline.tinyworld.models import beats as tiny

CFG = {
    "input_patch_size": 16,
    "embed_dim": 64,
    "encoder_layers": 4,
    "encoder_embed_dim": 128,
    "encoder_ffn_embed_dim": 512,
    "encoder_attention_heads": 4,
    "conv_pos": 32,
    "conv_pos_groups": 16,
    "num_buckets": 320,
    "max_distance": 800,
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "deep_norm": True,
    "relative_position_embedding": True,
    "gru_rel_pos": True,
    "finetuned_model": True,
    "predictor_class": len(SOUNDING),
    "encoder_layerdrop": 0.05,  # settings of training only, as in the published files, do not matter
    "layer_wise_gradient_decay_ratio": 0.6,
}


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "beats.safetensors"
    tiny.write(path, seed=3)
    return path


def published(folder, *, state, cfg=None, **changes):
    """A file in the format of the published checkpoints."""
    labels = {index: f"/m/{name}" for index, name in enumerate(SOUNDING)}
    path = folder / "BEATs.pt"
    torch.save({"cfg": cfg or CFG, "model": state, "label_dict": labels} | changes, path)
    return path


def fbanks(count=2, frames=98):
    return np.random.default_rng(0).standard_normal((count, frames, 128)).astype(np.float32)


def test_tiny_is_small_seeded_and_knows_the_sounds(ours, tmp_path):
    model, labels = read(ours)
    assert 0.7e6 < sum(parameter.numel() for parameter in model.parameters()) < 1e6
    assert labels == list(SOUNDING)
    tiny.write(tmp_path / "again.safetensors", seed=3)
    assert (tmp_path / "again.safetensors").read_bytes() == ours.read_bytes()


def test_encodes_segments_and_classifies_a_whole_clip(ours):
    encoder = BeatsEncoder(ours, device="cpu", dtype="float32")
    features = encoder.encode(fbanks())
    assert features.shape == (2, 48, 128) and features.dtype == np.float32
    scores = encoder.classify(fbanks(1, 998)[0])
    assert scores.shape == (len(SOUNDING),) and scores.dtype == np.float32
    assert ((scores > 0) & (scores < 1)).all()


def test_the_published_format_gives_the_same_model(ours, tmp_path):
    path = published(tmp_path, state=load_file(ours))
    first, second = (BeatsEncoder(one, device="cpu", dtype="float32") for one in (ours, path))
    assert np.array_equal(first.encode(fbanks()), second.encode(fbanks()))
    assert second.labels == [f"/m/{name}" for name in SOUNDING]


def test_bfloat16_is_close_to_float32(ours):
    exact, coarse = (BeatsEncoder(ours, device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
    difference = np.abs(exact.encode(fbanks()) - coarse.encode(fbanks()))
    assert 0 < difference.mean() < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("encoder.layers.1.fc1.bias"), ".* missing key encoder.layers.1.fc1.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), ".* unexpected key extra"),
        (
            lambda state: state.update({"predictor.bias": torch.zeros(3)}),
            r".* predictor.bias has shape \[3\], expected \[14\]",
        ),
    ],
)
def test_wrong_tensors_are_named(ours, tmp_path, change, message):
    state = load_file(ours)
    change(state)
    with pytest.raises(ValueError, match=rf"BEATs\.pt: {message}"):
        read(published(tmp_path, state=state))


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({"finetuned_model": False}, "without classifier; get a fine-tuned one"),
        ({"deep_norm": False}, "cfg deep_norm is False; this BEATs knows only True"),
        ({"activation_fn": "glu"}, "cfg activation_fn is 'glu'"),
        ({"encoder_layers": None}, "cfg encoder_layers is None, expected an integer"),
        ({"predictor_class": 15}, r"expected labels for the classes 0..14, found 14"),
    ],
)
def test_unknown_settings_are_named(ours, tmp_path, cfg, message):
    with pytest.raises(ValueError, match=message):
        read(published(tmp_path, state=load_file(ours), cfg=CFG | cfg))


def test_a_pretrained_file_has_no_tags(ours, tmp_path):
    with pytest.raises(ValueError, match="a pre-trained BEATs without sound classes"):
        read(published(tmp_path, state=load_file(ours), label_dict=None))


def test_other_files_are_refused(ours, tmp_path):
    torch.save(load_file(ours), tmp_path / "flat.pt")
    with pytest.raises(ValueError, match=r"flat\.pt: not a BEATs checkpoint: expected 'cfg', found \['encoder"):
        read(tmp_path / "flat.pt")
    save_file(load_file(ours), tmp_path / "bare.safetensors", metadata={"beats": json.dumps({"cfg": CFG})})
    with pytest.raises(ValueError, match=r"bare\.safetensors: not a BEATs file of ours.*labels"):
        read(tmp_path / "bare.safetensors")


KEY = "encoder.layers.11.self_attn.grep_linear.weight"


def all_names():
    """Random tensors under the 252 names of the published checkpoint, narrow."""
    shapes = published_names(
        layers=12, width=128, ffn=512, heads=4, patch_dim=64, conv_pos=32, groups=16, classes=len(SOUNDING)
    )
    assert len(shapes) == 252
    generator = torch.Generator().manual_seed(0)
    state = {name: 0.1 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    table = ".self_attn.relative_attention_bias.weight"  # stored by every layer, but one and the same
    return {name: state[f"encoder.layers.0{table}"] if name.endswith(table) else one for name, one in state.items()}


def test_all_names_of_the_published_file_land_in_their_place(tmp_path):
    state = all_names()
    model, _ = read(published(tmp_path, state=state, cfg=CFG | {"encoder_layers": 12}))
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    encoder = BeatsEncoder(tmp_path / "BEATs.pt", device="cpu", dtype="bfloat16")
    assert encoder.encode(fbanks(1)).shape == (1, 48, 128)
    assert {parameter.dtype for parameter in encoder.model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.update({f"{KEY}_": state.pop(KEY)}), f"missing key {KEY}; unexpected key {KEY}_"),
        (lambda state: state.pop(KEY), f"missing key {KEY}"),
        (
            lambda state: state.update({KEY: state[KEY].T.contiguous()}),
            rf"{KEY} has shape \[32, 8\], expected \[8, 32\] \(transposed\)",
        ),
    ],
)
def test_one_wrong_key_of_252_is_refused_by_its_name(tmp_path, change, message):
    state = all_names()
    change(state)
    with pytest.raises(ValueError, match=rf"BEATs\.pt: its tensors are not those .*: {message}"):
        read(published(tmp_path, state=state, cfg=CFG | {"encoder_layers": 12}))


class Evil:
    def __reduce__(self):
        return eval, ("open('pwned', 'w')",)


def test_a_file_with_code_or_cut_short_is_refused(ours, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = published(tmp_path, state=load_file(ours))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"BEATs\.pt: not a whole PyTorch checkpoint"):
        read(path)
    path.write_bytes(pickle.dumps({"model": Evil()}))
    with pytest.raises(ValueError, match=r"BEATs\.pt: refused, .*could run code"):
        read(path)
    assert not (tmp_path / "pwned").exists()
