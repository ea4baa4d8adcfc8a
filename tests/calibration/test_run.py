import csv

import numpy as np
import pytest
import yaml
from asked_example import chain, sample, workspace_in, write
from PIL import Image
from project import ROOT

from tgs_pipeline.artifacts import candidates, masks, table
from tgs_pipeline.calibration import run as calibration
from tgs_pipeline.execution import Execution
from tgs_pipeline.metrics import levels, rle
from tgs_pipeline.operators import ground
from tgs_pipeline.params import Params

SIZE = (32, 32)
EXECUTION = Execution(
    cache=None, batch_size=1, num_loaders=1, flush_rows=1, flush_sec=1.0, max_failure_rate=0.0, device="cpu"
)
# uid, is null, probability of null, score of the candidate in each of two frames
SAMPLES = [
    ("a_dog_1", False, 0.1, (0.9, 0.8)),
    ("a_dog_2", False, 0.2, (0.7, 0.6)),
    ("null_m-a_null_1", True, 0.9, (0.5, 0.5)),
    ("null_m-a_null_2", True, 0.1, (0.3, 0.2)),
]


def make_params(**changes):
    data = yaml.safe_load((ROOT / "params.yaml").read_text())
    data["detect"]["captions"], data["ground"]["prompt"] = ["s_object"], "s_object"
    data["dataset"]["splits"] = ["val"]
    data["ground"] |= changes
    return Params.model_validate(data)


@pytest.fixture
def workspace(tmp_path):
    """Four samples of split val; the mask of a null sample fills a quarter of each frame, the dog leaves the second."""
    place = workspace_in(tmp_path)
    place.dataset.mkdir()
    for name, value in (("seen", 255), ("gone", 0)):
        Image.fromarray(np.full(SIZE, value, np.uint8)).save(place.dataset / f"{name}.png")
    pairs, stored = [], []
    for row, (uid, is_null, probability, scores) in enumerate(SAMPLES):
        frames = [f"f{row}0", f"f{row}1"]
        truth = [None, None] if is_null else ["seen.png", "gone.png" if row == 1 else "seen.png"]
        one = sample(uid, row, frames=frames, size=SIZE, split="val", is_null=is_null, mask_paths=truth)
        pairs.append((one, chain(uid, row, "dog", split="val", null_probability=probability)))
        stored += [
            {
                "key": frame, "frame_hash": frame, "caption": "dog.", "boxes_xyxy": [0.0, 0.0, 0.5, 0.5],
                "scores": [score], "query_index": [0], "tokens": ["dog"], "token_scores": [score], "status": "ok",
                "reason": None,
            }
            for frame, score in zip(frames, scores, strict=True)
        ]  # fmt: skip
    write(place, pairs)
    table.write_rows(place.candidates, candidates.SCHEMA, stored)
    return place


def ground_and_segment(workspace, params):
    ground.run(params, workspace, EXECUTION)
    quarter = np.zeros(SIZE, bool)
    quarter[:16, :16] = True
    rows = []
    for box in table.read_rows(workspace.boxes, ground.boxes.SCHEMA):
        shown = quarter & (box["status"] == "ok")
        rows.append(
            {name: box[name] for name in ("uid", "row", "frame_index", "status", "reason")}
            | {"height": SIZE[0], "width": SIZE[1], "rle": rle.encode(shown), "levels_size": SIZE[0]}
            | {"levels": levels.compress(shown.astype(np.float32) * 0.9), "predicted_iou": None}
        )
    table.write_rows(workspace.masks, masks.SCHEMA, rows)


def fit(workspace, tmp_path, **changes):
    params = make_params(**changes)
    ground_and_segment(workspace, params)
    return {one.name: one for one in calibration.run(params, workspace, split="val", out=tmp_path / "out")}


def test_thresholds_are_fitted_one_after_the_other(workspace, tmp_path):
    fits = fit(workspace, tmp_path, box_threshold=0.05)
    null, clip, box = fits["null_threshold"], fits["clip_threshold"], fits["box_threshold"]
    assert (null.chosen.threshold, null.chosen.missed, null.chosen.false_positives) == (0.55, 0, 0.5)
    assert pytest.approx(0.25) == null.chosen.S  # one of two null samples is kept, and half a side is covered
    assert (clip.num_present, clip.num_absent, clip.chosen.threshold) == (2, 1, 0.5)  # halfway between 0.3 and 0.7
    assert (box.num_present, box.num_absent) == (3, 1)
    assert 0.6 <= box.chosen.threshold <= 0.7 and box.chosen.missed == box.chosen.false_positives == 0
    text = calibration.as_text(list(fits.values()))
    assert "  null_threshold: 0.55  # missed 0.0 %, false positives 50.0 %, S 0.250 (2 samples with" in text
    with (tmp_path / "out/calibration.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["name"] for row in rows} == {"null_threshold", "clip_threshold", "box_threshold"}
    assert [row["threshold"] for row in rows if row["chosen"] == "1"] == ["0.55", "0.5", "0.65"]
    page = (tmp_path / "out/calibration.html").read_text()
    assert "<svg" in page and "<script" not in page and "clip_threshold: 0.5" in page


def test_what_the_run_abstained_from_has_no_score(workspace, tmp_path):
    fits = fit(workspace, tmp_path, clip_threshold=0.4)
    point = fits["clip_threshold"].points[0]
    assert (point.false_positives, point.S) == (1.0, None)
    assert fits["clip_threshold"].chosen.S == 0


def test_another_split_is_refused(workspace):
    with pytest.raises(ValueError, match=r"split 'train' is not among dataset.splits \['val'\]: add it there and run"):
        calibration.run(make_params(), workspace, split="train", out=workspace.artifacts)
