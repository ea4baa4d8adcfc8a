from pathlib import Path

import numpy as np
import pytest
import yaml
from benchmark_example import write_semantic
from PIL import Image
from project import ROOT

from tgs_pipeline.data.avsbench_classes import palette
from tgs_pipeline.evaluate_semantic import evaluate_colours, evaluate_split
from tgs_pipeline.params import Params

LABELS = np.zeros((8, 8), np.uint8)
LABELS[:4] = 9
WRONG = np.where(LABELS == 9, 5, 0).astype(np.uint8)


def write(root: Path, uid: str, *frames: np.ndarray) -> None:
    (root / uid).mkdir(parents=True)
    for index, labels in enumerate(frames):
        Image.fromarray(palette()[labels]).save(root / uid / f"{index}.png")


def test_classes_are_averaged_over_the_frames_that_hold_them(tmp_path):
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    write(gt, "a", LABELS, LABELS)
    write(pred, "a", LABELS, WRONG)
    result = evaluate_colours(pred, gt)
    # Class 0 is right in both frames, 9 in one of two, 5 is predicted in vain.
    assert result.mean["J"] == pytest.approx((1 + 0.5 + 0) / 71)
    assert result.mean["F_without_background"] == pytest.approx(0.5 / 70)
    assert result.samples["a"]["J"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert (result.protocol, result.mean["num_samples"]) == ("avss", 1)


def test_what_is_wrong_is_listed(tmp_path):
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    write(gt, "a", LABELS, LABELS)
    write(gt, "b", LABELS)
    write(pred, "a", LABELS)
    (pred / "a" / "0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"3 problem\(s\)") as caught:
        evaluate_colours(pred, gt)
    assert all(name in str(caught.value) for name in ("a/0.png: not a readable", "a/1.png: no such file", "b: no such"))


def test_a_split_is_scored_where_the_dataset_has_its_masks(tmp_path):
    root, pred = tmp_path / "data", tmp_path / "pred"
    root.mkdir()
    frames, classes = np.zeros((5, 8, 8, 3), np.uint8), np.stack([LABELS] * 5)
    write_semantic(root, {"a": ("v1m", frames, classes), "b": ("v1s", frames, classes)})
    data = yaml.safe_load((ROOT / "params.yaml").read_text())
    data["dataset"] |= {
        "tinyworld": None,
        "adapter": "avsbench_semantic",
        "root": str(root),
        "metadata": "metadata.csv",
    }
    params = Params.model_validate(data)
    write(pred, "a", *classes)
    with pytest.raises(ValueError, match=r"1 problem\(s\):\n  .*/b: no such folder, but b is of split 'test'"):
        evaluate_split(params, root, pred=pred, split="test")
    write(pred, "b", *classes[:4])
    with pytest.raises(ValueError, match=r"1 problem\(s\):\n  .*/b/4\.png"):
        evaluate_split(params, root, pred=pred, split="test")
    with pytest.raises(ValueError, match=r"nothing to score: split 'val' of .* holds no sample"):
        evaluate_split(params, root, pred=pred, split="val")
    Image.fromarray(palette()[WRONG]).save(pred / "b" / "4.png")
    result = evaluate_split(params, root, pred=pred, split="test")
    assert result.samples["a"]["J"] == 1 and result.samples["b"]["J"] == pytest.approx((1 + 0.8 + 0) / 3)
    assert result.mean["num_samples"] == 2
