import pytest

from tgs_pipeline.prompts import pivot
from tgs_pipeline.prompts.visible_boxes import VisibleBox

BOXES = [VisibleBox((0.0, 0.0, 0.5, 1.0), "a dog"), VisibleBox((0.5, 0.0, 1.0, 1.0), None)]
LAYOUT = {"num_frames": 5, "columns": 5}


def test_the_frame_question_shows_the_reference_on_one_line():
    text = pivot.frame_question('the "big"\ndog', **LAYOUT)
    assert "what is meant by \"the 'big' dog\"" in text and "5 frames" in text and text.count("\n") == 0


def test_the_box_question_of_a_reference_goes_step_by_step():
    text = pivot.box_question("dog {left}", frame=3, boxes=BOXES, **LAYOUT)
    assert [text.count(f"\n{step}. ") for step in range(1, 6)] == [1] * 5
    assert "In frame 3, two objects are marked with coloured boxes" in text
    assert 'box 1 (green), which the detector calls "a dog"; box 2 (magenta).' in text
    assert '"dog {left}"' in text and "from [1] to [2], or [-1]" in text


@pytest.mark.parametrize(
    ("read", "reply", "corrected", "parity"),
    [
        (pivot.read_frame, "It barks in [2].\n[4]", 4, 4),
        (pivot.read_frame, "[4] is sharper than [2]", None, 2),
        (pivot.read_frame, "I do not know", None, None),
        (pivot.read_box, "[2]", 2, 2),
        (pivot.read_box, "So:\n[-1]", None, None),
    ],
)
def test_replies_are_read_strictly_or_as_published(read, reply, corrected, parity):
    name = "num_frames" if read is pivot.read_frame else "num_boxes"
    assert read(reply, compat="corrected", **{name: 5}).value == corrected
    assert read(reply, compat="parity", **{name: 5}).value == parity
