from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tgs_pipeline.evaluate_semantic import evaluate_colours
from tgs_pipeline.metrics import avss

LABELS = np.zeros((8, 8), np.uint8)
LABELS[:4] = 9
WRONG = np.where(LABELS == 9, 5, 0).astype(np.uint8)


def write(root: Path, uid: str, *frames: np.ndarray) -> None:
    (root / uid).mkdir(parents=True)
    for index, labels in enumerate(frames):
        Image.fromarray(avss.palette()[labels]).save(root / uid / f"{index}.png")


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
