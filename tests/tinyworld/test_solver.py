from dataclasses import replace

import pytest
from tinyworld.samples import make_object, make_scene, make_voice

from tgs_pipeline.tinyworld.scene import NUM_FRAMES, with_soundtrack_of
from tgs_pipeline.tinyworld.solver import Atom, is_unsatisfied, judge, solve
from tgs_pipeline.tinyworld.verdict import Verdict

DOG = make_object(0, "dog", color="red", voice=make_voice(0, 3, loudness=4, pulse_hz=1.0))
GUITAR = make_object(1, "guitar", voice=make_voice(2, 10, loudness=1, pulse_hz=4.0), player=2)
MAN = make_object(2, "man")
SCENE = make_scene(DOG, GUITAR, MAN)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("category", "dog", 0),
        ("color", "red", 0),
        ("family", "instrument", 1),
        ("function", "wooden thing with six strings", 1),
        ("silent", "", 2),
        ("loudest", "", 0),
        ("quietest", "", 1),
        ("first", "", 0),
        ("last", "", 1),
        ("longest", "", 1),
        ("shortest", "", 0),
        ("fastest", "", 1),
        ("slowest", "", 0),
        ("louder_than", "guitar", 0),
        ("quieter_than", "dog", 1),
        ("before", "guitar", 0),
        ("after", "dog", 1),
        ("left_of", "guitar", 0),
        ("right_of", "guitar", 2),
        ("leftmost", "", 0),
        ("rightmost", "", 2),
        ("sounding_rightmost", "", None),  # the man, silent, is farther right: two readings
        ("sounding_leftmost", "", 0),
        ("between", "dog,man", 1),
        ("played", "", 1),
        ("playing", "guitar", 2),
        ("playing", "", 2),
        ("sounding", "", None),  # two objects
        ("color", "blue", None),
        ("leftmost", "dog", None),  # one dog: no other to compare with
        ("colored", "blue", None),  # of a person only the clothes are blue
    ],
)
def test_each_demand_on_a_known_scene(name, value, expected):
    assert solve(SCENE, [Atom(name, value)]) == expected


def test_conjunction():
    atoms = [Atom("sounding"), Atom("right_of", "dog")]
    assert solve(SCENE, atoms) == 1
    assert judge(SCENE, MAN, atoms) is Verdict.NO


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (make_voice(0, 3, loudness=1), "loudest"),  # the same level
        (make_voice(2, 3), "first"),  # the same onset
        (make_voice(2, 9), "longest"),  # a second shorter
        (make_voice(0, 3, pulse_hz=4.0), "fastest"),
        (make_voice(0, 3, pulse_hz=None), "fastest"),  # a sound without pulses
    ],
)
def test_small_margins_are_unsure(change, name):
    scene = make_scene(replace(DOG, voice=change), GUITAR, MAN)
    assert solve(scene, [Atom(name)]) is None
    assert not is_unsatisfied(scene, [Atom(name)])


def test_a_side_must_hold_in_every_frame():
    centers = tuple((0.1 + 0.08 * frame, 0.5) for frame in range(NUM_FRAMES))
    scene = make_scene(replace(DOG, centers=centers, motion="right"), GUITAR)
    assert judge(scene, scene.objects[0], [Atom("left_of", "guitar")]) is Verdict.UNSURE
    assert solve(scene, [Atom("moving", "right")]) == 0
    assert solve(scene, [Atom("stationary")]) == 1


def test_presence():
    late = tuple(frame >= 4 for frame in range(NUM_FRAMES))
    scene = make_scene(replace(DOG, visible=late), replace(MAN, index=1))
    assert solve(scene, [Atom("enters")]) == 0
    assert solve(scene, [Atom("whole")]) == 1
    assert is_unsatisfied(scene, [Atom("leaves")])
    assert judge(scene, scene.objects[0], [Atom("stationary")]) is Verdict.UNSURE  # it crosses the edge once


def test_twins_are_compared_in_size_and_place():
    small = make_object(0, "cat", size=0.25, color="red")
    scene = make_scene(small, make_object(1, "cat", size=0.4), make_object(2, "lamp"))
    assert solve(scene, [Atom("category", "cat"), Atom("biggest", "cat")]) == 1
    assert solve(scene, [Atom("category", "cat"), Atom("leftmost", "cat")]) == 0


def test_nearest_to_a_source():
    scene = make_scene(DOG, replace(GUITAR, voice=None, player=None), replace(MAN, centers=((0.95, 0.5),) * NUM_FRAMES))
    assert solve(scene, [Atom("beside_source", "dog")]) == 1


def test_a_foreign_soundtrack_silences_the_scene():
    donor = make_scene(make_object(0, "train", voice=make_voice(0, 10)))
    crossed = with_soundtrack_of(SCENE, donor)
    for name in ("loudest", "first", "always", "sounding", "longest"):
        assert is_unsatisfied(crossed, [Atom(name)])
    assert [category for category, _ in crossed.unseen_voices] == ["train"]


def test_unknown_demands_are_refused():
    with pytest.raises(ValueError, match="unknown atom: got 'shiniest'"):
        judge(SCENE, DOG, [Atom("shiniest")])
    with pytest.raises(ValueError, match="unknown function phrase"):
        judge(SCENE, DOG, [Atom("function", "thing of beauty")])
