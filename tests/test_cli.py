import json

import numpy as np
import pytest
from dataset_example import VID, write_dataset, write_metadata
from PIL import Image
from project import ROOT
from typer.testing import CliRunner

from tgs_pipeline.cli import app


@pytest.fixture
def tgs(monkeypatch):
    monkeypatch.chdir(ROOT)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_a_profile_is_printed_as_it_is(tgs):
    assert tgs("profile", "tiny").stdout == (ROOT / "params.yaml").read_text()
    unknown = tgs("profile", "../params")
    assert unknown.exit_code == 1 and ", benchmark-tiny, paper, paper-f-object, " in unknown.stderr


def test_a_profile_is_printed_with_the_traps_of_upstream(tgs):
    printed = tgs("profile", "tiny", "--compat", "parity", "--stage", "segment").stdout
    assert "swap_channels: true " in printed and "input_size_px: 224 " in printed and "box_select: max " in printed
    refused = tgs("profile", "tiny", "--compat", "parity", "--stage", "report")
    assert refused.exit_code == 1 and "no trap is set there" in refused.stderr


def test_scores_say_how_they_were_made(tgs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "artifacts/score").mkdir(parents=True)
    metrics = {"protocol": "tgs", "compat": {"think": "parity", "score": "corrected"}, "splits": {"test_s": {"J": 0.5}}}
    (tmp_path / "artifacts/score/metrics.json").write_text(json.dumps(metrics))
    lines = tgs("scores", "--params", str(ROOT / "params.yaml")).stdout.splitlines()
    assert lines[:2] == ["protocol tgs", "compat   think parity, score corrected"]


def test_metadata_counts_what_is_unusual(tgs, tmp_path):
    write_dataset(tmp_path)
    counts = json.loads(tgs("metadata", str(tmp_path / "metadata.csv"), "--json").stdout)
    assert counts["rows"] == 4 and counts["null references"] == 1
    assert counts["rows ignored because their split is TODO"] == 1
    bad = write_metadata(tmp_path / "bad.csv", [(VID, "../x_dog_1", "test_s", "0", "A.")])
    refused = tgs("metadata", str(bad))
    assert refused.exit_code == 1 and "is no valid id" in refused.stderr


def write_mask(path, *, columns, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((16, 16), np.uint8)
    mask[:, :columns] = value
    Image.fromarray(mask).save(path)


def test_evaluate_scores_masks_of_any_system(tgs, tmp_path):
    write_mask(tmp_path / "pred/a_dog_1/00000.png", columns=8, value=200)
    write_mask(tmp_path / "gt/a_dog_1/00000.png", columns=4, value=255)
    write_mask(tmp_path / "pred/null_m-a_null_1/00000.png", columns=4, value=200)
    done = tgs("evaluate", str(tmp_path / "pred"), str(tmp_path / "gt"), "--protocol", "tgs", "--json")
    result = json.loads(done.stdout)
    assert result["samples"]["a_dog_1"]["J"] == pytest.approx(0.5, abs=1e-6)
    precision, recall = 0.5, 1.0
    expected = 1.3 * precision * recall / (0.3 * precision + recall)
    assert result["samples"]["a_dog_1"]["F"] == pytest.approx(expected, abs=1e-6)
    assert result["samples"]["null_m-a_null_1"] == {"S": pytest.approx(0.5)}
    assert result["mean"]["J"] == result["samples"]["a_dog_1"]["J"]


def test_evaluate_refuses_what_it_cannot_score(tgs, tmp_path):
    (tmp_path / "pred").mkdir()
    write_mask(tmp_path / "gt/a_dog_1/00000.png", columns=4, value=255)
    empty = tgs("evaluate", str(tmp_path / "pred"), str(tmp_path / "gt"), "--protocol", "tgs")
    assert empty.exit_code == 1 and "Traceback" not in empty.stderr and str(tmp_path / "pred") in empty.stderr
    unknown = tgs("evaluate", str(tmp_path / "gt"), str(tmp_path / "gt"), "--protocol", "voc")
    assert unknown.exit_code == 1 and "'voc'" in unknown.stderr and "davis" in unknown.stderr


def test_commands_before_any_run_say_what_to_do(tgs, tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    for command in (["scores"], ["chains"], ["picture", "0", "--out", "p.png"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 1 and "run `dvc repro`" in done.stderr, command
    assert CliRunner().invoke(app, ["cache", "stats"]).exit_code == 0


def test_sweep_and_calibrate_say_what_they_need(tgs, tmp_path):
    absent = tgs("sweep", str(tmp_path / "absent.yaml"), "--out", str(tmp_path / "out"))
    assert absent.exit_code == 1 and "absent.yaml: no such file; start from a copy of experiments/" in absent.stderr
    refused = tgs("calibrate", "--out", str(tmp_path / "out"))
    assert refused.exit_code == 1 and "split 'val' is not among dataset.splits" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_extract_refuses_a_name_that_is_no_id(tgs, tmp_path):
    (tmp_path / "a b.mp4").write_bytes(b"")
    done = tgs("extract", str(tmp_path / "a b.mp4"), "--out", str(tmp_path / "data"))
    assert done.exit_code == 1 and "'a b' is no valid id" in done.stderr
