import pytest
import torch
from published_names import SWIN_B, SWIN_T, grounding_dino
from safetensors.torch import load_file
from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

from tgs_pipeline.backends.detector.conversion import to_original, to_port
from tgs_pipeline.weights import shapes_of


@pytest.fixture(scope="module")
def port_state(folders):
    return load_file(folders.port / "model.safetensors")


def test_there_and_back_changes_no_tensor(port_state):
    back = to_port(to_original(port_state))
    read = {name for name in port_state if ".swin.layernorm." not in name}  # the port writes it and reads it nowhere
    assert read <= back.keys()
    assert all("bbox_embed" in name for name in back.keys() - read)  # the shared box head under its other names
    for name in read:
        torch.testing.assert_close(back[name], port_state[name], rtol=0, atol=0)


def test_every_tensor_of_the_package_is_made(folders, port_state, original):
    made = to_original(port_state)
    expected = {name: tensor for name, tensor in original._model.state_dict().items()
                if "bert.pooler" not in name and "relative_position_index" not in name}  # fmt: skip
    assert made.keys() == expected.keys()
    assert {name: made[name].shape for name in made} == {name: expected[name].shape for name in made}


@pytest.mark.parametrize("swin", [SWIN_T, SWIN_B], ids=["swin_t", "swin_b"])
def test_every_published_tensor_has_its_place_in_the_port(swin):
    """At the published sizes without memory; only the port's norm that nothing reads is not asked for."""
    backbone = SwinConfig(
        embed_dim=swin["embed"], depths=swin["depths"], num_heads=swin["heads"], window_size=swin["window"],
        out_indices=[2, 3, 4],
    )  # fmt: skip
    published = grounding_dino(**swin)
    made = to_port({name: torch.empty(shape, device="meta") for name, shape in published.items()})
    model, info = GroundingDinoForObjectDetection.from_pretrained(
        None, config=GroundingDinoConfig(backbone_config=backbone, text_config=BertConfig()), state_dict=dict(made),
        device_map="meta", ignore_mismatched_sizes=True, output_loading_info=True,
    )  # fmt: skip
    assert not any(info.values()), info
    assert len(model.state_dict()) == len(made) + 2
    unused = {name for name in published if "bert.pooler" in name or "relative_position_index" in name}
    assert shapes_of(to_original(made)) == {name: shape for name, shape in published.items() if name not in unused}


def test_query_key_and_value_are_joined_in_that_order():
    state = {f"model.decoder.layers.3.self_attn.{part}.bias": torch.full((2,), float(value))
             for value, part in enumerate(("value", "query", "key"))}  # fmt: skip
    joined = to_original(state)
    assert joined.keys() == {"transformer.decoder.layers.3.self_attn.in_proj_bias"}
    assert joined["transformer.decoder.layers.3.self_attn.in_proj_bias"].tolist() == [1, 1, 2, 2, 0, 0]


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"^transformer\.decoder\.layers\.0\.norm9\.weight is no tensor of"):
        to_port({"transformer.decoder.layers.0.norm9.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"^model\.decoder\.layers\.x\.fc1\.weight is no tensor of"):
        to_original({"model.decoder.layers.x.fc1.weight": torch.zeros(1)})


def test_half_an_attention_is_refused():
    with pytest.raises(ValueError, match="in_proj_weight needs query, key, value; the state dict has only key"):
        to_original({"model.decoder.layers.0.self_attn.key.weight": torch.zeros(1, 1)})
