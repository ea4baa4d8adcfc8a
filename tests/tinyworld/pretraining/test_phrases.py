import numpy as np
import pytest
from tinyworld.samples import make_object, make_scene

from tgs_pipeline.tinyworld.categories import CATEGORIES
from tgs_pipeline.tinyworld.chains import PLACES, describe_target, place_of
from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.kinds import KINDS
from tgs_pipeline.tinyworld.pretraining.phrases import (
    MIN_AREA,
    REFERENCE_KINDS,
    Phrase,
    Query,
    View,
    box_of,
    draw_phrase,
    draw_reference,
    join_caption,
    look,
    meaning,
)
from tgs_pipeline.tinyworld.scene import Scene

AT = {"left": 0.2, "middle": 0.5, "right": 0.8}


def at(place):
    return {"centers": ((AT[place], 0.5),) * 10}


def view_of(*objects, shown=None, unclear=()):
    """Every object has a box around its first centre."""
    boxes = [[one.centers[0][0] - 0.1, 0.4, one.centers[0][0] + 0.1, 0.6] for one in objects]
    shown = tuple(range(len(objects))) if shown is None else shown
    return View(make_scene(*objects), np.array(boxes, np.float32).reshape(-1, 4), shown, unclear)


TWINS = view_of(
    make_object(0, "cat", color="red", **at("left")),
    make_object(1, "cat", color="blue", **at("right")),
    make_object(2, "man", color="red", **at("middle")),
)


def test_boxes_and_areas_of_masks():
    masks = np.zeros((3, 100, 100), bool)
    masks[0, 20:60, 10:30] = True
    masks[1, 99, :29] = True  # .0029 of the frame
    view = look(make_scene(*(make_object(index, "cat") for index in range(3))), masks)
    assert view.boxes == pytest.approx(np.array([[0.1, 0.2, 0.3, 0.6], [0, 0.99, 0.29, 1], [0, 0, 0, 0]]))
    assert MIN_AREA == 0.003 and (view.shown, view.unclear) == ((0,), (1,))
    assert box_of(np.ones((2, 4), bool)) == (0, 0, 1, 1)
    assert look(Scene(()), np.zeros((0, 4, 4), bool)).boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("query", "text", "meant"),
    [
        (Query("cat"), "cat", (0, 1)),
        (Query("cat", "blue"), "blue cat", (1,)),
        (Query("man", "red"), "man in red", (2,)),
        (Query("cat", place=" on the left"), "the cat on the left", (0,)),
        (Query("cat", "blue", " on the right"), "the blue cat on the right", (1,)),
        (Query("cat", "green"), "green cat", ()),
        (Query("dog"), "dog", ()),
        (Query("cat", place=" in the middle"), "the cat in the middle", ()),
        (Query("cat", "red", " on the right"), "the red cat on the right", ()),
        (Query(None, "blue"), "blue object", (1,)),
        (Query(None, "green"), "green object", ()),
        (Query(None, "red"), "red object", None),  # a red cat, and somebody in red
        (Query(None, place=" on the left"), "the object on the left", (0,)),
    ],
)
def test_what_queries_say_and_mean(query, text, meant):
    assert query.text(article=False) == text
    assert query.text(article=True) == f"the {text.removeprefix('the ')}"
    assert meaning(TWINS, query) == meant


def test_what_is_hidden_is_absent_and_what_is_unclear_is_not_asked():
    objects = TWINS.scene.objects
    assert meaning(view_of(*objects, shown=(0, 2)), Query("cat", "blue")) == ()
    assert meaning(view_of(*objects, shown=(0, 2), unclear=(1,)), Query("cat", "blue")) is None
    assert meaning(view_of(*objects, shown=(0, 2), unclear=(1,)), Query("cat", "red")) == (0,)


def test_an_object_that_has_moved_elsewhere_answers_to_its_place_alone():
    """On the right over the clip, on the left in this frame: asking for it there has no clear answer."""
    cat = make_object(0, "cat", centers=((0.2, 0.5),) + ((0.8, 0.5),) * 9)
    assert place_of(cat) == " on the right"
    view = view_of(cat)
    assert meaning(view, Query("cat", place=" on the right")) == (0,)
    assert meaning(view, Query("cat", place=" on the left")) is None
    assert meaning(view, Query("cat", place=" in the middle")) == ()


def test_places_are_worded_as_f_object_words_them():
    for scene in (plan_clip(3, "open", index).scene for index in range(30)):
        for item in scene.objects:
            place = place_of(item)
            assert place in PLACES
            assert Query(item.category, item.color, place).text(article=True) == describe_target(item)[0]


def test_drawn_phrases_are_what_they_are_drawn_for():
    rng = np.random.default_rng(0)
    views = [TWINS, view_of(*TWINS.scene.objects, shown=(0,), unclear=(1,)), view_of()]
    texts = set()
    for view in views:
        for _ in range(150):
            absent = bool(rng.random() < 0.5)
            phrase = draw_phrase(rng, view, absent=absent)
            assert bool(phrase.meant) != (absent or not view.shown)
            assert set(phrase.meant) <= set(view.shown)
            texts.add(phrase.text)
    assert {"cat", "the red cat on the left", "man in red", "the man in the middle"} <= texts
    assert {"blue object", "the object on the left", "the object in the middle"} <= texts
    assert any(text in CATEGORIES for text in texts) and len(texts) > 100


def test_absent_phrases_differ_in_one_respect():
    rng = np.random.default_rng(1)
    drawn = [draw_phrase(rng, TWINS, absent=True).text for _ in range(300)]
    near = [text for text in drawn if "cat" in text]  # of another colour or place
    assert 0.15 < len(near) / len(drawn) < 0.6
    assert any("green cat" in text for text in near) and "the cat in the middle" in near


def test_references_are_of_what_a_frame_shows():
    assert set(REFERENCE_KINDS) <= {kind.name for kind in KINDS if not kind.audible}
    rng = np.random.default_rng(2)
    for index in range(20):
        scene = plan_clip(4, "open", index).scene
        boxes = np.tile(np.array([0.1, 0.1, 0.3, 0.3], np.float32), (len(scene.objects), 1))
        view = View(scene, boxes, tuple(range(1, len(scene.objects))), ())
        phrase = draw_reference(rng, view)
        if phrase is not None:
            assert phrase.meant[0] in view.shown and len(phrase.meant) == 1
            assert phrase.text == phrase.text.lower().strip() and not phrase.text.endswith(".")
    assert draw_reference(rng, view_of()) is None


def test_captions_end_each_phrase_with_a_dot():
    text, spans = join_caption([Phrase("red cat", (0,)), Phrase("dog", ())])
    assert text == "red cat. dog."
    assert [text[start:end] for start, end in spans] == ["red cat", "dog"]
