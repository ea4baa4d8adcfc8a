from collections import Counter

import numpy as np
from asked_frames import frames
from tinyworld.samples import make_object, make_scene

from tgs_pipeline.tinyworld.clip import generate_clip
from tgs_pipeline.tinyworld.pretraining.phrases import View
from tgs_pipeline.training.evaluation.detector.questions import CATEGORY_NAMES, PRESENT, questions_of
from tgs_pipeline.training.evaluation.media import through_jpeg


def view_of(*objects, shown=None):
    boxes = np.array([[one.centers[0][0] - 0.1, 0.4, one.centers[0][0] + 0.1, 0.6] for one in objects], np.float32)
    return View(make_scene(*objects), boxes, tuple(range(len(objects))) if shown is None else shown, ())


def asked(view, seed=0):
    return {one.text: one for one in questions_of(np.random.default_rng(seed), view)}


TWINS = (
    make_object(0, "cat", color="red", centers=((0.2, 0.5),) * 10),
    make_object(1, "cat", color="blue", centers=((0.8, 0.5),) * 10),
    make_object(2, "dog", color="red", centers=((0.5, 0.5),) * 10),
)


def test_every_category_is_asked_for_and_objects_in_every_form():
    found = asked(view_of(*TWINS))
    assert set(CATEGORY_NAMES) <= set(found)
    assert (found["cat"].kind, found["cat"].meant) == ("category", (0, 1))
    assert (found["blue cat"].kind, found["blue cat"].meant) == ("colored", (1,))
    left = found["the cat on the left"]
    assert (left.kind, left.meant, left.needs_place) == ("place", (0,), True)
    whole = found["the blue cat on the right"]
    assert (whole.kind, whole.meant, whole.needs_place) == ("f_object", (1,), False)
    assert (found["the dog in the middle"].kind, found["the dog in the middle"].needs_place) == ("place", False)
    kinds = Counter(one.kind for one in found.values())
    assert kinds["absent category"] == 3 and kinds["probe"] == 18 - 2 - 3
    assert 1 <= kinds["absent colored category"] <= 3


def test_what_is_asked_as_absent_is_absent():
    for seed in range(20):
        for one in asked(view_of(*TWINS), seed).values():
            assert bool(one.meant) == (one.kind in PRESENT)
            if one.kind == "absent color":
                assert one.text.split()[1] in ("cat", "dog") and one.text not in ("red cat", "blue cat", "red dog")


def test_what_a_frame_hides_is_asked_for_in_the_probe_alone():
    found = asked(view_of(*TWINS, shown=(0, 1)))
    assert found["dog"].kind == "probe" and "red dog" not in found


def test_a_frame_of_a_clip_and_one_without_objects():
    one, empty, *_ = frames(61, "test_s")
    clip = generate_clip(61, "test_s", 0)
    assert one.vid == clip.plan.vid and any((through_jpeg(frame) == one.pixels).all() for frame in clip.frames)
    assert one.view.scene == clip.plan.scene and one.view.shown
    assert empty.vid == f"{clip.plan.vid} without objects" and empty.pixels.shape == one.pixels.shape
    assert [question.kind for question in empty.questions] == ["empty frame"] * 2
    assert [frame.questions for frame in frames(62, "test_s")] != [frame.questions for frame in frames(61, "test_s")]
