import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from tgs_pipeline.backends.encoder.clip import ClipEncoder, input_size_px, resize
from tgs_pipeline.tinyworld.models import clip as tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "clip"
    tiny.write(path, seed=3)
    return path


def encoder(folder, layer=-2, dtype="float32"):
    return ClipEncoder(folder, layer=layer, device="cpu", dtype=dtype)


def frames(count=3, side=112):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def edited(folder, target, change):
    """A copy of a folder with changed tensors."""
    shutil.copytree(folder, target)
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, target / "model.safetensors", metadata={"format": "pt"})
    return target


def test_tiny_is_small_and_seeded(folder, tmp_path):
    assert 0.7e6 < sum(parameter.numel() for parameter in encoder(folder).model.parameters()) < 1e6
    assert input_size_px(folder) == 112
    tiny.write(tmp_path / "again", seed=3)
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


@torch.no_grad()
def test_features_are_the_chosen_hidden_state_without_class_token(folder):
    images = frames()
    one = encoder(folder)
    features = one.encode(images)
    assert features.shape == (3, 49, 128) and features.dtype == np.float32
    pixels = CLIPImageProcessor.from_pretrained(folder, crop_size=112)(
        [Image.fromarray(image) for image in images], return_tensors="pt"
    )["pixel_values"]
    state = one.model.pre_layrnorm(one.model.embeddings(pixels))
    for layer in one.model.encoder.layers[:3]:  # hidden state -2 of 5 = 3: the output of the third of four layers
        state = layer(state, None)
    np.testing.assert_allclose(features, state[:, 1:].numpy(), atol=1e-5)
    assert np.array_equal(features, encoder(folder, layer=3).encode(images))
    assert not np.allclose(features, encoder(folder, layer=-1).encode(images))


def test_a_folder_of_the_whole_clip_gives_its_vision_tower(tmp_path):
    text = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text |= {"vocab_size": 9, "bos_token_id": 1, "eos_token_id": 2}
    config = CLIPConfig(vision_config=tiny.config().to_dict(), text_config=text)
    whole = CLIPModel(config).eval()
    whole.save_pretrained(tmp_path / "new")
    (tmp_path / "old").mkdir()
    shutil.copy(tmp_path / "new" / "config.json", tmp_path / "old")
    state = load_file(tmp_path / "new" / "model.safetensors")
    state["vision_model.embeddings.position_ids"] = torch.arange(50)[None]  # older files store it
    torch.save(state, tmp_path / "old" / "pytorch_model.bin")
    new, old = (encoder(tmp_path / name).encode(frames()) for name in ("new", "old"))
    assert np.array_equal(new, old)
    alone = tmp_path / "alone"
    tiny.save(alone, whole.vision_model)
    np.testing.assert_allclose(new, encoder(alone).encode(frames()), atol=0.02)  # saved in float16


def test_resize_squeezes_with_the_bicubic_filter():
    image = frames(1, 64)[0][:32]
    expected = Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC)
    assert np.array_equal(resize(image, side_px=20), np.asarray(expected))


def test_the_pixel_normalisation_of_the_folder_is_used(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "plain")
    (tmp_path / "plain" / "preprocessor_config.json").unlink()
    assert np.array_equal(encoder(folder).encode(frames()), encoder(tmp_path / "plain").encode(frames()))
    (tmp_path / "plain" / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0, 0, 0]}))
    assert not np.allclose(encoder(folder).encode(frames()), encoder(tmp_path / "plain").encode(frames()))


@pytest.mark.parametrize("layer", [5, -6])
def test_a_layer_that_does_not_exist_is_refused(folder, layer):
    with pytest.raises(ValueError, match=rf"layer is {layer}, but .* has hidden states -5..4"):
        encoder(folder, layer=layer)


def test_frames_of_another_size_are_refused(folder):
    with pytest.raises(ValueError, match=r"frames have shape \(3, 64, 64, 3\), expected \(frames, 112, 112, 3\)"):
        encoder(folder).encode(frames(side=64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("pre_layrnorm.weight"), "missing key pre_layrnorm.weight"),
        (lambda state: state.update(extra=torch.zeros(1)), "unexpected key extra"),
        (
            lambda state: state.update({"pre_layrnorm.weight": torch.ones(5)}),
            r"pre_layrnorm.weight has shape \[5\], expected \[128\]",
        ),
    ],
)
def test_wrong_tensors_are_named(folder, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        encoder(edited(folder, tmp_path / "wrong", change))


def test_an_incomplete_folder_is_named(folder, tmp_path):
    with pytest.raises(ValueError, match=r"absent/config\.json is missing: expected a Hugging Face folder of CLIP"):
        input_size_px(tmp_path / "absent")
    shutil.copytree(folder, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(ValueError, match=r"bare: holds none of model.safetensors, pytorch_model.bin and no index"):
        encoder(tmp_path / "bare")
    (tmp_path / "bare" / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"bare/config\.json: not a JSON file"):
        encoder(tmp_path / "bare")
