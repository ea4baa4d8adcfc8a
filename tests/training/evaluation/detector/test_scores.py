import numpy as np
import pytest
from asked_frames import FAR_BOX, candidates
from tinyworld.samples import make_object, make_scene

from tgs_pipeline.tinyworld.pretraining.phrases import View
from tgs_pipeline.training.evaluation.detector.questions import CATEGORY_NAMES, Frame, Question
from tgs_pipeline.training.evaluation.detector.scores import (
    distribution,
    fit_threshold,
    found,
    iou_of,
    judge,
    separate,
)

BOX, OTHER = [0.1, 0.1, 0.5, 0.5], [0.6, 0.6, 1.0, 1.0]
NOTHING = candidates([], [])


def frame_of(*questions, with_probe=False):
    """A red cat at BOX and a blue dog at OTHER."""
    scene = make_scene(make_object(0, "cat", color="red"), make_object(1, "dog"))
    view = View(scene, np.array([BOX, OTHER], np.float32), (0, 1), ())
    probe = [Question(name, (), "probe") for name in CATEGORY_NAMES] if with_probe else []
    return Frame(5, "test_s", "clip", np.zeros((4, 4, 3), np.uint8), view, (*questions, *probe))


def test_iou_by_hand():
    boxes = np.array([[0, 0, 0.2, 0.2], [0.1, 0, 0.3, 0.2], [0, 0, 0, 0]], np.float32)
    assert iou_of(boxes[:1], boxes) == pytest.approx(np.array([[1, 1 / 3, 0]]))
    assert iou_of(boxes[:0], boxes).shape == (0, 3)
    assert (iou_of(boxes[2:], boxes) == 0).all()


def test_the_best_box_must_be_one_that_is_meant():
    cat, dog = Question("cat", (0,), "category"), Question("red cat", (0,), "colored")
    place = Question("the cat on the left", (0,), "place", needs_place=True)
    answers = judge(
        frame_of(cat, dog, place),
        [candidates([OTHER, BOX], [0.3, 0.6]), candidates([OTHER, BOX], [0.7, 0.6]), NOTHING],
    )
    assert [(one.score, one.iou) for one in answers.answers] == [
        (pytest.approx(0.6), 1),
        (pytest.approx(0.7), 0),
        (0, 0),
    ]
    rates = {name: (rate.num, rate.total) for name, rate in found([answers]).items()}
    assert rates == {
        "best box right: category": (1, 1),
        "best box right: colour + category": (0, 1),
        "best box right: category + place": (0, 1),
        "best box right: category + place, needed": (0, 1),
        "best box right: f_object (colour, category, place)": (0, 0),
        "best box right: place phrases, both forms": (0, 1),
        "right category among all prompts": (0, 0),
        "object found by some prompt": (0, 0),
    }


def test_a_category_is_named_by_the_prompt_that_scores_best_on_the_object():
    """`cat` wins on the cat; `car` has a better score, but elsewhere. Nothing finds the dog."""
    says = {"cat": candidates([BOX], [0.5]), "car": candidates([FAR_BOX, BOX], [0.9, 0.4])}
    answers = judge(frame_of(with_probe=True), [says.get(name, NOTHING) for name in CATEGORY_NAMES])
    assert [(one.category, one.answered) for one in answers.namings] == [("cat", "cat"), ("dog", None)]
    rates = found([answers])
    assert (rates["right category among all prompts"].num, rates["right category among all prompts"].total) == (1, 2)
    assert rates["object found by some prompt"].num == 1


def test_present_and_absent_are_told_apart():
    questions = [
        Question("cat", (0,), "category"),
        Question("red cat", (0,), "colored"),
        Question("car", (), "absent category"),
        Question("blue cat", (), "absent color"),
        Question("the red cat on the right", (), "absent place"),
    ]
    scores = [0.8, 0.4, 0.2, 0.5, 0.7]
    answers = [judge(frame_of(*questions), [candidates([BOX], [score]) for score in scores])]
    result = separate(answers, 0.45)
    assert result["balanced_accuracy"]["share"] == 0.5 and result["balanced_accuracy"]["low"] < 0.3
    shares = {kind: (rate["num"], rate["total"]) for kind, rate in result["kinds"].items() if rate["total"]}
    assert shares == {
        "category": (1, 1),
        "colored": (0, 1),
        "absent category": (1, 1),
        "absent color": (0, 1),
        "absent place": (0, 1),
    }
    assert fit_threshold(answers) == pytest.approx(0.3)  # above .2: all that is present, and one of two absent
    kinds = distribution(answers)
    assert kinds["all absent"]["auc"] == pytest.approx(3 / 4) and kinds["absent category"]["auc"] == 1
    assert kinds["category"]["quantiles"]["0.5"] == pytest.approx(0.8) and kinds["f_object"]["quantiles"] is None
    assert separate([], 0.5)["balanced_accuracy"] is None
