import numpy as np
import pytest

from tgs_pipeline.metrics import levels
from tgs_pipeline.segmenting import maps


def test_score_map_is_bilinear_then_sigmoid():
    scores = maps.score_map(np.float32([[-4, -4], [4, 4]]), size_px=4)
    expected = 1 / (1 + np.exp(-np.float32([-4, -2, 2, 4])))
    assert scores == pytest.approx(np.repeat(expected[:, None], 4, axis=1), abs=1e-6)


def test_a_score_map_of_sure_logits_reaches_the_ends():
    scores = maps.score_map(np.float32([[-32, 32]]), size_px=2)
    assert levels.encode(scores).tolist() == [[0, 255], [0, 255]]


def test_resize_of_no_object():
    assert maps.resize(np.zeros((0, 2, 2), np.float32), size=(3, 4)).shape == (0, 3, 4)


def test_each_pixel_goes_to_the_highest_logit_or_to_the_background():
    first = [-2.0, -1.0, -0.5, 1.0, 2.0, 3.0]
    second = [-3.0, -4.0, -0.75, 1.5, 2.0, -9.0]
    shared = maps.exclude(np.float32([[first], [second]]), background_logit=-1.0)
    owner = [0, 0, 1, 2, 1, 1]  # the background wins at its own logit, the first object where both are equal
    assert (shared[0, 0] > 0).tolist() == [one == 1 for one in owner]
    assert (shared[1, 0] > 0).tolist() == [one == 2 for one in owner]
    assert shared[0, 0].tolist() == [-32, -32, 0.5, -32, 3.0, 4.0]
    assert shared[1, 0].tolist() == [-32, -32, -32, 2.5, -32, -32]


def test_one_object_over_a_background_of_zero_is_what_it_is_alone():
    logits = np.random.default_rng(0).normal(size=(1, 4, 4)).astype(np.float32)
    shared = maps.exclude(logits, background_logit=0.0)
    assert ((shared > 0) == (logits > 0)).all()
    assert (shared[logits > 0] == logits[logits > 0]).all()
