"""Scores of the original evaluators (tests/golden/make_protocols.py), and what they do not cover."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tgs_pipeline.metrics import levels, protocols, refavs
from tgs_pipeline.metrics.protocols import Predicted

SQUARE = np.zeros((16, 16), bool)
SQUARE[4:8, 4:8] = True  # 6.25 %
NOTHING = np.zeros_like(SQUARE)
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return load_file(Path(__file__).parents[1] / "golden" / "protocols.safetensors")


def predicted(logits_THW: np.ndarray) -> Predicted:
    """Through the form in which score maps are stored."""
    probabilities = 1 / (1 + np.exp(-logits_THW))
    stored = [levels.compress(frame) for frame in probabilities.astype(np.float32)]
    size = logits_THW.shape[-1]
    return protocols.from_levels(
        [levels.decompress(data, size=size) for data in stored],
        [levels.decompress_low(data, size=size) for data in stored],
    )


def samples_of(golden: dict[str, np.ndarray]) -> list[tuple[Predicted, list[np.ndarray]]]:
    return [
        (predicted(logits), list(gt.astype(bool))) for logits, gt in zip(golden["logits"], golden["gt"], strict=True)
    ]


@pytest.mark.parametrize("protocol", ["refavs", "avsbench"])
def test_samples_and_batches_equal_the_original(golden, protocol):
    batches = protocols.batches(protocol)
    assert batches is not None
    for (pred, gt), expected in zip(samples_of(golden), golden[f"{protocol}_samples"], strict=True):
        scores, tally = protocols.score_sample(pred, gt, protocol=protocol)
        assert (scores["J"], scores["F"]) == pytest.approx(tuple(expected), abs=TOLERANCE)
        assert tally is not None
        batches.add(tally)
    assert len(golden[protocol]) == 2, "six samples are a batch of four and one of two, of equal weight"
    expected = golden[protocol].mean(axis=0)
    assert (batches.means()["J"], batches.means()["F"]) == pytest.approx(tuple(expected), abs=TOLERANCE)
    assert abs(expected - golden[f"{protocol}_samples"].mean(axis=0)).max() > 1e-3, "which is not the mean over samples"


def test_tgs_equals_the_original_in_every_sample(golden):
    expected = zip(golden["tgs_samples"], golden["tgs_null_samples"], strict=True)
    for (pred, gt), (scores, null) in zip(samples_of(golden), expected, strict=True):
        found, _ = protocols.score_sample(pred, gt, protocol="tgs")
        assert (found["J"], found["F"]) == pytest.approx(tuple(scores), abs=TOLERANCE)
        assert protocols.score_null(pred.masks, protocol="tgs")[0] == pytest.approx(null, abs=TOLERANCE)


def test_davis_equals_the_original_in_every_frame(golden):
    frames = zip(golden["davis_objects_pred"], golden["davis_objects_gt"], golden["davis_frames"], strict=True)
    for pred, gt, expected in frames:
        found, _ = protocols.score_sample(Predicted([pred.astype(bool)]), [gt.astype(bool)], protocol="davis")
        assert (found["J"], found["F"]) == pytest.approx(tuple(expected), abs=TOLERANCE)


def test_null_scores_of_refavs_equal_the_original(golden):
    batches = protocols.null_batches("refavs")
    assert batches is not None
    for (pred, _), expected in zip(samples_of(golden), golden["refavs_null_samples"][:, 0], strict=True):
        value, tally = protocols.score_null(pred.masks, protocol="refavs")
        assert value == pytest.approx(expected, abs=TOLERANCE)
        assert tally is not None
        batches.add(tally)
    assert batches.means()["S"] == pytest.approx(golden["refavs_null"].mean(), abs=TOLERANCE)


def test_alref_equals_the_original_in_every_frame_and_over_all(golden):
    batches = protocols.batches("alref")
    assert batches is not None
    frames = golden["alref_frames"].reshape(*golden["logits"].shape[:2], 2)
    for logits, gt, expected in zip(golden["logits"], golden["gt"], frames, strict=True):
        scores, tally = protocols.score_sample(Predicted(list(logits > 0)), list(gt.astype(bool)), protocol="alref")
        assert (scores["J"], scores["F"]) == pytest.approx(tuple(expected.mean(axis=0)), abs=TOLERANCE)
        assert tally is not None
        batches.add(tally)
    assert (batches.means()["J"], batches.means()["F"]) == pytest.approx(
        tuple(golden["alref_frames"].mean(axis=0)), abs=TOLERANCE
    )


def test_ground_truth_of_refavs_is_resized_as_the_original_does(golden):
    resized = refavs.resize_gt(golden["native_gt"], height=16, width=16)
    assert (resized == golden["resized_gt"].astype(bool)).all()
    nearest = protocols.resize_gt(golden["native_gt"], height=16, width=16, protocol="avsbench", how="bicubic_bool")
    assert nearest.sum() < resized.sum(), "which calls more of it foreground"


def test_alref_counts_a_frame_without_ground_truth_as_zero():
    scores, _ = protocols.score_sample(Predicted([NOTHING, SQUARE]), [NOTHING, SQUARE], protocol="alref")
    assert scores == {"J": pytest.approx(1), "F": pytest.approx(0.5)}


def test_refavs_cuts_j_at_four_tenths_and_s_at_one_half():
    pred = predicted(np.where(SQUARE, np.float32(-0.2), np.float32(-9))[None])  # p = .45
    scores, _ = protocols.score_sample(pred, [SQUARE], protocol="refavs")
    assert scores["J"] == pytest.approx(1)
    assert protocols.score_sample(pred, [SQUARE], protocol="avsbench")[0]["J"] == 0
    assert protocols.score_null(pred.masks, protocol="refavs")[0] == 0


def test_refavs_takes_the_root_over_all_pixels_of_a_batch():
    assert protocols.score_null([SQUARE, NOTHING], protocol="refavs")[0] == pytest.approx((0.0625 / 2) ** 0.5)
    assert protocols.score_null([SQUARE, NOTHING], protocol="tgs")[0] == 0.125


@pytest.mark.parametrize("protocol", ["refavs", "avsbench", "alref"])
def test_the_worst_sample_pulls_its_batch_down(protocol):
    batches = protocols.batches(protocol)
    assert batches is not None
    pred = predicted(np.where(SQUARE, np.float32(9), np.float32(-9))[None])
    batches.add(protocols.score_sample(pred, [SQUARE], protocol=protocol)[1])
    batches.add(protocols.worst(num_frames=1, num_px=256, is_null=False))
    assert batches.means() == {"J": pytest.approx(0.5), "F": pytest.approx(0.5)}


def test_without_samples_there_are_no_means():
    assert [protocols.batches(name).means() for name in ("refavs", "avsbench", "alref")] == [{}] * 3
    assert protocols.batches("tgs") is protocols.batches("davis") is protocols.null_batches("tgs") is None
