import numpy as np
import pytest

from tgs_pipeline.data.avsbench_classes import (
    CATEGORIES,
    NUM_CLASSES,
    class_of,
    nearest_class,
    palette,
)


def test_there_are_70_categories_in_order():
    assert len(CATEGORIES) == 70 and NUM_CLASSES == 71 and list(CATEGORIES) == sorted(set(CATEGORIES))


@pytest.mark.parametrize(
    ("name", "number"), [("accordion", 1), ("woman", 70), ("Hair dryer", 31), ("emergency-car", 22), ("goat", None)]
)
def test_classes_are_counted_from_one(name, number):
    assert class_of(name) == number


def test_colours_are_those_of_pascal_voc():
    colours = palette()
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 7: (128, 128, 128), 8: (64, 0, 0), 15: (192, 128, 128)}
    known |= {20: (0, 64, 128), 63: (192, 192, 192), 64: (32, 0, 0), 70: (32, 128, 128)}
    assert {number: tuple(colours[number]) for number in known} == known
    assert len({tuple(colour) for colour in colours}) == 71


def test_other_names_take_the_class_of_the_most_similar():
    def likes_sheep(name, categories):
        return np.array([float(category == "sheep") for category in categories])

    assert nearest_class("goat", similarity=likes_sheep) == class_of("sheep")
    assert nearest_class("dog", similarity=likes_sheep) == class_of("dog")
    with pytest.raises(ValueError, match="'goat': expected 70 finite numbers"):
        nearest_class("goat", similarity=lambda name, categories: np.zeros(3))
