import numpy as np
import pytest

from tgs_pipeline.sounding.merging import label

LEFT = np.array([[[True, True, False]]] * 3)
RIGHT = np.array([[[False, True, True]]] * 3)
MASKS = {"dog": LEFT, "man": RIGHT}
ACTIVE = [["dog", "man"], ["man"], []]
CLASSES = {"dog": 17, "man": 41}


def test_the_later_object_is_painted_over_the_earlier_and_silent_ones_not_at_all():
    painted = label(MASKS, ACTIVE, size=(1, 3), classes=CLASSES)
    assert painted.dtype == np.uint8 and painted[:, 0].tolist() == [[17, 41, 41], [0, 41, 41], [0, 0, 0]]


def test_without_objects_there_is_nothing():
    painted = label({}, [[], []], size=(2, 2), classes=CLASSES)
    assert painted.shape == (2, 2, 2) and not painted.any()


def test_masks_and_names_must_agree():
    with pytest.raises(ValueError, match="'cat' sounds in frame 0 but has no mask"):
        label(MASKS, [["cat"], [], []], size=(1, 3), classes=CLASSES)
    with pytest.raises(ValueError, match=r"mask of 'dog': bool \(3, 1, 3\), expected bool \(2, 1, 3\)"):
        label(MASKS, ACTIVE[:2], size=(1, 3), classes=CLASSES)
