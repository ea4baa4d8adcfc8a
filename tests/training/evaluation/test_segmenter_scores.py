import json

import pytest

from tgs_pipeline.training.evaluation.segmenter_scores import Observation, SegmenterEvaluation, score_of

OBSERVED = [
    Observation("frame: IoU", 1, 0, 0.2),
    Observation("frame: IoU", 1, 0, 0.4),
    Observation("frame: IoU", 1, 1, 0.9),
    Observation("frame: IoU", 2, 0, 0.6),
    Observation("clip: IoU", 2, 0, 1.0),
]
DONE = SegmenterEvaluation(OBSERVED, [1, 2], 2, {"weights": "w"})


def test_clips_count_alike():
    score = score_of(OBSERVED[:3])
    assert score.mean == pytest.approx((0.3 + 0.9) / 2) and score.num_clips == 2
    half = 1.96 * ((0.3**2 + 0.3**2) / 1) ** 0.5 / 2**0.5
    assert score.interval == pytest.approx((0.6 - half, 0.6 + half))
    assert score_of(OBSERVED[4:]).interval is None


def test_seeds_stand_beside_the_whole():
    found = DONE.to_json()
    assert (found["seeds"], found["clips_per_seed"], found["segmenter"]) == ([1, 2], 2, {"weights": "w"})
    frame = found["measures"]["frame: IoU"]
    assert frame["mean"] == pytest.approx(0.6) and frame["clips"] == 3
    assert frame["seeds"]["1"]["mean"] == pytest.approx(0.6) and frame["seeds"]["2"]["clips"] == 1
    assert found["measures"]["clip: IoU"]["low"] is None and list(found["measures"]) == ["frame: IoU", "clip: IoU"]


def test_the_table_is_in_percent(tmp_path):
    lines = DONE.to_markdown().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[2] == ["measure", "clips", "mean", "95 % interval", "seed 1", "seed 2"]
    assert cells[-1] == ["clip: IoU", "1", "100.0", "-", "-", "100.0"]
    DONE.write(tmp_path / "out")
    assert json.loads((tmp_path / "out/segmenter.json").read_text()) == DONE.to_json()
    assert (tmp_path / "out/segmenter.md").read_text() == DONE.to_markdown()
