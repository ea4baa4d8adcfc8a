import numpy as np
import pytest

from tgs_pipeline.grounding.places import iou, places, support

LEFT, RIGHT = [0, 0, 4, 4], [6, 0, 10, 4]
NEAR_LEFT = [1, 0, 5, 4]  # shares 12 of 20 with LEFT


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def test_iou_by_hand():
    found = iou(boxes(LEFT, RIGHT, [2, 2, 2, 2]), boxes(LEFT, NEAR_LEFT))
    np.testing.assert_allclose(found, [[1, 0.6], [0, 0], [0, 0]])
    assert iou(boxes(), boxes(LEFT)).shape == (0, 1)
    assert iou(boxes([3, 3, 1, 1]), boxes([3, 3, 1, 1]))[0, 0] == 0


@pytest.mark.parametrize(
    ("scores", "same_place_iou", "expected"),
    [
        ([0.5, 0.75, 0.25], 0.5, [1, 2]),  # the better one of the two at the left stands for both
        ([0.75, 0.5, 0.875], 0.5, [2, 0]),
        ([0.5, 0.5, 0.5], 0.5, [0, 2]),  # ties: the first
        ([0.5, 0.75, 0.25], 0.7, [1, 0, 2]),
    ],
)
def test_duplicates_are_one_place(scores, same_place_iou, expected):
    found = places(boxes(LEFT, NEAR_LEFT, RIGHT), np.array(scores, np.float32), same_place_iou=same_place_iou)
    assert found == expected


def test_no_boxes_no_places():
    assert places(boxes(), np.array([], np.float32), same_place_iou=0.5) == []


def test_support_weighs_scores_by_overlap():
    found = support(boxes(LEFT, RIGHT), boxes(NEAR_LEFT, RIGHT), np.array([0.5, 0.25], np.float32))
    np.testing.assert_allclose(found, [0.3, 0.25])
    assert support(boxes(LEFT, RIGHT), boxes(), np.array([], np.float32)).tolist() == [0, 0]
