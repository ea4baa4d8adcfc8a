import numpy as np
import pytest

from tgs_pipeline.metrics.stability import temporal_stability


def row(*shown: int) -> np.ndarray:
    """A mask of one row of eight pixels."""
    mask = np.zeros((1, 8), bool)
    mask[0, list(shown)] = True
    return mask


def stability(pred, gt, *, frame_indices=None):
    return temporal_stability(pred, gt, frame_indices=frame_indices or range(len(pred)))


def test_a_perfect_sequence_is_stable_however_the_object_moves():
    moving = [row(0, 1), row(3, 4), row(), row(6)]
    assert stability(moving, moving) == 1


def test_the_same_error_in_every_frame_is_stable():
    assert stability([row(0, 5), row(0, 5)], [row(0, 1), row(0, 1)]) == 1


def test_what_turns_wrong_or_right_is_counted():
    """Pixel 1 is found, missed, found: 1 of |{0, 1}| + |{0, 1}| = 4 in both pairs."""
    assert stability([row(0, 1), row(0), row(0, 1)], [row(0, 1)] * 3) == pytest.approx(0.75)


def test_an_empty_sequence_is_as_stable_as_the_object_rests():
    assert stability([row(), row()], [row(0, 1), row(0, 1)]) == 1
    assert stability([row(), row()], [row(0, 1), row(1, 2)]) == pytest.approx(1 - 2 / 3)


def test_the_worst_is_zero_and_nothing_at_all_is_stable():
    assert stability([row(0, 1), row()], [row(), row(2)]) == 0
    assert stability([row(), row()], [row(), row()]) == 1


def test_frames_across_a_gap_are_not_compared():
    flickering = [row(0), row(), row(0)]
    assert stability(flickering, [row(0)] * 3, frame_indices=[0, 2, 3]) == pytest.approx(0.5)
    assert stability(flickering[:2], [row(0)] * 2, frame_indices=[0, 2]) is None
    assert stability([row(0)], [row(0)]) is None
