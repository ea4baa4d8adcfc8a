import re

import numpy as np
from tinyworld.samples import clips, make_object, make_scene, make_voice, plans

from tgs_pipeline.tinyworld.chains import describe_target, write_chain
from tgs_pipeline.tinyworld.clip import chain_generator
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.solver import Atom
from tgs_pipeline.tinyworld.words import split_words

SHAPE = re.compile(
    r"<think>\n.+\n</think>\n<answer>\n<f_object> (.+) </f_object>\n<s_object> (.+) </s_object>\n"
    r"The corresponding bbox is: <frame> (\d|null) <box> (\d+,\d+,\d+,\d+|null) </box> </frame>\n</answer>"
)


def _chains():
    for clip in clips():
        plan = clip.plan
        for reference in plan.references:
            yield clip, reference, write_chain(np.random.default_rng(0), plan.scene, reference, masks=clip.masks)
        if plan.null is not None:
            for reference in plan.null.references:
                yield clip, reference, write_chain(np.random.default_rng(0), plan.null.scene, reference)


def test_a_chain_by_hand():
    dog = make_object(0, "dog", color="red", voice=make_voice(0, 3, loudness=4, pulse_hz=1.0))
    guitar = make_object(1, "guitar", voice=make_voice(2, 10, loudness=1, pulse_hz=4.0))
    reference = Reference("loudest", "The loudest.", "the loudest sound", (Atom("loudest"),), 0)
    chain = write_chain(np.random.default_rng(0), make_scene(dog, guitar), reference)
    assert "red dog at 2, blue guitar at 4" in chain
    assert "dog from 0 to 3 loudness 4 rhythm 1, guitar from 2 to 10 loudness 1 rhythm 4" in chain
    assert "red dog: loudness 4, keep; blue guitar: loudness 1, out" in chain
    assert "<f_object> the red dog on the left </f_object>\n<s_object> dog </s_object>" in chain


def test_chains_have_the_published_shape_and_the_right_answer():
    for clip, reference, chain in _chains():
        match = SHAPE.fullmatch(chain)
        assert match, chain
        if reference.target is None:
            assert match.groups() == ("null", "null", "null", "null")
            assert ", keep" not in chain
            continue
        item = clip.plan.scene.objects[reference.target]
        assert (match[1], match[2]) == describe_target(clip.plan.scene, item)
        assert chain.count(", keep") == 1
        assert chain.count(", out") == len(clip.plan.scene.objects) - 1
        left, top, right, bottom = (int(number) for number in match[4].split(","))
        mask = clip.masks[reference.target, int(match[3])]
        assert (
            mask[top : bottom + 1, left : right + 1].sum()
            == mask.sum()
            == max(frame.sum() for frame in clip.masks[reference.target])
        )


def test_every_candidate_is_kept_or_struck_out_as_the_solver_says():
    for split, index, plan in plans():
        for row, reference in enumerate(plan.references):
            chain = write_chain(chain_generator(1, split, index, row), plan.scene, reference)
            assert (chain.count(", keep"), chain.count(", out")) == (1, len(plan.scene.objects) - 1), chain
            assert ": ," not in chain


def test_chains_stay_short():
    assert max(len(split_words(chain)) for _, _, chain in _chains()) < 220


def test_the_colour_is_named_where_the_category_is_not_enough():
    scene = make_scene(make_object(0, "cat", color="red"), make_object(1, "cat"), make_object(2, "man"))
    assert describe_target(scene, scene.objects[0]) == ("the red cat on the left", "red cat")
    assert describe_target(scene, scene.objects[2]) == ("the man in blue on the right", "man")
