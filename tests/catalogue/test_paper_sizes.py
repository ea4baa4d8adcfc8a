"""The models at the sizes of the paper, without memory, have the names and shapes of the published files."""

import importlib.util
from pathlib import Path

import pytest
import torch
from published_names import beats, clip_vision, llama
from transformers import BertConfig, BertTokenizer, CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from tgs_pipeline.backends.detector import groundingdino
from tgs_pipeline.backends.encoder.clip import PREFIX
from tgs_pipeline.backends.segmenter.sam2 import load_model
from tgs_pipeline.backends.segmenter.sam2_config import build_model
from tgs_pipeline.models.beats import BEATs, BeatsConfig
from tgs_pipeline.weights import shapes_of, without_memory

SAM2 = Path(importlib.util.find_spec("sam2").submodule_search_locations[0]) / "configs"


def num_values(shapes):
    return sum(torch.Size(shape).numel() for shape in shapes.values())


def test_beats():
    config = BeatsConfig(
        input_patch_size=16, embed_dim=512, encoder_layers=12, encoder_embed_dim=768, encoder_ffn_embed_dim=3072,
        encoder_attention_heads=12, conv_pos=128, conv_pos_groups=16, num_buckets=320, max_distance=800,
        predictor_class=527,
    )  # fmt: skip
    with torch.device("meta"):
        found = shapes_of(BEATs(config).state_dict())
    assert found == beats(layers=12, width=768, ffn=3072, heads=12, patch_dim=512, conv_pos=128, groups=16, classes=527)
    assert len(found) == 252
    assert 90.2e6 < num_values(found) < 90.8e6


def test_clip_vision_tower():
    config = CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, patch_size=14
    )
    with without_memory():
        found = shapes_of(CLIPVisionModel(config).state_dict())
    expected = clip_vision(layers=24, width=1024, ffn=4096, patch=14, positions=257)
    assert {PREFIX + name.removeprefix(PREFIX): shape for name, shape in found.items()} == expected
    assert (len(found), num_values(found)) == (391, 303_179_776)


def test_llama():
    with without_memory():
        found = shapes_of(LlamaForCausalLM(LlamaConfig(intermediate_size=11008)).state_dict())
    assert found == llama(layers=32, width=4096, ffn=11008, vocabulary=32000)
    assert (len(found), num_values(found)) == (291, 6_738_415_616)


def write_detector_folder(folder, name):
    text = folder / groundingdino.TEXT_FOLDER
    BertConfig().save_pretrained(text)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?"]
    BertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(text)
    torch.save({"model": {}}, folder / name)
    return folder


@pytest.mark.parametrize(
    ("name", "num_tensors", "first", "million"),
    [
        ("groundingdino_swint_ogc.pth", 940, (96, 3, 4, 4), (172, 174)),
        ("groundingdino_swinb_cogcoor.pth", 1108, (128, 3, 4, 4), (232, 235)),
    ],
)
def test_grounding_dino(tmp_path, name, num_tensors, first, million):
    """Swin-B: 1108 tensors, as several projects count in the published file."""
    folder = write_detector_folder(tmp_path, name)
    tokenizer = groundingdino.load_tokenizer(folder / groundingdino.TEXT_FOLDER)
    with without_memory():
        model = groundingdino._build(
            groundingdino._config(folder / name), text_folder=folder / groundingdino.TEXT_FOLDER, tokenizer=tokenizer
        )
    found = shapes_of(model.state_dict())
    assert found["backbone.0.patch_embed.proj.weight"] == first
    assert found["bert.encoder.layer.11.output.dense.weight"] == (768, 3072)
    assert found["transformer.level_embed"] == (4, 256) and found["feat_map.weight"] == (256, 768)
    assert all(tensor.is_meta for tensor in model.parameters())
    assert million[0] * 1e6 < sum(parameter.numel() for parameter in model.parameters()) < million[1] * 1e6
    assert num_tensors - 2 <= len(found) <= num_tensors + 2
    with pytest.raises(ValueError, match=r"its config: missing key backbone\.0\.layers\.0\..*; and \d+ more"):
        groundingdino.fit(folder)


def test_sam_2_and_sam_2_1(tmp_path):
    """The two generations differ in three tensors; a file of one is refused by the other, naming them."""
    configs = {"2.0": SAM2 / "sam2/sam2_hiera_l.yaml", "2.1": SAM2 / "sam2.1/sam2.1_hiera_l.yaml"}
    one = torch.zeros(1)
    shapes = {}
    for version, config in configs.items():
        with without_memory():
            shapes[version] = shapes_of(build_model(config).state_dict())
        state = {name: one.expand(shape) for name, shape in shapes[version].items()}  # takes no room in the file
        torch.save({"model": state}, tmp_path / f"{version}.pt")
        assert 224.3e6 < num_values(shapes[version]) < 224.6e6
    assert sorted(shapes["2.1"].keys() ^ shapes["2.0"].keys()) == [
        "no_obj_embed_spatial",
        "obj_ptr_tpos_proj.bias",
        "obj_ptr_tpos_proj.weight",
    ]
    load_model(configs["2.0"], tmp_path / "2.0.pt")
    with pytest.raises(ValueError, match=r"2\.0\.pt does not fit .*: missing key no_obj_embed_spatial; .*tpos"):
        load_model(configs["2.1"], tmp_path / "2.0.pt")
    with pytest.raises(ValueError, match=r"2\.1\.pt does not fit .*: unexpected key no_obj_embed_spatial; .*tpos"):
        load_model(configs["2.0"], tmp_path / "2.1.pt")
