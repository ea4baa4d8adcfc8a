"""`tgs weights check` and `convert`, on files of the published formats at reduced widths."""

import json
import shutil
from pathlib import Path

import languagebind_example
import pytest
import torch
import yaml
from project import ROOT
from safetensors.torch import load_file
from typer.testing import CliRunner

from tgs_pipeline.backends.audio_text import languagebind
from tgs_pipeline.backends.segmenter.sam2 import load_model
from tgs_pipeline.catalogue.check import check
from tgs_pipeline.cli import app
from tgs_pipeline.params import load
from tgs_pipeline.tinyworld.models import sam2

BEATS = "BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt"
TINY = ROOT / "weights/tiny"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Weights of the embedded world in the published formats where they have one."""
    folder = tmp_path_factory.mktemp("small")
    sam2.write(folder, seed=0)
    torch.save({"model": load_file(folder / "sam2.safetensors")}, folder / "sam2.pt")
    state, metadata = load_file(TINY / "beats.safetensors"), _metadata(TINY / "beats.safetensors")
    content = {"model": state, "cfg": metadata["cfg"], "label_dict": dict(enumerate(metadata["labels"]))}
    torch.save(content, folder / "beats.pt")
    (folder / "clip").mkdir()
    shutil.copy(TINY / "clip/config.json", folder / "clip")
    torch.save(load_file(TINY / "clip/model.safetensors"), folder / "clip/pytorch_model.bin")
    return folder


def _metadata(path):
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["beats"])


@pytest.fixture
def profile(small, tmp_path):
    """Writes a params file of those weights; the detector is left out by naming one that is missing."""

    def write(**changes):
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["features"] |= {
            "visual": {"weights": str(small / "clip"), "layer": -1},
            "audio": {"weights": str(small / "beats.pt"), "outputs": "features_and_tags"},
        }
        params["think"]["weights"] = str(TINY / "ref_thinker")
        params["detect"]["weights"] = str(tmp_path / "groundingdino_swint_ogc")
        params["segment"] |= {"weights": str(small / "sam2.pt"), "config": str(small / "sam2.yaml")}
        for section, change in changes.items():
            params[section] |= change
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(params))
        return path

    return write


def test_the_first_thing_wrong_with_each_path_is_named(profile, tmp_path):
    found = {one.section: one.problem for one in check(load(profile()), checksums=True)}
    missing = found.pop("detect.weights")
    assert "groundingdino_swint_ogc.pth is missing: `tgs weights pull` fetches it" in missing
    assert set(found.values()) == {None}
    torch.save({"model": {"x": torch.ones(1)}}, tmp_path / "bad.pt")
    changes = {
        "segment": {"weights": str(tmp_path / "bad.pt"), "config": str(load(profile()).segment.config)},
        "think": {"weights": str(tmp_path / "nowhere")},
        "features": {"audio": {"weights": str(tmp_path / BEATS), "outputs": "features_and_tags"}},
    }
    found = {one.section: one.problem for one in check(load(profile(**changes)), checksums=False)}
    assert "bad.pt does not fit" in found["segment.weights"] and "missing key" in found["segment.weights"]
    assert "nowhere is missing, and the catalogue does not know it" in found["think.weights"]
    assert "get it by hand from the table" in found["features.audio.weights"]


def test_a_published_file_of_another_size_is_named(profile, tmp_path):
    folder = tmp_path / "groundingdino_swint_ogc"
    folder.mkdir()
    (folder / "groundingdino_swint_ogc.pth").write_bytes(b"x" * 10)
    found = {one.section: one.problem for one in check(load(profile()), checksums=False)}
    assert "has 10 bytes, expected 693997677: delete it and pull again" in found["detect.weights"]


def test_list_check_and_convert_on_the_command_line(profile, small, tmp_path):
    path = str(profile())
    shown = CliRunner().invoke(app, ["weights", "list", "--params", path])
    assert "groundingdino_swint_ogc  (detect.weights): 5 of 5 files missing" in shown.stdout
    assert "licence: Apache-2.0" in shown.stdout and "from: ShilongLiu/GroundingDINO; google-bert" in shown.stdout
    every = json.loads(CliRunner().invoke(app, ["weights", "list", "--all", "--json", "--params", path]).stdout)
    assert {"meta-llama/Llama-2-7b-chat-hf", "ahsgdxhs/Crab"} <= {
        file["repo"] for one in every for file in one["files"]
    }
    none = CliRunner().invoke(app, ["weights", "list", "--params", str(ROOT / "params.yaml")])
    assert "names no published weights" in none.stdout
    unknown = CliRunner().invoke(app, ["weights", "pull", "sam3", "--params", path])
    assert unknown.exit_code == 1 and "no set 'sam3'" in unknown.stderr

    out = str(tmp_path / "out")
    audio_text = languagebind_example.write(tmp_path / "LanguageBind_Audio_FT")
    matching = {"by": "audio_text", "similarity": 0.5, "weights": str(audio_text), "separator": ", "}
    path = str(profile(segment={"matching": matching}))
    done = CliRunner().invoke(app, ["weights", "convert", "--params", path, "--out", out])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        f"features.visual.weights: {out}/clip",
        f"features.audio.weights: {out}/beats.safetensors",
        f"segment.weights: {out}/sam2.safetensors",
        f"segment.matching.weights: {out}/LanguageBind_Audio_FT",
    ]
    one, other = (languagebind.fit(Path(folder))[1] for folder in (audio_text, f"{out}/LanguageBind_Audio_FT"))
    assert one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    assert load_file(f"{out}/sam2.safetensors").keys() == load_file(small / "sam2.safetensors").keys()
    before, after = (
        load_model(small / "sam2.yaml", one) for one in (small / "sam2.pt", tmp_path / "out/sam2.safetensors")
    )
    assert all(torch.equal(tensor, after.state_dict()[name]) for name, tensor in before.state_dict().items())
    assert (tmp_path / "out/beats.safetensors").read_bytes() == (TINY / "beats.safetensors").read_bytes()
    again = CliRunner().invoke(app, ["weights", "convert", "--params", path, "--out", out])
    assert again.exit_code == 1 and "exists already: give another --out" in again.stderr
