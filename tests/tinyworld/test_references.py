from collections import Counter

import numpy as np
import pytest
from tinyworld.samples import plans

from tgs_pipeline.tinyworld.categories import HELD_OUT, SEEN
from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.kinds import KINDS
from tgs_pipeline.tinyworld.references import choose_any_reference, choose_references
from tgs_pipeline.tinyworld.solver import is_unsatisfied, solve
from tgs_pipeline.tinyworld.words import split_words


def test_every_reference_means_exactly_one_object():
    for split, index, plan in plans():
        assert len(plan.references) == (0 if split == "test_n" else 4), (split, index)
        for reference in plan.references:
            assert reference.target is not None
            assert solve(plan.scene, reference.atoms) == reference.target, (split, index, reference)


def test_nothing_satisfies_null_references():
    prefixes = Counter()
    for split, index, plan in plans():
        if plan.null is None:
            assert split in ("test_s", "test_u") or index % 2 == 0
            continue
        prefixes[split, plan.null.prefix] += 1
        assert len(plan.null.references) == 4
        for reference in plan.null.references:
            assert reference.target is None
            assert is_unsatisfied(plan.null.scene, reference.atoms), (split, index, reference)
    assert prefixes["test_n", "null_m"] == prefixes["test_n", "null_c"] > 0
    assert prefixes["train", "null_m"] == prefixes["train", "null_c"] > 0


def test_crossed_soundtracks_come_from_nothing_in_view():
    audible = {kind.name for kind in KINDS if kind.audible}
    for _, _, plan in plans():
        if plan.null is not None and plan.null.prefix == "null_c":
            heard = {category for category, _ in plan.null.scene.unseen_voices}
            assert heard
            assert not heard & {item.category for item in plan.scene.objects}
            assert {reference.kind for reference in plan.null.references} <= audible


def test_all_kinds_occur_and_none_dominates():
    counts = Counter(reference.kind for _, _, plan in plans() for reference in plan.references)
    rare = {"smallest", "stationary", "whole"}  # checked by the solver's tests; seldom possible
    assert {kind.name for kind in KINDS} - rare <= set(counts)
    assert counts.most_common(1)[0][1] < 0.15 * sum(counts.values())


def test_held_out_categories_stay_out_of_the_other_splits():
    for split, _, plan in plans():
        shown = {item.category for item in plan.scene.objects}
        if split == "test_u":
            targets = [plan.scene.objects[reference.target].category for reference in plan.references]
            assert set(targets) <= set(HELD_OUT)
        elif split != "open":
            assert shown <= set(SEEN)
            nulls = plan.null.references if plan.null else ()
            heard = [category for category, _ in plan.null.scene.unseen_voices] if plan.null else []
            for reference in (*plan.references, *nulls):
                assert not set(split_words(reference.text)) & set(HELD_OUT), reference
            assert not set(heard) & set(HELD_OUT)


def test_fewer_references_are_a_prefix():
    few, many = (plan_clip(3, "val", 5, references_per_clip=number) for number in (2, 6))
    assert many.references[:2] == few.references
    assert many.scene == few.scene


def test_texts_vary_as_in_the_benchmark():
    texts = [reference.text for _, _, plan in plans() for reference in plan.references]
    assert 0.8 < np.mean([text.strip().endswith(".") for text in texts]) < 0.97
    assert any(text[0].islower() for text in texts)
    assert 4 < np.mean([len(text.split()) for text in texts]) < 9


def test_no_reference_wanted():
    scene = plans()[0][2].scene
    assert choose_references(np.random.default_rng(0), scene, number=0) == ()


def test_bad_arguments():
    with pytest.raises(ValueError, match="unknown split: got 'test'"):
        plan_clip(0, "test", 0)
    with pytest.raises(ValueError, match="must be >= 0"):
        plan_clip(0, "train", -1)


def test_references_of_chosen_kinds():
    sizes = [kind for kind in KINDS if kind.name in ("biggest", "smallest")]
    found = 0
    for _, index, plan in plans():
        rng = np.random.default_rng(index)
        chosen = choose_references(rng, plan.scene, number=9, kinds=sizes)
        assert {reference.kind for reference in chosen} <= {"biggest", "smallest"}
        asked = choose_any_reference(rng, plan.scene, kinds=sizes)
        assert asked.kind in ("biggest", "smallest")
        assert asked.atoms[0].value in {item.category for item in plan.scene.objects}
        assert asked.target == solve(plan.scene, asked.atoms)
        found += len(chosen)
    assert found > 0
