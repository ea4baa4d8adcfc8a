import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tgs_pipeline.evaluate import evaluate_folders

SQUARE = np.zeros((16, 16), np.uint8)
SQUARE[4:8, 4:8] = 255  # 6.25 %
NOTHING = np.zeros_like(SQUARE)


def write(root: Path, uid: str, *frames: np.ndarray) -> None:
    (root / uid).mkdir(parents=True)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(root / uid / f"{index:05d}.png")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    write(gt, "a_dog_1", SQUARE, SQUARE)
    write(pred, "a_dog_1", SQUARE, NOTHING)
    write(gt, "b_cat_1", SQUARE)
    write(pred, "b_cat_1", SQUARE)
    write(pred, "null_m-a_null_1", SQUARE, NOTHING)
    return pred, gt


def test_tgs(folders):
    result = evaluate_folders(*folders, protocol="tgs")
    assert result.samples["a_dog_1"]["J"] == pytest.approx(0.5)
    assert result.samples["a_dog_1"]["F"] == pytest.approx(0.5)  # above threshold 0 the frames score 1 and 0
    assert result.samples["b_cat_1"] == {"J": pytest.approx(1), "F": pytest.approx(1)}
    assert result.samples["null_m-a_null_1"] == {"S": 0.125}
    assert result.mean["J"] == pytest.approx(0.75)
    assert result.mean["JF"] == pytest.approx((result.mean["J"] + result.mean["F"]) / 2)
    assert result.mean["S"] == 0.125
    assert result.mean["false_positive_rate"] == 1
    assert (result.mean["num_samples"], result.mean["num_null_samples"]) == (2, 1)
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["protocol"] == "tgs"


def test_davis(folders):
    result = evaluate_folders(*folders, protocol="davis")
    assert result.samples["a_dog_1"] == {"J": 0.5, "F": 0.5}
    assert result.samples["b_cat_1"] == {"J": 1, "F": 1}


def test_foreground_is_probability_above_one_half(tmp_path):
    for uid, grey in {"a_x_1": 127, "b_x_1": 128}.items():
        write(tmp_path / "gt", uid, SQUARE)
        write(tmp_path / "pred", uid, np.where(SQUARE > 0, grey, 0).astype(np.uint8))
    result = evaluate_folders(tmp_path / "pred", tmp_path / "gt", protocol="tgs")
    assert result.samples["a_x_1"]["J"] == 0
    assert result.samples["b_x_1"]["J"] == pytest.approx(1)
    assert result.samples["a_x_1"]["F"] == pytest.approx(1)  # F takes the best threshold


def test_ground_truth_of_another_size_is_resized_under_tgs_and_refused_under_davis(tmp_path):
    write(tmp_path / "gt", "a_x_1", np.kron(SQUARE // 255, np.ones((2, 3), np.uint8)))  # foreground is 1, not 255
    write(tmp_path / "pred", "a_x_1", SQUARE)
    result = evaluate_folders(tmp_path / "pred", tmp_path / "gt", protocol="tgs")
    assert result.samples["a_x_1"]["J"] == pytest.approx(1)
    with pytest.raises(ValueError, match=r"00000\.png: 16 x 16 px, but .*00000\.png has 48 x 32 px"):
        evaluate_folders(tmp_path / "pred", tmp_path / "gt", protocol="davis")


def test_only_null_samples(tmp_path):
    write(tmp_path / "pred", "null_c-a_null_1", NOTHING)
    (tmp_path / "gt").mkdir()
    mean = evaluate_folders(tmp_path / "pred", tmp_path / "gt", protocol="tgs").mean
    assert (mean["J"], mean["F"], mean["JF"], mean["S"], mean["false_positive_rate"]) == (None, None, None, 0, 0)


def test_predictions_without_ground_truth_are_told_and_left_out(folders):
    pred, gt = folders
    write(pred, "z_dog_1", SQUARE)
    Image.fromarray(SQUARE).save(pred / "b_cat_1" / "00007.png")
    result = evaluate_folders(pred, gt, protocol="tgs")
    assert "z_dog_1" not in result.samples
    assert len(result.warnings) == 2
    assert "00007.png: not scored" in result.warnings[0]
    assert "z_dog_1: not scored, because there is no" in result.warnings[1]


def test_everything_wrong_is_listed_at_once(folders):
    pred, gt = folders
    write(gt, "c_dog_1", SQUARE)  # no folder in pred
    (pred / "a_dog_1" / "00001.png").unlink()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(pred / "b_cat_1" / "00000.png")
    write(gt, "d_dog_1", SQUARE)
    write(pred, "d_dog_1", SQUARE)
    whole = (gt / "d_dog_1" / "00000.png").read_bytes()
    (gt / "d_dog_1" / "00000.png").write_bytes(whole[: len(whole) // 2])
    write(gt, "e_dog_1")
    write(pred, "e_dog_1", SQUARE)
    write(pred, "null_c-empty_null_1")
    write(gt, "f_dog_1", SQUARE.astype(np.int32).astype(np.uint16))
    write(pred, "f_dog_1", SQUARE)
    with pytest.raises(ValueError, match=r"7 problem\(s\)") as caught:
        evaluate_folders(pred, gt, protocol="tgs")
    message = str(caught.value)
    assert f"{pred / 'c_dog_1'}: no such folder" in message
    assert f"{pred / 'a_dog_1' / '00001.png'}: no such file" in message
    assert f"{pred / 'b_cat_1' / '00000.png'}: PIL mode 'RGB', expected 8-bit grey" in message
    assert f"{gt / 'd_dog_1' / '00000.png'}: " in message
    assert f"{gt / 'e_dog_1'}: holds no PNG" in message
    assert f"{pred / 'null_c-empty_null_1'}: holds no PNG" in message
    assert f"{gt / 'f_dog_1' / '00000.png'}: PIL mode 'I;16'" in message


def test_nothing_to_score_is_an_error_and_never_a_perfect_score(tmp_path):
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    with pytest.raises(ValueError, match="no such folder of predictions"):
        evaluate_folders(pred, gt, protocol="tgs")
    pred.mkdir()
    gt.mkdir()
    with pytest.raises(ValueError, match="holds no sample folders"):
        evaluate_folders(pred, gt, protocol="tgs")
    write(pred, "a_dog_1", SQUARE)
    with pytest.raises(ValueError, match="nothing to score"):
        evaluate_folders(pred, gt, protocol="tgs")


def test_unknown_protocol(folders):
    with pytest.raises(
        ValueError, match="protocol 'iou' is unknown: expected one of tgs, refavs, avsbench, alref, davis"
    ):
        evaluate_folders(*folders, protocol="iou")


def test_batches_follow_the_order_that_is_asked_for(tmp_path):
    uids = [f"{name}_x_1" for name in "abcde"]
    for uid in uids:
        write(tmp_path / "gt", uid, SQUARE)
        write(tmp_path / "pred", uid, NOTHING if uid == "e_x_1" else SQUARE)
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    assert evaluate_folders(pred, gt, protocol="tgs").mean["J"] == pytest.approx(0.8)
    for protocol in ("refavs", "avsbench"):
        # Batches of four and one: the last sample weighs as much as the four before it.
        assert evaluate_folders(pred, gt, protocol=protocol).mean["J"] == pytest.approx(0.5)
        first = evaluate_folders(pred, gt, protocol=protocol, order=uids[::-1])
        assert list(first.samples) == uids[::-1]
        assert first.mean["J"] == pytest.approx((0.75 + 1) / 2)
    with pytest.raises(ValueError, match=r"2 problem\(s\)") as caught:
        evaluate_folders(pred, gt, protocol="refavs", order=[*uids[:4], "a_x_1"])
    assert "a_x_1: stands more than once" in str(caught.value) and "e_x_1: is not in the order" in str(caught.value)


def test_alref_is_a_mean_over_frames(tmp_path):
    write(tmp_path / "gt", "a_x_1", SQUARE)
    write(tmp_path / "pred", "a_x_1", NOTHING)
    write(tmp_path / "gt", "b_x_1", SQUARE, SQUARE, NOTHING)
    write(tmp_path / "pred", "b_x_1", SQUARE, SQUARE, NOTHING)
    mean = evaluate_folders(tmp_path / "pred", tmp_path / "gt", protocol="alref").mean
    assert mean["J"] == pytest.approx(3 / 4)
    assert mean["F"] == pytest.approx((0.08125 / 1.01875 + 2) / 4)  # an empty mask has the floor, an absent object 0
