import numpy as np
from tinyworld.samples import make_object, make_scene, make_voice, plans

from tgs_pipeline.tinyworld.categories import CATEGORIES
from tgs_pipeline.tinyworld.reasoning import rewrite_reference
from tgs_pipeline.tinyworld.solver import solve
from tgs_pipeline.tinyworld.words import split_words


def test_r2_references_reason_without_naming():
    rewritten = [(plan, other) for _, _, plan in plans() for other in plan.reasoning if other is not None]
    references = sum(len(plan.references) for split, _, plan in plans() if split in ("test_s", "test_u"))
    assert len(rewritten) > 0.6 * references
    for plan, other in rewritten:
        assert not set(split_words(other.text)) & set(CATEGORIES), other.text
        assert 10 <= len(other.text.split()) <= 15
        assert solve(plan.scene, other.atoms) == other.target


def test_no_expression_where_all_are_alike():
    scene = make_scene(make_object(0, "lamp"), make_object(1, "lamp", centers=((0.21, 0.6),) * 10))
    assert rewrite_reference(np.random.default_rng(0), scene, 0) is None


def test_the_second_fact_can_be_another_objects_sound():
    scene = make_scene(make_object(0, "chair"), make_object(1, "dog", voice=make_voice(0, 5)))
    texts = {rewrite_reference(np.random.default_rng(seed), scene, 0).text for seed in range(40)}
    assert any("barking" in text for text in texts)
    assert "The piece for furnishing a room placed to the left of whatever produces the barking." in texts
