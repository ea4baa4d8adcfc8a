import numpy as np
import pytest

from tgs_pipeline.calibration.thresholds import Cases, best, curve

NAN = float("nan")


def cases(values, present, *, S=None, answerable=None):
    number = len(values)
    return Cases(
        np.array(values),
        np.array(present, bool),
        np.array(answerable or [True] * number),
        np.array(S or [0.0] * number),
    )


def numbers(points):
    return [(point.threshold, point.missed, point.false_positives, point.S) for point in points]


def test_points_lie_between_the_values_and_are_counted_by_hand():
    found = cases([0.8, 0.6, 0.4, 0.2], [True, True, False, False], S=[NAN, NAN, 0.5, 0.1])
    assert numbers(curve(found, keeps=np.greater_equal, low=0.1)) == [
        (0.1, 0.0, 1.0, pytest.approx(0.3)),
        (0.3, 0.0, 0.5, 0.25),
        (0.5, 0.0, 0.0, 0.0),
        (0.7, 0.5, 0.0, 0.0),
        (1.0, 1.0, 0.0, 0.0),
    ]
    assert best(curve(found, keeps=np.greater_equal, low=0.1)).threshold == 0.5


def test_low_values_are_kept_where_the_value_is_doubt():
    found = cases([0.1, 0.9], [True, False])
    chosen = best(curve(found, keeps=np.less_equal, low=0.0))
    assert (chosen.threshold, chosen.missed, chosen.false_positives) == (0.5, 0, 0)


def test_the_middle_of_equally_good_thresholds_is_taken():
    found = cases([0.2, 0.4, 0.6, 0.8], [False, True, False, True])
    points = curve(found, keeps=np.greater_equal, low=0.0)
    costs = {point.threshold: point.missed + point.false_positives for point in points}
    assert costs == {0.0: 1.0, 0.3: 0.5, 0.5: 1.0, 0.7: 0.5, 1.0: 1.0}
    assert best(points).threshold == 0.7


def test_what_was_never_segmented_has_no_score():
    found = cases([0.8, 0.4, 0.3], [True, False, False], S=[NAN, 0.5, NAN])
    assert [point.S for point in curve(found, keeps=np.greater_equal, low=0.1)] == [None, 0.25, 0.0, 0.0]


def test_what_cannot_be_answered_is_never_kept():
    found = cases([0.1, 0.1, 0.9], [True, True, False], answerable=[True, False, True])
    assert [point.missed for point in curve(found, keeps=np.less_equal, low=0.0)] == [1.0, 0.5, 0.5]


def test_one_kind_alone_tells_nothing():
    assert curve(cases([0.1, 0.9], [True, True]), keeps=np.greater, low=0.0) == []
    assert curve(cases([0.1], [False]), keeps=np.greater, low=0.0) == []


def test_many_values_are_thinned():
    rng = np.random.default_rng(0)
    points = curve(cases(rng.random(999).tolist(), [True, False, False] * 333), keeps=np.greater, low=0.0)
    assert len(points) == 200 and (points[0].threshold, points[-1].threshold) == (0.0, 1.0)
