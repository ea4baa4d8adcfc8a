import numpy as np
import pytest
import torch
from metrics import slow_tgs
from PIL import Image

from tgs_pipeline.metrics import levels, tgs

QUARTER = np.zeros((16, 16), bool)
QUARTER[4:8, 4:8] = True  # 16 of 256 px: 6.25 %
NOTHING = np.zeros((16, 16), bool)
NO_SCORE = np.zeros((16, 16), np.uint8)


def test_resize_gt_nearest_keeps_the_area():
    doubled = np.kron(QUARTER, np.ones((2, 2), bool)).astype(np.uint8)  # foreground is 1, not 255
    assert (tgs.resize_gt(doubled, height=16, width=16, how="nearest") == QUARTER).all()


def test_resize_gt_bicubic_bool_dilates_a_real_mask(shared_data):
    masks = sorted(shared_data.rglob("00007.png"))
    if not masks:
        pytest.skip("the CRAB example mask is not among the shared data")
    with Image.open(masks[0]) as image:
        grey = np.asarray(image.convert("L"))
    sizes = {how: tgs.resize_gt(grey, height=224, width=224, how=how).sum() for how in ("nearest", "bicubic_bool")}
    assert sizes == {"nearest": 2132, "bicubic_bool": 2291}  # UPSTREAM_FACTS 1.3


def test_j_of_half_an_overlap():
    pred = np.roll(QUARTER, 2, axis=0)  # 8 px shared, 24 px together
    assert tgs.jaccard(pred, QUARTER) == pytest.approx(8 / 24, abs=1e-7)
    assert tgs.jaccard(QUARTER, QUARTER) == pytest.approx(1, abs=1e-7)


def test_j_where_nothing_is_to_be_found_is_the_share_of_true_negatives():
    assert tgs.jaccard(NOTHING, NOTHING) == 1
    assert tgs.jaccard(QUARTER, NOTHING) == 0.9375
    assert tgs.jaccard(~NOTHING, NOTHING) == 0


def test_f_of_an_empty_prediction_is_not_zero():
    assert tgs.f_measure([NO_SCORE], [QUARTER]) == pytest.approx(0.0798, abs=5e-5)  # 1.3 p / (0.3 p + 1)


def test_f_of_a_perfect_prediction_is_one():
    assert tgs.f_measure([QUARTER.astype(np.uint8) * 255], [QUARTER]) == pytest.approx(1)


def test_f_of_a_confident_miss_keeps_the_floor():
    pred = np.roll(QUARTER, 8, axis=0).astype(np.uint8) * 255
    assert tgs.f_measure([pred], [QUARTER]) == pytest.approx(0.0798, abs=5e-5)


def test_f_skips_frames_without_ground_truth_and_a_video_without_any_scores_zero():
    found = QUARTER.astype(np.uint8) * 255
    assert tgs.f_measure([found, found], [QUARTER, NOTHING]) == pytest.approx(1)
    assert tgs.f_measure([found, NO_SCORE], [NOTHING, NOTHING]) == 0
    assert tgs.score_video([NO_SCORE], [NOTHING]) == (1, 0)


def test_f_averages_the_curve_before_the_maximum():
    sure, unsure = np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32)
    gt = np.zeros((4, 4), bool)
    gt[0, 0] = True
    sure[0, 0], sure[0, 1] = 0.9, 0.6  # best between .6 and .9
    unsure[0, 0], unsure[0, 1] = 0.3, 0.2  # best between .2 and .3
    both = [levels.encode(sure), levels.encode(unsure)]
    assert [tgs.f_measure([one], [gt]) for one in both] == [pytest.approx(1), pytest.approx(1)]
    # No threshold is best for both: at .25 the frames score 1.3 * .5 / (.3 * .5 + 1) and 1.
    assert tgs.f_measure(both, [gt, gt]) == pytest.approx((0.65 / 1.15 + 1) / 2)


@pytest.mark.parametrize("seed", range(4))
def test_f_equals_the_direct_definition(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 1, 6, 6, generator=generator) * 4
    logits = torch.nn.functional.interpolate(logits, (32, 32), mode="bilinear")[:, 0]
    probabilities = (logits + torch.randn(3, 32, 32, generator=generator)).sigmoid()
    gt = logits > 1
    gt[seed % 3] &= seed % 2 == 0  # some videos have a frame without ground truth
    fast = tgs.f_measure([levels.encode(frame) for frame in probabilities.numpy()], list(gt.numpy()))
    assert fast == pytest.approx(slow_tgs.f_measure(probabilities, gt), abs=1e-6)


def test_f_curve_equals_the_direct_definition_at_the_thresholds_themselves():
    probabilities = torch.linspace(0, 1 - 1e-10, 255)[None].repeat(3, 1)
    gt = torch.rand(3, 255, generator=torch.Generator().manual_seed(0)) > 0.5
    fast = tgs.f_measure([levels.encode(probabilities.numpy())], [gt.numpy()])
    assert fast == pytest.approx(slow_tgs.f_measure(probabilities[None], gt[None]), abs=1e-6)


def test_s_is_the_mean_over_frames_of_the_root_of_the_foreground_share():
    assert tgs.null_score([QUARTER, NOTHING]) == 0.125  # (sqrt(1/16) + 0) / 2
    assert tgs.null_score([~NOTHING]) == 1


def test_score_video_takes_the_binary_mask_above_one_half():
    half = np.where(QUARTER, np.float32(0.5), np.float32(0))
    above = np.where(QUARTER, np.float32(0.51), np.float32(0))
    assert tgs.score_video([levels.encode(half)], [QUARTER])[0] == 0
    assert tgs.score_video([levels.encode(above)], [QUARTER])[0] == pytest.approx(1, abs=1e-7)
