from dataclasses import fields, replace

import numpy as np
import pytest
from tinyworld.samples import make_object, make_scene, make_voice, plans

from tgs_pipeline.tinyworld.chains import describe_frames, describe_sound
from tgs_pipeline.tinyworld.edits import edit_one_fact, seen_with_sound_of, true_answer
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene
from tgs_pipeline.tinyworld.solver import Atom, solve

DOG = make_object(0, "dog", color="red", voice=make_voice(0, 3, loudness=4, pulse_hz=1.0))
GUITAR = make_object(1, "guitar", voice=make_voice(2, 10, loudness=1, pulse_hz=4.0))
CHAIR = make_object(2, "chair", color="green")
SCENE = make_scene(DOG, GUITAR, CHAIR)


def edits(scene, kind):
    return [edited for name, edited in edit_one_fact(scene) if name == kind]


@pytest.mark.parametrize(
    ("kind", "atom", "before", "after"),
    [
        ("loudness", Atom("loudest"), "dog", "guitar"),
        ("time", Atom("first"), "dog", "guitar"),
        ("time", Atom("longest"), "guitar", "dog"),
        ("rhythm", Atom("fastest"), "guitar", "dog"),
    ],
)
def test_a_swapped_fact_of_two_voices_swaps_the_answer(kind, atom, before, after):
    (edited,) = edits(SCENE, kind)
    assert true_answer(SCENE, (atom,)) == before
    assert true_answer(edited, (atom,)) == after


def test_a_silenced_voice_leaves_the_other_or_nothing():
    no_dog, no_guitar = edits(SCENE, "silence")
    assert true_answer(no_dog, (Atom("category", "dog"), Atom("sounding"))) == "null"
    assert true_answer(no_dog, (Atom("sounding"),)) == "guitar"
    assert true_answer(no_guitar, (Atom("sounding"),)) == "dog"


def test_swapped_colours_and_places():
    recolored = edits(SCENE, "color")
    assert len(recolored) == 3
    reds = [true_answer(scene, (Atom("colored", "red"),)) for scene in recolored]
    assert reds == ["guitar", "chair", "dog"]
    moved = edits(SCENE, "place")
    leftmost = [true_answer(scene, (Atom("leftmost"),)) for scene in moved]
    assert leftmost == ["guitar", "chair", "dog"]


def test_a_motion_turns_round_and_nothing_else_is_said_to_change():
    centers = tuple((0.1 * frame, 0.5) for frame in range(NUM_FRAMES))
    dog = replace(DOG, motion="right", centers=centers)
    ((kind, edited),) = [entry for entry in edit_one_fact(make_scene(dog)) if entry[0] not in ("silence",)]
    assert kind == "motion" and edited.objects[0].centers == centers[::-1]
    assert true_answer(edited, (Atom("moving", "right"),)) == "null"
    assert true_answer(edited, (Atom("moving", "left"),)) == "dog"


def test_what_came_late_is_there_all_the_time():
    late = replace(CHAIR, index=1, visible=(False,) * 4 + (True,) * 6)
    (edited,) = edits(make_scene(DOG, late), "presence")
    assert true_answer(make_scene(DOG, late), (Atom("enters"),)) == "chair"
    assert true_answer(edited, (Atom("enters"),)) == "null"


def test_twins_swap_sizes_and_stay_distinguishable():
    small, large = make_object(0, "cat", size=0.2, color="red"), make_object(1, "cat", size=0.4)
    scene = make_scene(small, large, replace(CHAIR, color="red"))
    (edited,) = edits(scene, "size")
    biggest = (Atom("category", "cat"), Atom("biggest", "cat"))
    assert (solve(scene, biggest), solve(edited, biggest)) == (1, 0)
    assert true_answer(scene, biggest) == true_answer(edited, biggest) == "cat"
    for recolored in edits(scene, "color"):  # the blue cat and the red chair may not swap: two red cats
        assert len({(item.category, item.color) for item in recolored.objects}) == 3
    assert len(edits(scene, "color")) == 1


def test_who_plays_and_what_is_played_stay_where_they_are():
    man, guitar = make_object(0, "man"), make_object(1, "guitar", player=0, color="red")
    assert edits(make_scene(man, guitar), "place") == []
    assert len(edits(make_scene(man, guitar, CHAIR, make_object(3, "lamp")), "place")) == 1


def changed_columns(scene, edited):
    names = [field.name for field in fields(scene.objects[0])]
    pairs = zip(scene.objects, edited.objects, strict=True)
    return {name for one, other in pairs for name in names if getattr(one, name) != getattr(other, name)}


def test_edits_of_generated_scenes_touch_only_what_their_kind_says():
    allowed = {kind: {"voice"} for kind in ("loudness", "time", "rhythm", "silence")} | {
        "color": {"color"}, "size": {"size"}, "place": {"centers"}, "presence": {"visible"},
        "motion": {"motion", "centers", "angles_deg", "visible"},
    }  # fmt: skip
    kinds = set()
    for _, _, plan in plans():
        for kind, edited in edit_one_fact(plan.scene):
            changed = changed_columns(plan.scene, edited)
            assert changed and changed <= allowed[kind]
            assert edited.unseen_voices == plan.scene.unseen_voices
            assert describe_frames(np.random.default_rng(0), edited, sizes=True)  # it can be told
            assert describe_sound(np.random.default_rng(0), edited, numbered=True)
            kinds.add(kind)
    assert kinds == set(allowed)


def test_answers_of_generated_references_are_clear_and_right():
    for _, _, plan in plans():
        for reference in plan.references:
            target = plan.scene.objects[reference.target]
            assert true_answer(plan.scene, reference.atoms) == target.category
        if plan.null is not None:
            assert {true_answer(plan.null.scene, reference.atoms) for reference in plan.null.references} <= {"null"}


def test_an_answer_within_the_margin_is_not_clear():
    twins = make_scene(DOG, replace(GUITAR, voice=replace(GUITAR.voice, loudness=4)))
    assert true_answer(twins, (Atom("loudest"),)) is None


def test_a_sound_belongs_to_the_one_in_view_that_makes_it():
    cat = make_object(0, "cat", voice=make_voice(1, 2, loudness=3))
    dog = make_object(1, "dog", voice=make_voice(4, 9, loudness=1))
    heard = make_scene(cat, dog)
    mixed = seen_with_sound_of(SCENE, heard)
    assert [item.voice for item in mixed.objects] == [dog.voice, None, None]
    assert mixed.unseen_voices == (("cat", cat.voice),)
    assert true_answer(mixed, (Atom("sounding"),)) == "dog"
    assert true_answer(mixed, (Atom("category", "guitar"), Atom("sounding"))) == "null"
    again = seen_with_sound_of(heard, mixed)  # what sounded out of view is heard too
    assert again == heard


def test_a_sound_that_several_in_view_could_make_is_not_clear():
    two_dogs = make_scene(replace(DOG, voice=None), make_object(1, "dog"))
    assert seen_with_sound_of(two_dogs, SCENE) is None
    both = Scene((DOG,), (("dog", make_voice(5, 6)),))
    assert seen_with_sound_of(make_scene(CHAIR, make_object(1, "dog")), both) is None


def test_its_own_sound_changes_nothing():
    for _, _, plan in plans():
        mixed = seen_with_sound_of(plan.scene, plan.scene)
        assert mixed is None or mixed == plan.scene
