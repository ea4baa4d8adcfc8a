import pytest

from tgs_pipeline.prompts import lbru
from tgs_pipeline.prompts.visible_boxes import VisibleBox

BOXES = [VisibleBox((0.0, 0.0, 0.5, 1.0), "a dog"), VisibleBox((0.5, 0.0, 1.0, 1.0), None)]
LAYOUT = {"num_frames": 5, "columns": 5}


def test_labels_are_sorted_and_named_once():
    asked = {"categories": ["dog", "keyboard"], "single": False} | LAYOUT
    text = lbru.objects_question(["Speech", "Bark", "Speech"], **asked)
    assert "sorted by name: Bark, Speech." in text and text == lbru.objects_question(["Bark", "Speech"], **asked)
    assert "from this list wherever one fits: dog, keyboard. In this list a keyboard is for typing" in text
    assert "every object" in text and "'second category': 2" in text
    assert "typing" not in lbru.objects_question([], **asked | {"categories": ["dog"]})


def test_one_object_is_asked_for_where_one_is_wanted():
    text = lbru.objects_question([], categories=["dog"], single=True, **LAYOUT)
    assert "the one object" in text and "second category" not in text and "nothing that it knows" in text


def test_the_box_question_of_a_sounding_object_tells_measures():
    text = lbru.box_question("dog", frame=2, boxes=BOXES, **LAYOUT)
    assert "drawn in frame 2: candidates for the dog" in text and "centre (0.250, 0.500), width 0.500" in text
    assert text.endswith("[1] to [2].")


def test_objects_are_read_strictly_or_as_published():
    reply = "Sounding: ['dog': 9]"
    assert lbru.read_objects(reply, num_frames=5, single=False, compat="corrected").status == "prose"
    (dog,) = lbru.read_objects(reply, num_frames=5, single=False, compat="parity").objects
    assert (dog.name, dog.frame) == ("dog", 1)


@pytest.mark.parametrize(
    ("reply", "corrected", "parity"), [("[2]", 2, 2), ("It is the second.", None, 1), ("[-1]", None, 1)]
)
def test_boxes_are_read_strictly_or_as_published(reply, corrected, parity):
    assert lbru.read_box(reply, num_boxes=5, compat="corrected").value == corrected
    assert lbru.read_box(reply, num_boxes=5, compat="parity").value == parity
