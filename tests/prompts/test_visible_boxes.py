import numpy as np
import pytest

from tgs_pipeline.prompts.visible_boxes import COLOURS, VisibleBox, describe_boxes, shown_order

LEFT = VisibleBox((0.0, 0.25, 0.5, 0.75), 'black\n "dog"')
RIGHT = VisibleBox((0.5, 0.0, 1.0, 1.0), None)


def test_boxes_are_told_with_number_colour_and_phrase():
    text = describe_boxes([LEFT, RIGHT], measures=False)
    assert text == (
        "two objects are marked with coloured boxes: box 1 (green), which the detector calls \"black 'dog'\"; "
        "box 2 (magenta)."
    )


def test_measures_are_parts_of_the_frame():
    text = describe_boxes([RIGHT], measures=True)
    assert text.startswith("one object is marked with a coloured box: box 1 (green), ")
    assert text.endswith("centre (0.750, 0.500), width 0.500, height 1.000.")


@pytest.mark.parametrize("num_boxes", [0, 7])
def test_every_box_needs_a_colour(num_boxes):
    with pytest.raises(ValueError, match=f"{num_boxes} boxes: expected 1 to 6"):
        describe_boxes([LEFT] * num_boxes, measures=False)
    with pytest.raises(ValueError, match="expected 1 to 6"):
        shown_order(np.zeros(3), max_boxes=num_boxes, always_sorted=True)


@pytest.mark.parametrize(
    ("scores", "always_sorted", "order"),
    [
        ([0.1, 0.9, 0.5, 0.5], True, [1, 2, 3]),
        ([0.1, 0.9, 0.5], False, [1, 2, 0]),
        ([0.1, 0.9], False, [0, 1]),
        ([0.1, 0.9], True, [1, 0]),
        ([], True, []),
    ],
)
def test_the_best_are_shown_best_first(scores, always_sorted, order):
    assert shown_order(np.array(scores), max_boxes=3, always_sorted=always_sorted) == order


def test_colours_differ_in_name_and_value():
    assert len({name for name, _ in COLOURS}) == len({rgb for _, rgb in COLOURS}) == 6
