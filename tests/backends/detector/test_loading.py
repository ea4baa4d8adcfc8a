"""Weights that are missing, broken, or fit no model."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
import yaml
from project import ROOT
from published_names import GROUNDING_DINO_FILE_ONLY
from safetensors.torch import load_file, save_file

from tgs_pipeline.backends.detector import groundingdino
from tgs_pipeline.backends.detector.conversion import to_port
from tgs_pipeline.backends.detector.groundingdino import GroundingDinoDetector
from tgs_pipeline.backends.detector.transformers import TransformersDetector
from tgs_pipeline.catalogue.convert import convert
from tgs_pipeline.params import load

from .conftest import SIZE


@pytest.fixture
def port_copy(folders, tmp_path):
    return shutil.copytree(folders.port, tmp_path / "port")


@pytest.fixture
def original_copy(folders, tmp_path):
    return shutil.copytree(folders.original, tmp_path / "original")


def load_port(folder):
    return TransformersDetector(folder, device="cpu", dtype="float32", **SIZE)


def load_original(folder):
    return GroundingDinoDetector(folder, device="cpu", dtype="float32", **SIZE)


def change(path, edit) -> None:
    if path.suffix == ".pth":
        content = torch.load(path, weights_only=True)
        edit(content["model"])
        torch.save(content, path)
    else:
        state = load_file(path)
        edit(state)
        save_file(state, path)


@pytest.mark.parametrize("kept", [None, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "guitar"]])
def test_port_refuses_a_tokenizer_that_reads_nothing(port_copy, kept):
    for path in port_copy.glob("*token*"):
        path.unlink()
    (port_copy / "vocab.txt").unlink(missing_ok=True)
    if kept is not None:
        (port_copy / "vocab.txt").write_text("\n".join(kept))
    with pytest.raises(ValueError, match=r"lacks tokenizer\.json or vocab\.txt|its vocabulary lacks some of"):
        load_port(port_copy)


def test_port_names_the_files_it_lacks(port_copy, tmp_path):
    (port_copy / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"port lacks model\.safetensors: `git checkout weights/tiny`"):
        load_port(port_copy)
    with pytest.raises(ValueError, match=r"lacks config\.json, model\.safetensors"):
        load_port(tmp_path / "nowhere")


def test_port_names_the_first_wrong_tensor(port_copy):
    path = port_copy / "model.safetensors"
    change(path, lambda state: state.pop("model.enc_output.bias"))
    with pytest.raises(ValueError, match=r"1 missing keys, the first is model\.enc_output\.bias"):
        load_port(port_copy)
    change(path, lambda state: state.update({"model.enc_output.bias": torch.zeros(7)}))
    with pytest.raises(ValueError, match=r"1 mismatched keys, the first is .*model\.enc_output\.bias"):
        load_port(port_copy)
    change(path, lambda state: state.update({"model.enc_output.bias": torch.zeros(256), "extra": torch.zeros(1)}))
    with pytest.raises(ValueError, match="1 unexpected keys, the first is extra"):
        load_port(port_copy)


def test_port_names_a_truncated_file(port_copy):
    path = port_copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_port(port_copy)


def test_original_names_the_first_wrong_tensor(original_copy):
    path = original_copy / "model.pth"
    change(path, lambda state: state.pop("module.feat_map.bias"))
    with pytest.raises(ValueError, match=r"model\.pth does not fit its config: missing key feat_map\.bias"):
        load_original(original_copy)
    change(path, lambda state: state.update({"module.feat_map.bias": torch.zeros(3)}))
    with pytest.raises(ValueError, match=r"feat_map\.bias has shape \[3\], expected \[256\]"):
        load_original(original_copy)
    change(path, lambda state: state.update({"module.feat_map.bias": torch.zeros(256), "x": torch.zeros(1)}))
    with pytest.raises(ValueError, match="unexpected key x"):
        load_original(original_copy)


def test_original_reads_past_two_tensors_and_no_third(original_copy):
    """The published files hold two tensors that are no part of the package's model; names like theirs are unknown."""
    path = original_copy / "model.pth"
    held = torch.load(path, weights_only=True)["model"].keys()
    assert {f"module.{name}" for name in GROUNDING_DINO_FILE_ONLY} <= held
    load_original(original_copy)
    unknown = [
        "backbone.0.layers.4.blocks.0.attn.relative_position_index",
        "bert.embeddings.position_ids.0",
        "bert.pooler.dense.scale",
        "label_enc.bias",
    ]
    change(path, lambda state: state.update({f"module.{name}": torch.zeros(1) for name in unknown}))
    with pytest.raises(ValueError) as caught:
        load_original(original_copy)
    assert str(caught.value).endswith("does not fit its config: " + "; ".join(f"unexpected key {n}" for n in unknown))


def test_original_runs_no_code_from_a_checkpoint(original_copy):
    torch.save({"model": SimpleNamespace()}, original_copy / "model.pth")
    with pytest.raises(ValueError, match="refused, because it is damaged or holds Python objects"):
        load_original(original_copy)


def test_original_reads_safetensors_too(original_copy, original, images):
    content = torch.load(original_copy / "model.pth", weights_only=True)["model"]
    save_file({name: tensor.clone() for name, tensor in content.items()}, original_copy / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"expected one \.pth or \.safetensors file .* found \['model\.pth', 'model\.safe"
    ):
        load_original(original_copy)
    (original_copy / "model.pth").unlink()
    one, two = (d.detect(images[:1], ["dog."], floor=0.0)[0] for d in (load_original(original_copy), original))
    assert (one.scores == two.scores).all()


def test_port_reads_a_converted_original(folders, port_copy, port, images):
    content = torch.load(folders.original / "model.pth", weights_only=True)["model"]
    converted = to_port({name.removeprefix("module."): tensor for name, tensor in content.items()})
    save_file({name: tensor.clone() for name, tensor in converted.items()}, port_copy / "model.safetensors")
    one, two = (d.detect(images[:1], ["dog."], floor=0.0)[0] for d in (load_port(port_copy), port))
    assert (one.scores == two.scores).all()
    assert (one.boxes_xyxy == two.boxes_xyxy).all()


def test_original_checks_its_config(original_copy):
    fields = json.loads((original_copy / "config.json").read_text())
    (original_copy / "config.json").write_text(json.dumps(fields | {"num_querys": 5}))
    with pytest.raises(ValueError, match=r"config\.json: unknown field 'num_querys'"):
        load_original(original_copy)
    (original_copy / "config.json").write_text(json.dumps(fields | {"hidden_dim": 96}))
    with pytest.raises(ValueError, match=r"model\.pth does not fit its config: .*; and \d+ more"):
        load_original(original_copy)
    (original_copy / "config.json").unlink()
    with pytest.raises(ValueError, match=r"model\.pth: not one of \['groundingdino_swinb_cogcoor', .* needs a config"):
        load_original(original_copy)


def test_original_needs_the_text_folder(original_copy):
    shutil.rmtree(original_copy / "bert-base-uncased")
    with pytest.raises(ValueError, match="beside a folder bert-base-uncased/"):
        load_original(original_copy)


def test_published_checkpoints_need_no_config(tmp_path):
    small = groundingdino._config(tmp_path / "groundingdino_swint_ogc.pth")
    base = groundingdino._config(tmp_path / "groundingdino_swinb_cogcoor.pth")
    assert (small.backbone, base.backbone) == ("swin_T_224_1k", "swin_B_384_22k")
    assert (small.num_queries, small.enc_layers, small.max_text_len) == (900, 6, 256)


def test_converted_once_it_is_a_safetensors_file(folders, original, images, tmp_path):
    text = yaml.safe_load((ROOT / "params.yaml").read_text())
    text["detect"]["weights"] = str(folders.original)
    text["segment"]["weights"] = str(tmp_path / "none")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(text))
    ((key, out),) = convert(load(tmp_path / "params.yaml"), tmp_path / "out")
    assert key == "detect.weights"
    assert sorted(path.name for path in out.iterdir()) == ["bert-base-uncased", "config.json", "model.safetensors"]
    one, two = (d.detect(images[:1], ["dog."], floor=0.0)[0] for d in (load_original(out), original))
    assert (one.scores == two.scores).all()
