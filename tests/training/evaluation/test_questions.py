from collections import Counter

from tinyworld.samples import make_object, make_scene

from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.kinds import KINDS
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.solver import Atom
from tgs_pipeline.training.evaluation.questions import _KINDS_OF_GROUP, GROUP_OF_KIND, GROUPS, Question, questions_of


def test_each_kind_of_reference_has_one_group():
    named = Counter(kind for kinds in _KINDS_OF_GROUP.values() for kind in kinds)
    assert named == Counter(kind.name for kind in KINDS)
    assert set(GROUP_OF_KIND.values()) == set(GROUPS)


def test_questions_about_a_clip():
    plan = plan_clip(5, "test_u", 0)
    asked = list(questions_of(plan, seed=5, split="test_u"))
    plain = [question for question in asked if question.style == "plain"]
    assert [question.reference for question in plain] == list(plan.references)
    assert [question.reference for question in asked if question.style == "reasoning"] == [
        r for r in plan.reasoning if r
    ]
    assert all(question.s_object and question.group and question.null is None for question in plain)
    assert all(question.group is None for question in asked if question.style == "reasoning")


def test_questions_about_a_null_variant_are_heard_with_its_soundtrack():
    plan = plan_clip(5, "test_n", 1)
    asked = list(questions_of(plan, seed=5, split="test_n"))
    assert plan.null.prefix == "null_c" and len(asked) == len(plan.null.references) > 0
    for question in asked:
        assert (question.null, question.s_object, question.group, question.num_twins) == ("null_c", None, None, 0)
        assert question.scene.unseen_voices


def test_chance_is_the_share_of_objects_of_the_category():
    scene = make_scene(make_object(0, "cat", color="red"), make_object(1, "cat"), make_object(2, "man"))
    reference = Reference("color", "The red one.", "a red object", (Atom("color", "red"),), 0)
    question = Question(5, "test_s", "clip", "plain", reference, scene, None)
    assert (question.s_object, question.num_twins) == ("cat", 2)
    assert question.chance == 2 / 3
