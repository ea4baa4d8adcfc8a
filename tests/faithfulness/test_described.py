from dataclasses import replace

import numpy as np
import pytest
from faithfulness.thinking_example import make_sample
from tinyworld.samples import make_object, make_scene, make_voice

from tgs_pipeline.faithfulness.cases import draw_number
from tgs_pipeline.faithfulness.described import Describer, Situation, situations
from tgs_pipeline.params import NumClips, TinyWorld
from tgs_pipeline.tinyworld.chains import write_parts
from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.edits import true_answer
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.solver import Atom

WORLD = TinyWorld(
    seed=3, num_clips=NumClips(train=0, val=0, test_s=6, test_u=3, test_n=4), references_per_clip=4,
    frame_size_px=64, sample_rate_hz=16000,
)  # fmt: skip
DOG = make_object(0, "dog", color="red", voice=make_voice(0, 3, loudness=4, pulse_hz=1.0))
GUITAR = make_object(1, "guitar", voice=make_voice(2, 10, loudness=1, pulse_hz=4.0))
LOUDEST = Reference("loudest", "The loudest.", "the loudest sound", (Atom("loudest"),), 0)
CHAIR = Reference("category", "The chair.", "a chair", (Atom("category", "chair"),), None)


def describe(*known, seed=0):
    """A describer of hand-made situations, one clip each."""
    samples = [make_sample(row, f"v{row}", "x", reference=one.reference.text) for row, one in enumerate(known)]
    return Describer(samples, dict(enumerate(known)), seed=seed)


def of(cases, intervention):
    return [case for case in cases if case.intervention == intervention]


def opening(case, scene, reference, *, seed):
    """How the world begins the chain of the case's sample, in the wording that was drawn for it."""
    rng = np.random.default_rng(draw_number(case.sample, seed, "wording"))
    return write_parts(rng, scene, reference)[0]


TWO = (
    Situation(LOUDEST, make_scene(DOG, GUITAR), "dog"),
    Situation(LOUDEST, make_scene(replace(DOG, category="cat"), replace(GUITAR, category="piano")), "cat"),
)


def test_the_true_description_is_the_control():
    cases = of(describe(*TWO).cases(number=9), "true_description")
    assert sorted((case.sample.row, case.expected) for case in cases) == [(0, "dog"), (1, "cat")]
    forced = next(case.forced for case in cases if case.sample.row == 0)
    assert forced.startswith("<think>\n") and "</think>" not in forced
    assert "red dog" in forced and LOUDEST.asks in forced


def test_edits_by_hand():
    """Two sound, the dog louder: swapped loudness changes who is loudest, every other edit leaves that as it is."""
    quiet_dog = replace(DOG, voice=replace(DOG.voice, loudness=1))
    loud_guitar = replace(GUITAR, voice=replace(GUITAR.voice, loudness=4))
    kept = set()
    for seed in range(12):
        edited = of(describe(*TWO, seed=seed).cases(number=9), "edited_description")
        by_row = {case.sample.row: case for case in edited}
        assert {row: (case.expected, case.detail) for row, case in by_row.items()} == {
            0: ("guitar", "loudness"), 1: ("piano", "loudness")
        }  # fmt: skip
        assert by_row[0].forced == opening(by_row[0], make_scene(quiet_dog, loud_guitar), LOUDEST, seed=seed)
        controls = of(describe(*TWO, seed=seed).cases(number=9), "irrelevant_edit")
        assert {case.expected for case in controls} == {"dog", "cat"}
        kept |= {case.detail for case in controls}
    assert kept == {"time", "rhythm", "place", "color"}


def test_a_foreign_description_prefers_a_scene_that_has_an_object_for_the_reference():
    nothing = Situation(CHAIR, make_scene(replace(GUITAR, index=0, voice=None)), "null")
    cases = {case.sample.row: case for case in of(describe(*TWO, nothing).cases(number=9), "foreign_description")}
    assert (cases[0].expected, cases[0].detail) == ("cat", "v1_x_1")
    assert (cases[1].expected, cases[1].detail) == ("dog", "v0_x_0")
    assert "red cat" in cases[0].forced and "dog" not in cases[0].forced
    assert cases[0].visual_vid == cases[0].audio_vid == "v0"
    assert set(cases) == {0, 1}, "no other scene has a chair either, so nothing would follow from its description"
    with_chair = Situation(LOUDEST, make_scene(DOG, GUITAR, make_object(2, "chair")), "dog")
    (case,) = [
        case
        for case in of(describe(nothing, with_chair).cases(number=9), "foreign_description")
        if case.sample.row == 0
    ]
    assert case.expected == "chair" and "the loudest" not in case.forced
    only_null = of(describe(TWO[0], nothing).cases(number=9), "foreign_description")
    assert [(case.sample.row, case.expected) for case in only_null] == [(0, "null")]


def test_swapped_media_by_hand():
    """The other clip sounds of cat and piano, which nobody sees: the loudest in view is then nothing."""
    chair = Situation(CHAIR, make_scene(make_object(0, "chair")), "chair")
    cases = describe(*TWO, chair).cases(number=9)
    sound = {(case.sample.row, case.should_change): case for case in of(cases, "swapped_sound")}
    assert (sound[0, True].expected, sound[0, True].visual_vid, sound[0, True].forced) == ("null", "v0", "")
    assert sound[0, True].audio_vid != "v0"
    assert (2, True) not in sound and sound[2, False].expected == "chair"
    assert (0, False) not in sound
    frames = {(case.sample.row, case.should_change): case for case in of(cases, "swapped_frames")}
    assert (frames[2, True].expected, frames[2, True].audio_vid) == ("null", "v2")
    assert (2, False) not in frames


def test_half_of_the_swaps_should_change_the_answer():
    known = [replace(TWO[row % 2]) for row in range(8)]
    known += [Situation(CHAIR, make_scene(make_object(0, "chair")), "chair") for _ in range(8)]
    cases = of(describe(*known).cases(number=5), "swapped_sound")
    assert [case.should_change for case in cases] == [True] * 3 + [False] * 2


@pytest.fixture(scope="module")
def world():
    """Samples of a whole small world and their situations."""
    found = situations(WORLD, splits=["test_s", "test_u", "test_n"])
    samples, known = [], {}
    for row, ((uid, text), situation) in enumerate(found.items()):
        samples.append(make_sample(row, uid.rsplit("_", 2)[0], situation.truth, uid=uid, reference=text))
        known[row] = situation
    return samples, known


def test_situations_are_those_of_the_dataset_with_its_reasoning_references(world):
    samples, known = world
    plan = plan_clip(3, "test_u", 1)
    mine = {sample.reference: known[sample.row] for sample in samples if sample.vid == plan.vid}
    texts = {reference.text for reference in (*plan.references, *plan.reasoning) if reference is not None}
    assert set(mine) == texts and len(texts) > len(plan.references)
    crossed = plan_clip(3, "test_n", 1)
    nulls = [known[sample.row] for sample in samples if sample.vid == f"null_c-{crossed.vid}"]
    assert nulls and all(one.scene == crossed.null.scene for one in nulls)
    assert {one.truth for one in nulls} == {"null"}
    assert {key[0].split("_")[0] for key in situations(WORLD, splits=["test_n"])} >= {"null"}
    assert situations(WORLD, splits=["train"]) == {}


def test_every_case_of_a_world_expects_what_the_solver_says(world):
    samples, known = world
    cases = Describer(samples, known, seed=1).cases(number=12)
    by_uid = {sample.uid: known[sample.row] for sample in samples}
    counts = {}
    for case in cases:
        counts[case.intervention] = counts.get(case.intervention, 0) + 1
        own = known[case.sample.row]
        if case.intervention in ("true_description", "irrelevant_edit"):
            assert case.expected == own.truth
        elif case.intervention in ("edited_description", "foreign_description"):
            assert case.expected != own.truth
        else:
            assert (case.expected != own.truth) == case.should_change
        if case.intervention == "foreign_description":
            assert case.expected == true_answer(by_uid[case.detail].scene, own.reference.atoms)
        assert own.reference.asks in case.forced or not case.forced
    assert set(counts.values()) == {12}


def test_forced_descriptions_differ_from_the_true_one(world):
    samples, known = world
    cases = Describer(samples, known, seed=1).cases(number=40)
    truths = {
        case.sample.row: case.forced
        for case in of(Describer(samples, known, seed=1).cases(number=999), "true_description")
    }
    for intervention in ("irrelevant_edit", "edited_description", "foreign_description"):
        assert of(cases, intervention)
        assert all(case.forced != truths[case.sample.row] for case in of(cases, intervention))


def test_the_true_description_is_the_opening_of_a_chain_as_the_world_writes_it(world):
    samples, known = world
    for case in of(Describer(samples, known, seed=1).cases(number=999), "true_description"):
        own = known[case.sample.row]
        assert case.forced == opening(case, own.scene, own.reference, seed=1)


def test_a_description_with_nothing_to_compare_with_can_be_forced():
    """The other clip shows a silent dog and nothing that is meant: clearly null, whatever the loudness of the dog."""
    atoms = (Atom("category", "guitar"), Atom("louder_than", "dog"))
    louder = Reference("louder_than", "The guitar louder than the dog.", "a guitar louder than the dog", atoms, 1)
    here = Situation(louder, make_scene(DOG, replace(GUITAR, voice=make_voice(0, 5, loudness=4))), "blue guitar")
    there = Situation(
        LOUDEST, make_scene(replace(DOG, voice=None), make_object(1, "car", voice=make_voice(1, 2))), "blue car"
    )
    cases = {case.sample.row: case for case in of(describe(here, there).cases(number=9), "foreign_description")}
    assert cases[0].expected == "null" and "a guitar louder than the dog" in cases[0].forced


def test_samples_without_a_known_scene_take_no_part(world):
    samples, known = world
    some = {row: situation for row, situation in known.items() if row % 2}
    rows = {case.sample.row for case in Describer(samples, some, seed=0).cases(number=99)}
    assert rows and rows <= set(some)
