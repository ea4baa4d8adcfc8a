import json

import pytest
import yaml
from asked_frames import FAR_BOX, NUM_CLIPS, SPLITS, Knowing, candidates, frames, truth
from project import ROOT
from typer.testing import CliRunner

from tgs_pipeline.cli import app
from tgs_pipeline.tinyworld.models import grounding_dino
from tgs_pipeline.training.evaluation.detector.run import evaluate

SEEDS = (61, 62)


def run(say, *, seeds=SEEDS, num_clips=NUM_CLIPS):
    detector = Knowing([frame for seed in seeds for split in SPLITS for frame in frames(seed, split)], say)
    done = evaluate(
        detector, seeds=seeds, num_clips=num_clips, threshold=0.95, batch_size=7, description={"detect": "made up"}
    )
    return done, detector


def test_a_perfect_detector_is_right_everywhere():
    done, detector = run(truth)
    result = done.to_json()
    assert {rate["share"] for rate in result["found"].values() if rate["total"]} == {1}
    fitted = result["present_against_absent"]["fitted"]
    assert fitted["threshold"] == pytest.approx(0.5) and fitted["balanced_accuracy"]["share"] == 1
    assert {one["auc"] for one in result["scores"].values() if one.get("auc") is not None} == {1}
    # Nothing scores above the pipeline's threshold of .95: all that is present is missed.
    assert result["present_against_absent"]["of the pipeline"]["balanced_accuracy"]["share"] == 0.5
    assert max(detector.batch_sizes) == 7


def test_a_hopeless_detector_is_right_nowhere():
    done, _ = run(lambda frame, question: candidates([FAR_BOX], [0.5]))
    result = done.to_json()
    assert {rate["share"] for rate in result["found"].values() if rate["total"]} == {0}
    fitted = result["present_against_absent"]["fitted"]["balanced_accuracy"]
    assert fitted["share"] == 0.5 and fitted["low"] < 0.5 < fitted["high"]
    assert {one["auc"] for one in result["scores"].values() if one.get("auc") is not None} == {0.5}


def test_seeds_add_up_and_results_are_written(tmp_path):
    nothing = candidates([], [])
    done, _ = run(lambda frame, question: truth(frame, question) if frame.seed == 61 else nothing)
    rate = done.to_json()["found"]["best box right: category"]
    assert (rate["seeds"]["61"]["share"], rate["seeds"]["62"]["share"]) == (1, 0)
    assert rate["total"] == sum(one["total"] for one in rate["seeds"].values()) >= 8
    done.write(tmp_path / "out")
    assert json.loads((tmp_path / "out/detector.json").read_text()) == done.to_json()
    lines = [json.loads(line) for line in (tmp_path / "out/detector.jsonl").read_text().splitlines()]
    assert {line["seed"] for line in lines} == {61, 62} and {line["split"] for line in lines} == {"test_s", "test_u"}
    assert all(line["iou"] > 0.99 for line in lines if line["seed"] == 61 and line["means"])
    text = (tmp_path / "out/detector.md").read_text()
    assert "16 frames of clips of the seeds 61, 62 (2 of test_s" in text
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) == 4 and all(len({len(line) for line in part.splitlines()}) == 1 for part in tables)
    [row] = [line for line in text.splitlines() if line.startswith("| best box right: category  ")]
    assert [cell.strip() for cell in row.strip("|").split("|")][-2:] == ["100.0", "0.0"]


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(ValueError, match=r"seeds must be different and at least one: got \[61, 61\]"):
        run(truth, seeds=(61, 61))
    with pytest.raises(ValueError, match="clips must be at least 1: got 0"):
        run(truth, num_clips=0)


def test_an_untrained_detector_is_evaluated(tmp_path):
    grounding_dino.write(tmp_path / "grounding_dino", seed=1)
    settings = yaml.safe_load((ROOT / "profiles/tiny.yaml").read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))
    command = ["train", "evaluate-detector", "--params", str(tmp_path / "params.yaml"), "--seed", "3", "--json"]
    command += ["--weights", str(tmp_path / "grounding_dino"), "--clips", "1", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result == json.loads((tmp_path / "out/detector.json").read_text())
    assert result["detector"]["detect"]["weights"] == str(tmp_path / "grounding_dino")
    assert result["frames"] == 4 and result["found"]["best box right: category"]["total"] >= 2


def test_a_backend_that_there_is_not_is_refused():
    done = CliRunner().invoke(
        app, ["train", "evaluate-detector", "--params", str(ROOT / "params.yaml"), "--backend", "x"]
    )
    assert done.exit_code == 1 and "Traceback" not in done.output
