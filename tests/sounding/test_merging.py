import numpy as np
import pytest

from tgs_pipeline.sounding.merging import label, merge

LEFT = np.array([[[True, True, False]]] * 3)
RIGHT = np.array([[[False, True, True]]] * 3)
MASKS = {"dog": LEFT, "man": RIGHT}
ACTIVE = [["dog", "man"], ["man"], []]


def test_silent_objects_leave_no_mask():
    merged = merge(MASKS, ACTIVE, size=(1, 3))
    assert merged.dtype == bool and merged[:, 0].tolist() == [[True] * 3, [False, True, True], [False] * 3]


def test_the_later_object_is_painted_over_the_earlier():
    classes = {"dog": 17, "man": 41}
    painted = label(MASKS, ACTIVE, size=(1, 3), classes=classes)
    assert painted.dtype == np.uint8 and painted[:, 0].tolist() == [[17, 41, 41], [0, 41, 41], [0, 0, 0]]


def test_without_objects_there_is_nothing():
    assert merge({}, [[], []], size=(2, 2)).shape == (2, 2, 2)


def test_masks_and_names_must_agree():
    with pytest.raises(ValueError, match="'cat' sounds in frame 0 but has no mask"):
        merge(MASKS, [["cat"], [], []], size=(1, 3))
    with pytest.raises(ValueError, match=r"mask of 'dog': bool \(3, 1, 3\), expected bool \(2, 1, 3\)"):
        merge(MASKS, ACTIVE[:2], size=(1, 3))
