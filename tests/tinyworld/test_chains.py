import re
from dataclasses import replace

import numpy as np
import pytest
from tinyworld.samples import make_object, make_scene, make_voice, plans

from tgs_pipeline.tinyworld.chains import describe_target, write_chain, write_parts
from tgs_pipeline.tinyworld.clip import chain_generator
from tgs_pipeline.tinyworld.facts import SIZE_DEMANDS, number_of
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.solver import Atom, judge
from tgs_pipeline.tinyworld.verdict import Verdict
from tgs_pipeline.tinyworld.words import split_words

SHAPE = re.compile(
    r"<think>\n(.+)\n</think>\n<answer>\n<f_object> (.+) </f_object>\n<s_object> (.+) </s_object>\n</answer>"
)
CHECKS = re.compile(r"\. (?:Checking each|Candidates|One by one): ([^.]+)\. ")
DOG = make_object(1, "dog", color="red", voice=make_voice(0, 3, loudness=4, pulse_hz=1.0))
GUITAR = make_object(0, "guitar", voice=make_voice(2, 10, loudness=1, pulse_hz=4.0))
SCENE = make_scene(GUITAR, DOG)


@pytest.fixture(scope="module")
def chains():
    """(scene, reference, chain) of every reference of the plans, also of null and of rewritten ones."""
    return list(_chains())


def _chains():
    for split, index, plan in plans():
        rows = [(plan.scene, reference) for reference in plan.references]
        rows += [(plan.null.scene, reference) for reference in plan.null.references] if plan.null else []
        rows += [(plan.scene, reference) for reference in plan.reasoning if reference]
        for row, (scene, reference) in enumerate(rows):
            yield scene, reference, write_chain(chain_generator(1, split, index, row), scene, reference)


def test_a_chain_by_hand():
    atoms = (Atom("sounding"), Atom("loudest"))
    reference = Reference("loudest", "The loudest.", "the loudest sound", atoms, 1)
    lines = write_chain(np.random.default_rng(5), SCENE, reference).split("\n")
    told = lines[1]
    assert told.count(". ") == 6
    for part in (
        "the loudest sound.",
        "#1 blue guitar at x2, #2 red dog at x4.",
        "#1 guitar faint, #1 fast, #1 in 2s 3s 4s 5s 6s 7s 8s 9s, #1 lasts 8s, "
        "#2 dog booming, #2 slow, #2 in 0s 1s 2s, #2 lasts 3s.",
        "#1 faint; #2 booming.",
        " sounds, booming.",
        "#1: sounds? sounds, booming? faint, out; #2: sounds? sounds, booming? booming, keep.",
        "#2, the red dog",
    ):
        opening, found, told = told.partition(part)  # the opening of a sentence is one of several
        assert found and len(opening.split()) <= 5, (part, lines[1])
    answer = ["<f_object> the red dog in the middle </f_object>", "<s_object> dog </s_object>"]
    assert [lines[0], *lines[2:]] == ["<think>", "</think>", "<answer>", *answer, "</answer>"]


def test_a_candidate_is_struck_out_at_the_first_demand_that_it_fails():
    atoms = (Atom("category", "dog"), Atom("sounding"), Atom("silent"))
    chain = write_chain(np.random.default_rng(0), SCENE, Reference("any", "?", "a dog", atoms, None))
    assert CHECKS.search(chain)[1] == ("#1: dog? guitar, out; #2: dog? dog, sounds? sounds, silent? sounds, out")


def test_what_is_hard_to_tell_and_what_was_said_is_passed_over():
    twice = (Atom("category", "dog"), Atom("category", "dog"))
    chain = write_chain(np.random.default_rng(0), SCENE, Reference("any", "?", "a dog", twice, 1))
    assert CHECKS.search(chain)[1] == "#1: dog? guitar, out; #2: dog? dog, keep"
    man = make_object(2, "man", color="red")
    assert judge(make_scene(man), man, [Atom("colored", "red")]) is Verdict.UNSURE  # clothes
    unsure = (Atom("colored", "red"), Atom("silent"))
    chain = write_chain(np.random.default_rng(0), make_scene(man), Reference("any", "?", "a red thing", unsure, None))
    assert CHECKS.search(chain)[1] == "#1: silent? silent, keep"


def test_what_is_compared_is_told_before_what_is_wanted():
    reference = Reference("any", "?", "a dog", (Atom("category", "dog"), Atom("louder_than", "cat")), None)
    chain = write_chain(np.random.default_rng(0), SCENE, reference)
    assert re.search(
        r"\. (?:To compare|Compared|Among): #1: cat\? guitar; #2: cat\? dog\. [^.]+: dog, above cat none\. ", chain
    )
    alone = make_scene(make_object(0, "cat"))
    silence = write_chain(np.random.default_rng(0), alone, replace(reference, atoms=(Atom("loudest"),)))
    assert re.search(r"\. (?:To compare|Compared|Among): none\. [^.]+: none\. ", silence)
    plain = write_chain(np.random.default_rng(0), SCENE, replace(reference, atoms=reference.atoms[:1]))
    assert not re.search(r"ompare|Among", plain)


def test_sounds_from_out_of_view_are_heard_as_such():
    scene = make_scene(make_object(0, "cat"))
    scene = type(scene)(scene.objects, (("train", make_voice(1, 4, loudness=3, pulse_hz=None)),))
    chain = write_chain(np.random.default_rng(0), scene, Reference("any", "?", "a train", (Atom("sounding"),), None))
    assert " #1 silent, unseen train loud, unseen flat, unseen in 1s 2s 3s, unseen lasts 3s." in chain
    assert CHECKS.search(chain)[1] == "#1: sounds? silent, out"
    silent = write_chain(
        np.random.default_rng(0), make_scene(scene.objects[0]), Reference("any", "?", "a cat", (Atom("silent"),), 0)
    )
    assert re.search(r"no sound\.|hear nothing\.|is silent\.", silent)


def test_chains_have_the_published_shape_and_the_right_answer(chains):
    assert sum(reference.target is None for _, reference, _ in chains) > 100
    for scene, reference, chain in chains:
        match = SHAPE.fullmatch(chain)
        assert match, chain
        if reference.target is None:
            assert match.groups()[1:] == ("null", "null")
        else:
            assert match.groups()[1:] == describe_target(scene.objects[reference.target])


def test_every_candidate_is_kept_or_struck_out_as_the_solver_says(chains):
    for scene, reference, chain in chains:
        checks = CHECKS.search(chain)[1].split("; ")
        assert len(checks) == len(scene.objects)
        for item, check in zip(scene.from_left(), checks, strict=True):
            verdict = judge(scene, item, reference.atoms)
            assert verdict is (Verdict.YES if item.index == reference.target else Verdict.NO)
            assert check.startswith(f"{number_of(scene, item)}: ")
            assert check.endswith(", keep" if verdict is Verdict.YES else ", out"), chain
            assert "? " in check and ": ," not in check and ", ," not in check


def test_the_opening_does_not_know_the_answer():
    """It tells of the demand and the clip alone, so a model cannot be taught to hint at what follows.

    All that it takes from the atoms is whether sizes are asked for.
    """
    for split, index, plan in plans():
        for row, reference in enumerate(plan.references):
            sizes = tuple(atom for atom in reference.atoms if atom.name in SIZE_DEMANDS)
            other = Reference(reference.kind, "other", reference.asks, (*sizes, Atom("silent")), None)
            parts = [write_parts(chain_generator(1, split, index, row), plan.scene, one) for one in (reference, other)]
            assert parts[0][0] == parts[1][0]
            assert parts[0][1] != parts[1][1]
            chain = write_chain(chain_generator(1, split, index, row), plan.scene, reference)
            assert "".join(parts[0]) == chain


def test_chains_stay_short(chains):
    assert max(len(split_words(chain)) for _, _, chain in chains) < 260


def test_s_object_is_the_category_and_f_object_gives_colour_and_place():
    scene = make_scene(make_object(0, "cat", color="red"), make_object(1, "cat"), make_object(2, "man"))
    assert describe_target(scene.objects[0]) == ("the red cat on the left", "cat")
    assert describe_target(scene.objects[2]) == ("the man in blue on the right", "man")


def test_sizes_are_told_of_all_where_they_are_asked_for(chains):
    told = set()
    for scene, reference, chain in chains:
        asked = any(atom.name in SIZE_DEMANDS for atom in reference.atoms)
        shown = chain[: re.search(r"The audio|We hear|The soundtrack", chain).start()]
        assert len(re.findall(r"#\d size \d+", shown)) == (len(scene.objects) if asked else 0), chain
        told.add(asked)
    assert told == {False, True}
