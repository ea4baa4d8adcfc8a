"""The models at the sizes of the paper, without memory, have the names and shapes of the published files."""

import importlib.util
from pathlib import Path

import pytest
import torch
from published_names import (
    GROUNDING_DINO_FILE_ONLY,
    SWIN_B,
    SWIN_T,
    beats,
    clip_vision,
    grounding_dino,
    llama,
    sam2,
)
from transformers import BertConfig, BertTokenizer, CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from tgs_pipeline.backends.detector import groundingdino
from tgs_pipeline.backends.encoder.clip import PREFIX
from tgs_pipeline.backends.segmenter.sam2 import load_model
from tgs_pipeline.backends.segmenter.sam2_config import build_model
from tgs_pipeline.models.beats import BEATs, BeatsConfig
from tgs_pipeline.weights import shapes_of, without_memory

SAM2 = Path(importlib.util.find_spec("sam2").submodule_search_locations[0]) / "configs"
SAM2_CONFIGS = {"2.0": "sam2/sam2_hiera_{}.yaml", "2.1": "sam2.1/sam2.1_hiera_{}.yaml"}
HIERA_LARGE = {"embed": 144, "stages": (2, 6, 36, 4), "background": 7}


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


def write_file(path, shapes):
    """A checkpoint of such tensors, which take no room in it."""
    one = torch.zeros(1)
    torch.save({"model": {name: one.expand(shape) for name, shape in shapes.items()}}, path)


def write_detector_folder(folder, name, shapes):
    text = folder / groundingdino.TEXT_FOLDER
    BertConfig().save_pretrained(text)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?"]
    BertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(text)
    write_file(folder / name, shapes)
    return folder


@pytest.mark.parametrize(
    ("name", "swin", "num_in_file", "million"),
    [
        ("groundingdino_swint_ogc.pth", SWIN_T, 940, (172, 174)),
        ("groundingdino_swinb_cogcoor.pth", SWIN_B, 1108, (232, 235)),
    ],
)
def test_grounding_dino(tmp_path, name, swin, num_in_file, million):
    """Swin-B: 1108 tensors, as several projects count in the published file; two of them are no part of the model."""
    expected = grounding_dino(**swin)
    in_file = expected | dict.fromkeys(GROUNDING_DINO_FILE_ONLY, (1, 512))
    assert len(in_file) == len(expected) + 2 == num_in_file
    folder = write_detector_folder(tmp_path, name, in_file)
    model, state, _, width = groundingdino.fit(folder)
    assert shapes_of(model.state_dict()) == expected
    assert shapes_of(state).items() <= expected.items()
    assert width == 256
    assert all(tensor.is_meta for tensor in model.parameters())
    assert million[0] * 1e6 < sum(parameter.numel() for parameter in model.parameters()) < million[1] * 1e6
    in_file["label_enc.bias"] = in_file.pop("feat_map.bias")
    write_file(folder / name, in_file)
    with pytest.raises(ValueError, match=r"config: missing key feat_map\.bias; unexpected key label_enc\.bias$"):
        groundingdino.fit(folder)


@pytest.mark.parametrize("generation", ["2.0", "2.1"])
@pytest.mark.parametrize(
    ("letter", "hiera", "million"),
    [
        ("t", {"embed": 96, "stages": (1, 2, 7, 2), "background": 7}, 38.9),
        ("s", {"embed": 96, "stages": (1, 2, 11, 2), "background": 7}, 46.0),
        ("b+", {"embed": 112, "stages": (2, 3, 16, 3), "background": 14}, 80.8),
        ("l", HIERA_LARGE, 224.4),
    ],
)
def test_sam_2(letter, hiera, million, generation):
    """Millions of values as in the package's README, which cuts them off and gives both generations the same."""
    with without_memory():
        found = shapes_of(build_model(SAM2 / SAM2_CONFIGS[generation].format(letter)).state_dict())
    assert found == sam2(**hiera, generation=generation)
    assert million <= num_values(found) / 1e6 < million + 0.1


def test_sam_2_and_sam_2_1(tmp_path):
    """The two generations differ in three tensors; a file of one is refused by the other, naming them."""
    configs = {generation: SAM2 / name.format("l") for generation, name in SAM2_CONFIGS.items()}
    shapes = {generation: sam2(**HIERA_LARGE, generation=generation) for generation in configs}
    for generation in configs:
        write_file(tmp_path / f"{generation}.pt", shapes[generation])
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
