import re
from dataclasses import replace

import pytest
from tinyworld.samples import make_object, make_scene, make_voice, plans

from tgs_pipeline.tinyworld.categories import FAMILY_PHRASES
from tgs_pipeline.tinyworld.facts import LOUDNESS as LOUDNESS_WORDS
from tgs_pipeline.tinyworld.facts import (
    column,
    compared,
    describe_object,
    describe_sizes,
    describe_voice,
    fact,
    number_of,
    position,
    wanted,
)
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, SoundEvent, Voice
from tgs_pipeline.tinyworld.solver import PREDICATES, Atom, judge
from tgs_pipeline.tinyworld.verdict import Verdict

DOG = make_object(0, "dog", color="red", voice=make_voice(0, 3, loudness=4, pulse_hz=1.0))
GUITAR = make_object(1, "guitar", voice=make_voice(2, 10, loudness=1, pulse_hz=4.0), player=2)
MAN = make_object(2, "man")
SCENE = make_scene(DOG, GUITAR, MAN)
PLACES = ("at x2", "at x4", "at x7")
LOUDNESS = ("booming", "faint", "silent")
STARTS = ("starts 0s", "starts 2s", "silent")
LENGTHS = ("lasts 3s", "lasts 8s", "silent")
RHYTHMS = ("slow", "fast", "silent")
STILL, SEEN = ("still",) * 3, ("seen always",) * 3
CASES = [  # demand, its argument, what is wanted, and the facts of dog, guitar and man
    ("category", "dog", "dog", ("dog", "guitar", "man")),
    ("family", "instrument", "instrument", ("animal", "instrument", "person")),
    ("function", "wooden thing with six strings", "guitar", ("dog", "guitar", "man")),
    ("function", FAMILY_PHRASES["instrument"], "instrument", ("animal", "instrument", "person")),
    ("color", "red", "red", ("red", "blue", "blue")),
    ("colored", "blue", "blue", ("red", "blue", "blue")),
    ("sounding", "", "sounds", ("sounds", "sounds", "silent")),
    ("silent", "", "silent", ("sounds", "sounds", "silent")),
    ("loudest", "", "booming", LOUDNESS),
    ("quietest", "", "faint", LOUDNESS),
    ("louder_than", "guitar", "above guitar faint", LOUDNESS),
    ("quieter_than", "dog", "below dog booming", LOUDNESS),
    ("first", "", "starts 0s", STARTS),
    ("last", "", "starts 2s", STARTS),
    ("before", "guitar", "starts before guitar 2s", STARTS),
    ("after", "dog", "starts after dog 0s", STARTS),
    ("longest", "", "lasts 8s", LENGTHS),
    ("shortest", "", "lasts 3s", LENGTHS),
    ("always", "", "lasts 10s", LENGTHS),
    ("fastest", "", "fast", RHYTHMS),
    ("slowest", "", "slow", RHYTHMS),
    ("left_of", "guitar", "left of guitar x4", PLACES),
    ("right_of", "dog", "right of dog x2", PLACES),
    ("beside_source", "dog", "near dog x2", PLACES),
    ("between", "dog,man", "between dog x2 and man x7", PLACES),
    ("leftmost", "", "at x2", PLACES),
    ("rightmost", "", "at x7", PLACES),
    ("sounding_leftmost", "", "at x2", ("at x2", "at x4", "silent")),
    ("sounding_rightmost", "", "at x4", ("at x2", "at x4", "silent")),
    ("moving", "left", "moving left", STILL),
    ("moving", "", "moving", STILL),
    ("stationary", "", "still", STILL),
    ("whole", "", "seen always", SEEN),
    ("enters", "", "comes after 0s", ("comes 0s",) * 3),
    ("leaves", "", "goes before 9s", ("goes 9s",) * 3),
    ("played", "", "played", ("not played", "played", "not played")),
    ("playing", "guitar", "plays guitar", ("plays nothing", "plays nothing", "plays guitar")),
    ("playing", "", "plays", ("plays nothing", "plays nothing", "plays guitar")),
    ("biggest", "dog", "size 6", ("size 6",) * 3),
    ("smallest", "dog", "size 6", ("size 6",) * 3),
]
# What the verdict follows from the two values as by equality.
RELATIONS = {"louder_than", "quieter_than", "before", "after", "left_of", "right_of", "between", "beside_source"}
RELATIONS |= {"enters", "leaves"}
RANKS = {word: level for level, word in LOUDNESS_WORDS.items()}


def test_every_demand_has_a_case():
    assert {name for name, *_ in CASES} == set(PREDICATES)


@pytest.mark.parametrize(("name", "value", "expected", "facts"), CASES)
def test_each_demand_on_a_known_scene(name, value, expected, facts):
    atom = Atom(name, value)
    assert wanted(SCENE, atom) == expected
    assert tuple(fact(SCENE, item, atom) for item in SCENE.objects) == facts


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("left_of", "cat", "left of cat none"),
        ("between", "dog,cat", "between dog x2 and cat none"),
        ("louder_than", "man", "above man none"),  # in view, but silent
        ("before", "cat", "starts before cat none"),
        ("biggest", "cat", "none"),
        ("leftmost", "cat", "none"),
    ],
)
def test_what_is_absent_or_silent_gives_no_value(name, value, expected):
    assert wanted(SCENE, Atom(name, value)) == expected


@pytest.mark.parametrize("name", ["loudest", "first", "longest", "fastest", "sounding_leftmost"])
def test_superlatives_of_sound_have_no_value_where_nothing_sounds(name):
    scene = make_scene(make_object(0, "cat"))
    assert (compared(scene, Atom(name)), wanted(scene, Atom(name))) == ([], "none")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("right_of", "dog", ["#1: dog? dog at x2"]),
        ("left_of", "cat", ["#1: cat? dog", "#2: cat? guitar", "#3: cat? man"]),
        ("louder_than", "man", ["#1: man? dog", "#2: man? guitar", "#3: man? man silent"]),
        ("after", "guitar", ["#1: guitar? dog", "#2: guitar? guitar starts 2s"]),
        ("beside_source", "guitar", ["#1: guitar? dog", "#2: guitar? guitar at x4"]),
        ("between", "guitar,dog", ["#1: guitar? dog", "#2: guitar? guitar at x4", "#1: dog? dog at x2"]),
        ("rightmost", "", ["#1 at x2", "#2 at x4", "#3 at x7"]),
        ("biggest", "man", ["#3 size 6"]),
        ("leftmost", "cat", []),
        ("loudest", "", ["#1 booming", "#2 faint"]),
        ("always", "", None),
        ("category", "dog", None),
        ("playing", "guitar", None),
    ],
)
def test_what_a_demand_compares_with(name, value, expected):
    assert compared(SCENE, Atom(name, value)) == expected


def test_a_sound_without_pulses_is_flat():
    train = make_object(0, "train", voice=make_voice(0, 4, pulse_hz=None))
    assert fact(make_scene(train), train, Atom("slowest")) == "flat"
    assert describe_voice("train", train.voice, source=None) == "train soft flat in 0s 1s 2s 3s lasts 4s"
    bell = Voice((SoundEvent(1, 3), SoundEvent(6, 7)), 3, 2.0, pitch=1.0)
    said = "#2 bell loud, #2 steady, #2 in 1s 2s 6s, #2 lasts 3s"
    assert describe_voice("bell", bell, source="#2") == said


@pytest.mark.parametrize(("x", "expected"), [(0.0, 0), (0.099, 0), (0.1, 1), (0.95, 9), (-0.3, 0), (1.2, 9)])
def test_columns(x, expected):
    assert column(x) == expected


def test_what_moves_and_what_comes_late():
    centers = tuple((0.05 + 0.1 * frame, 0.5) for frame in range(NUM_FRAMES))
    late = tuple(frame >= 4 for frame in range(NUM_FRAMES))
    dog = make_object(0, "dog", centers=centers, motion="right", visible=late, size=0.42)
    assert position(dog) == "at x4 to x9"
    seen = "seen 4s 5s 6s 7s 8s 9s"
    assert describe_object(make_scene(dog), dog) == f"#1 blue dog at x4 to x9, #1 moving right, #1 {seen}"
    assert fact(make_scene(dog), dog, Atom("whole")) == seen
    assert fact(make_scene(dog), dog, Atom("enters")) == "comes 4s"
    assert fact(make_scene(dog), dog, Atom("moving", "left")) == "moving right"


def test_objects_are_numbered_from_the_left():
    scene = make_scene(replace(MAN, index=0), replace(DOG, index=1), replace(GUITAR, index=2))
    assert [number_of(scene, item) for item in scene.objects] == ["#3", "#1", "#2"]


def test_sizes_are_told_of_all_and_the_played_by_the_player():
    small, large = make_object(0, "guitar", size=0.2), make_object(1, "guitar", size=0.45, player=2)
    scene = make_scene(small, large, MAN)
    assert [describe_object(scene, item) for item in scene.objects] == [
        "#1 blue guitar at x2",
        "#2 blue guitar at x4, #2 played",
        "#3 man in blue at x7",
    ]
    assert describe_sizes(scene) == ["#1 size 4", "#2 size 9", "#3 size 6"]
    assert (wanted(scene, Atom("biggest", "guitar")), wanted(scene, Atom("smallest", "guitar"))) == ("size 9", "size 4")


def _judged():
    """(demand, fact, wanted, verdict, object, scene) of every candidate of every reference, where it is clear."""
    for _, _, plan in plans():
        rows = [(plan.scene, reference) for reference in (*plan.references, *plan.reasoning) if reference]
        rows += [(plan.null.scene, reference) for reference in plan.null.references] if plan.null else []
        for scene, reference in rows:
            for atom in reference.atoms:
                for item in scene.objects:
                    verdict = judge(scene, item, [atom])
                    if verdict is not Verdict.UNSURE:
                        yield atom, fact(scene, item, atom), wanted(scene, atom), verdict is Verdict.YES, item, scene


def test_the_facts_decide_as_the_solver_does():
    """So a chain can be checked, and learned, from its own words."""
    seen = set()
    for atom, found, needed, holds, item, scene in _judged():
        if atom.name not in RELATIONS:
            told = found == needed
            if needed in ("moving", "plays"):
                told = found.startswith(f"{needed} ") and found != "plays nothing"
            if atom.name in ("biggest", "smallest") and told and not holds:
                continue  # 20ths are coarse: two sizes can be the same number
            assert told == holds, (atom, found, needed)
            seen.add(atom.name)
        elif atom.name in ("enters", "leaves"):
            [moment] = re.findall(r"\d+", found)
            assert holds == (int(moment) > 0 if atom.name == "enters" else int(moment) < NUM_FRAMES - 1)
            seen.add(atom.name)
        elif "none" in needed or found == "silent":
            assert not holds
        elif atom.name not in ("beside_source", "between") and all(
            one.motion == "still" for one in (item, *scene.of_category(atom.value))
        ):
            own, other = (RANKS.get(text.split()[-1]) or int(text[-2:].strip("xs ")) for text in (found, needed))
            less = atom.name in ("quieter_than", "before", "left_of")
            if item.category != atom.value:
                assert holds == (own < other if less else own > other), (atom, found, needed)
            elif len(scene.of_category(atom.value)) == 1:
                assert own == other and not holds
            seen.add(atom.name)
    assert len(seen) > 25
