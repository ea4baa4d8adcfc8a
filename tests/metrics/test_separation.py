import numpy as np
import pytest

from tgs_pipeline.metrics.separation import auc, balanced_accuracy, best_threshold
from tgs_pipeline.metrics.shares import wilson_interval


def test_auc_counts_pairs():
    present, absent = np.array([0.9, 0.5, 0.5]), np.array([0.1, 0.5])
    assert auc(present, absent) == pytest.approx((2 + 1.5 + 1.5) / 6)
    assert auc(absent, present) == pytest.approx(1 / 6)
    assert auc(np.array([0.5]), np.array([0.5])) == 0.5
    assert auc(np.array([]), absent) is None and auc(present, np.array([])) is None


def test_the_best_threshold_lies_between_the_groups():
    """Above .175 all that is present and a quarter of what is absent; above .45 two thirds and nothing."""
    present, absent = np.array([0.9, 0.6, 0.2]), np.array([0.1, 0.15, 0.3, 0.0])
    assert best_threshold(present, absent) == pytest.approx(0.175)
    assert best_threshold(present, np.array([0.3])) == pytest.approx(0.45)


def test_a_threshold_needs_both_groups():
    with pytest.raises(ValueError, match="a threshold needs scores of both groups: got 1 present, 0 absent"):
        best_threshold(np.array([0.5]), np.array([]))


def test_groups_that_cannot_be_told_apart():
    assert best_threshold(np.array([0.5]), np.array([0.5])) == 0.5


def test_balanced_accuracy_weighs_the_groups_alike():
    share, low, high = balanced_accuracy(8, 10, 50, 100)
    assert share == pytest.approx(0.65)
    (a, b), (c, d) = wilson_interval(8, 10), wilson_interval(50, 100)
    assert low == pytest.approx(0.65 - ((0.8 - a) ** 2 + (0.5 - c) ** 2) ** 0.5 / 2)
    assert high == pytest.approx(0.65 + ((b - 0.8) ** 2 + (d - 0.5) ** 2) ** 0.5 / 2)
    assert balanced_accuracy(10, 10, 100, 100)[0] == 1 == balanced_accuracy(10, 10, 100, 100)[2]
    with pytest.raises(ValueError, match="a share needs"):
        balanced_accuracy(1, 1, 0, 0)
