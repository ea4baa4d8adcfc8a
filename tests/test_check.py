from pathlib import Path

import numpy as np
import pytest
import yaml
from dataset_example import NULL_VID, VID, write_dataset
from project import ROOT
from safetensors.numpy import save_file

from tgs_pipeline.check import find_problems
from tgs_pipeline.weights import WHERE_FROM


@pytest.fixture
def params(tmp_path, monkeypatch):
    """A function that writes params for a dataset made by hand, with every weights file there, and returns the file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TGS_CACHE", raising=False)
    root = write_dataset(tmp_path / "data")

    def write(**changes: dict) -> Path:
        data = yaml.safe_load((ROOT / "params.yaml").read_text())
        data["dataset"] |= {"tinyworld": None, "root": str(root)}
        for section, values in changes.items():
            data[section] |= values
        features = data["features"]
        for name in (
            features["visual"]["weights"], features["audio"]["weights"], data["think"]["weights"],
            data["detect"]["weights"], data["segment"]["weights"], data["segment"]["config"],
        ):  # fmt: skip
            if "absent" not in name:
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                save_file({"w": np.zeros(1)}, name) if name.endswith(".safetensors") else Path(name).touch()
        recorded = Path(data["segment"]["sounding"])
        if "absent" not in recorded.name:
            recorded.parent.mkdir(parents=True, exist_ok=True)
            recorded.write_text("{}")
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(data))
        return tmp_path / "params.yaml"

    return write


def test_nothing_to_say_where_a_run_can_start(params, tmp_path):
    assert find_problems(params()) == []
    assert list((tmp_path / ".tgs_cache").iterdir()) == [], "the probe is gone"


def test_params_that_cannot_be_read_are_the_only_problem(tmp_path):
    (problem,) = find_problems(tmp_path / "absent.yaml")
    assert "absent.yaml: no such file" in problem


def test_every_missing_file_of_weights_is_named(params):
    found = find_problems(params(detect={"weights": "absent/dino"}, segment={"config": "absent/sam2.yaml"}))
    assert found == [
        f"{name} is missing; {WHERE_FROM}"
        for name in ("detect.weights: absent/dino", "segment.config: absent/sam2.yaml")
    ]


def test_a_recording_of_sounds_that_is_not_there_is_named(params):
    (problem,) = find_problems(params(segment={"sounding": "absent.json"}))
    assert problem.startswith("segment.sounding: absent.json: cannot be read")


def test_recorded_segments_of_sounds_and_a_model_that_compares_them_are_looked_at(params, tmp_path):
    matching = {"by": "audio_text", "similarity": 0.5, "weights": "absent/LanguageBind_Audio_FT", "separator": ", "}
    file = params(segment={"matching": matching})
    Path("profiles/sounding/none.json").write_text('{"v": {"dog": []}}')
    weights, recorded = find_problems(file)
    assert weights.startswith("segment.matching.weights: absent/LanguageBind_Audio_FT/config.json is missing; `tgs")
    assert "video 'v': expected a list of segments" in recorded


def test_published_weights_are_fetched(params):
    (problem,) = find_problems(params(detect={"weights": "absent/groundingdino_swint_ogc"}))
    file = "absent/groundingdino_swint_ogc/groundingdino_swint_ogc.pth"
    assert problem.startswith(f"detect.weights: {file} is missing; `tgs weights pull` fetches it")


def test_damaged_weights_and_unusable_devices_are_named(params):
    file = params(runtime={"devices": ["cpu", "banana"]})
    beats = Path("weights/tiny/beats.safetensors")
    beats.write_bytes(beats.read_bytes()[:9])
    device, weights = find_problems(file)
    assert device.startswith("runtime.devices: 'banana' cannot be used here")
    assert weights.startswith(f"features.audio.weights: {beats} is damaged (")


def test_a_cache_that_cannot_be_written_is_named(params, monkeypatch, tmp_path):
    file = params(runtime={"cache": str(tmp_path / "data/metadata.csv")})
    (problem,) = find_problems(file)
    assert problem.startswith("runtime.cache: ") and "metadata.csv" in problem
    monkeypatch.setenv("TGS_CACHE", "relative")
    assert find_problems(file) == ["runtime.cache: TGS_CACHE is 'relative': it must be an absolute path"]


def test_every_missing_frame_and_mask_is_listed_once_unless_they_may_be_skipped(params, tmp_path):
    gone = [f"gt_mask/{VID}/fid_3/00002.png", f"media/{VID}/frames/3.jpg"]
    for path in [*gone, f"gt_mask/{NULL_VID}/fid_0/00000.png"]:  # the last one is of a null sample, which needs none
        (tmp_path / "data" / path).unlink()
    (problem,) = find_problems(params())
    assert problem.splitlines() == [
        f"dataset: 2 frame or mask files are missing below {tmp_path / 'data'}:", *(f"  {path}" for path in gone)
    ]  # fmt: skip
    assert find_problems(params(dataset={"missing_frames": "skip"})) == []


def test_metadata_that_cannot_be_read_is_a_problem_of_the_dataset(params):
    (problem,) = find_problems(params(dataset={"metadata": "absent.csv"}))
    assert problem.startswith("dataset: ") and "absent.csv: no such file" in problem


def test_a_dataset_that_is_to_be_rendered_is_not_looked_at(params):
    world = yaml.safe_load((ROOT / "params.yaml").read_text())["dataset"]["tinyworld"]
    assert find_problems(params(dataset={"tinyworld": world, "root": "artifacts/dataset"})) == []


def test_all_problems_are_told_at_once(params):
    file = params(
        detect={"weights": "absent/dino"}, dataset={"metadata": "absent.csv"}, runtime={"cache": "/dev/null/x"}
    )
    assert [problem.split(":")[0] for problem in find_problems(file)] == ["runtime.cache", "detect.weights", "dataset"]
