import random
import re

import pytest
from tinyworld.samples import make_object, make_scene, make_voice

from tgs_pipeline.prompts.ref_thinker import parse_reply
from tgs_pipeline.tinyworld.categories import COLORS
from tgs_pipeline.tinyworld.chains import write_chain
from tgs_pipeline.tinyworld.clip import chain_generator, plan_clip
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.solver import Atom
from tgs_pipeline.training.evaluation.claims import KINDS, check_chain
from tgs_pipeline.training.evaluation.questions import questions_of

SEED = 77


def true_chains(num_clips):
    """(question, think) of chains written from ground truth."""
    for split in ("test_s", "test_u", "test_n"):
        for index in range(num_clips):
            plan = plan_clip(SEED, split, index)
            for row, question in enumerate(questions_of(plan, seed=SEED, split=split)):
                text = write_chain(chain_generator(SEED, split, index, row), question.scene, question.reference)
                yield question, parse_reply(text, truncated=False).think


def check(question, think):
    return check_chain(think, scene=question.scene, reference=question.reference)


def test_chains_from_ground_truth_are_all_true():
    kinds = set()
    num_chains = 0
    for question, think in true_chains(40):
        reading = check(question, think)
        assert [claim for claim in reading.claims if not claim.is_true] == [], think
        assert (reading.num_objects_named, reading.num_sounds_named) == (reading.num_objects, reading.num_sounds)
        assert len([claim for claim in reading.claims if claim.kind == "verdict"]) == len(question.scene.objects)
        kinds |= {claim.kind for claim in reading.claims}
        num_chains += 1
    assert num_chains > 400
    assert kinds == set(KINDS) - {"unreadable"}


def test_one_edited_number_makes_one_claim_false():
    edits = random.Random(0)
    for question, think in true_chains(20):
        numbers = list(re.finditer(r"(?<!#)\d+", think))
        for match in edits.sample(numbers, min(4, len(numbers))):
            wrong = int(match[0]) + edits.choice([23, 40])
            edited = think[: match.start()] + str(wrong) + think[match.end() :]
            false = [claim for claim in check(question, edited).claims if not claim.is_true]
            assert len(false) == 1 and str(wrong) in false[0].text and not false[0].is_near, edited
            assert false[0].kind != "unreadable"


def test_one_edited_verdict_or_name_makes_one_claim_false():
    edits = random.Random(0)
    kinds = set()
    for question, think in true_chains(20):
        verdicts = list(re.finditer(r", (keep|out)\b", think))
        match = edits.choice(verdicts)
        other = "out" if match[1] == "keep" else "keep"
        edited = think[: match.start(1)] + other + think[match.end(1) :]
        false = [claim for claim in check(question, edited).claims if not claim.is_true]
        assert [claim.kind for claim in false] == ["verdict"], edited
        unused = sorted(set(COLORS) - {item.color for item in question.scene.objects})
        body = think.index(". ")  # a demand can name a colour too
        colors = [found for found in re.finditer(rf"\b({'|'.join(COLORS)})\b", think) if found.start() > body]
        match = edits.choice(colors)
        edited = think[: match.start()] + unused[0] + think[match.end() :]
        false = [claim for claim in check(question, edited).claims if not claim.is_true]
        assert len(false) == 1, (think, edited, false)
        kinds.add(false[0].kind)
    assert kinds == {"object", "fact", "wanted", "conclusion"}


DOG = make_object(0, "dog", color="red", voice=make_voice(0, 3, loudness=4, pulse_hz=1.0))
GUITAR = make_object(1, "guitar", voice=make_voice(2, 10, loudness=1, pulse_hz=4.0))
SCENE = make_scene(DOG, GUITAR)
LOUDEST = Reference("loudest", "The loudest.", "the loudest sound", (Atom("loudest"),), 0)
HEARD = "#1 dog booming, #1 slow, #1 lasts 3s, #1 in 0s 1s 2s"
RIGHT = (
    f"we look for the loudest sound. we see #1 red dog at x2, #2 blue guitar at x4. we hear {HEARD}, "
    "#2 guitar faint, #2 fast, #2 lasts 8s, #2 in 2s 3s 4s 5s 6s 7s 8s 9s. "
    "among: #1 booming; #2 faint. wanted: booming. "
    "candidates: #1: booming? booming, keep; #2: booming? faint, out. so it is #1, the red dog."
)


def false_claims(think, *, scene=SCENE, reference=LOUDEST):
    reading = check_chain(think, scene=scene, reference=reference)
    return [(claim.kind, claim.text) for claim in reading.claims if not claim.is_true]


def test_the_chain_by_hand_is_true_in_lower_case():
    reading = check_chain(RIGHT, scene=SCENE, reference=LOUDEST)
    assert len(reading.claims) == 1 + 6 + 12 + 2 + 1 + 8 + 1 and all(claim.is_true for claim in reading.claims)


@pytest.mark.parametrize(
    ("said", "instead", "expected"),
    [
        ("for the loudest", "for the lowest", [("demand", "the lowest sound")]),
        ("red dog at x2,", "red dog at x2, #1 moving left,", [("motion", "moving left")]),
        ("red dog at x2,", "red dog at x2, #2 moving left,", [("unreadable", "#2 moving left")]),
        ("red dog at x2,", "red cat at x2,", [("object", "red cat")]),
        (
            "#1 red dog at x2,",
            "#2 red dog at x2,",
            [
                ("number", "#2"),
                ("candidate", "#1"),
                ("fact", "booming"),
                ("verdict", "#1: keep"),
            ],
        ),
        (
            "guitar at x4.",
            "guitar at x4, #3 red dog at x2.",
            [("number", "#3"), ("object", "red dog"), ("place", "at x2")],
        ),
        ("hear #1 dog", "hear #1 cat", [("sound", "cat")]),
        (HEARD, HEARD.replace("#1", "unseen"), [("source", "unseen")]),
        ("#1 in 0s 1s 2s", "#1 in 0s 2s", [("seconds", "in 0s 2s")]),
        ("dog booming,", "dog faint,", [("loudness", "faint")]),
        ("among: #1 booming;", "among: #1 soft;", [("compared", "#1 soft")]),
        ("among: #1 booming; #2 faint", "among: none", [("compared", "none")]),
        ("among: #1 booming; #2 faint", "among: #1; #3 faint", [("compared", "#1"), ("compared", "#3 faint")]),
        ("wanted: booming", "wanted: faint", [("wanted", "faint")]),
        ("? booming, keep", "? silent, keep", [("fact", "silent")]),
        ("? booming, keep", "? booming", [("unreadable", "#1: no verdict")]),
        ("#1: booming? booming,", "#1: booming,", [("unreadable", "#1: booming: no answer")]),
        ("#2: booming?", "#2: loud?", [("wanted", "loud")]),
        ("so it is #1, the red dog", "none of them fits", [("conclusion", "nothing")]),
        ("so it is #1, the red dog", "the dog barks", [("unreadable", "the dog barks")]),
        ("see #1 red dog at x2", "see #1 red dog at x2 so so", [("unreadable", "so so")]),
    ],
)
def test_each_false_claim_is_told(said, instead, expected):
    assert RIGHT.count(said) == 1
    assert false_claims(RIGHT.replace(said, instead)) == expected


def test_one_column_off_is_near_in_places_only():
    reading = check_chain(RIGHT.replace("dog at x2", "dog at x3"), scene=SCENE, reference=LOUDEST)
    assert [(claim.text, claim.is_near) for claim in reading.claims if not claim.is_true] == [("at x3", True)]
    far = check_chain(RIGHT.replace("dog at x2", "dog at x4"), scene=SCENE, reference=LOUDEST)
    loud = check_chain(RIGHT.replace("dog booming", "dog loud"), scene=SCENE, reference=LOUDEST)
    for reading in (far, loud):
        assert [claim.is_near for claim in reading.claims if not claim.is_true] == [False]


def test_silence_is_a_claim():
    assert false_claims("the soundtrack is silent.") == [("silence", "the soundtrack is silent")]
    assert false_claims("We hear nothing.", scene=make_scene(make_object(0, "dog"))) == []


def test_of_each_object_it_is_told_whether_it_is_silent():
    scene = make_scene(DOG, make_object(1, "guitar"))
    assert false_claims(f"we hear {HEARD}, #2 silent.", scene=scene) == []
    assert false_claims("we hear #1 silent, #2 silent.", scene=scene) == [("silence", "#1")]
    assert false_claims("we hear silent.", scene=scene) == [("silence", "no number")]


def test_what_is_left_out_is_counted():
    reading = check_chain(RIGHT.replace("#1 red dog at x2, ", ""), scene=SCENE, reference=LOUDEST)
    assert (reading.num_objects_named, reading.num_objects) == (1, 2)
    assert (reading.num_sounds_named, reading.num_sounds) == (2, 2)
    assert check_chain("", scene=SCENE, reference=LOUDEST).claims == ()
