from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tgs_pipeline.data.avsbench_classes import palette
from tgs_pipeline.metrics import avss


def test_class_scores_equal_the_original():
    golden = load_file(Path(__file__).parents[1] / "golden" / "protocols.safetensors")
    scores = avss.ClassScores()
    for pred, gt in zip(golden["avss_pred"], golden["avss_gt"], strict=True):
        scores.add(pred, gt)
    means = scores.means()
    found = [means[name] for name in ("J", "F", "J_without_last", "F_without_last")]
    assert found == pytest.approx(golden["avss"].tolist(), abs=2e-5)


def test_without_background_leaves_out_class_zero():
    scores = avss.ClassScores()
    scores.add(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8))
    means = scores.means()
    assert means["J"] == pytest.approx(1 / 71) and means["J_without_last"] == pytest.approx(1 / 70)
    assert means["J_without_background"] == means["F_without_background"] == 0


def test_palette_and_back():
    colours = palette()
    assert colours[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert (colours[8].tolist(), colours[70].tolist()) == ([64, 0, 0], [32, 128, 128])  # 70 is 0o106
    assert len({tuple(colour) for colour in colours.tolist()}) == 71
    assert (avss.labels_of(colours[None]) == np.arange(71)).all()
    assert avss.labels_of(np.array([[[1, 2, 3]]], np.uint8)).tolist() == [[0]]
