import pytest
from asked_questions import reply_of
from tinyworld.samples import make_object, make_scene

from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.training.evaluation.blind import BlindAnswer
from tgs_pipeline.training.evaluation.questions import Question
from tgs_pipeline.training.evaluation.run import judge
from tgs_pipeline.training.evaluation.scores import MEASURES, Rate, measure, statements

SCENE = make_scene(make_object(0, "cat", color="red"), make_object(1, "cat"), make_object(2, "man"))
MEASURE = {what.name: what for what in MEASURES}


def outcome(
    s_object,
    *,
    target,
    kind="color",
    f_object="x",
    style="plain",
    split="test_s",
    blind="man",
    blind_name="man in blue",
    think="no",
):
    null = "null_m" if target is None else None
    question = Question(5, split, "clip", style, Reference(kind, "The one.", "a", (), target), SCENE, null)
    text = f"<think>{think}</think><answer><f_object>{f_object}</f_object><s_object>{s_object}</s_object></answer>"
    return judge(question, reply_of(text), blind=BlindAnswer(blind, blind, "man in blue"))


def counts(outcomes, name):
    rate = measure(outcomes, MEASURE[name]).rate
    return rate.num, rate.total


def test_wilson_interval_of_published_cases():
    """Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81/263, 15/148, 0/20 and 1/29."""
    for num, total, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert Rate(num, total).interval == pytest.approx((low, high), abs=5e-5)
    assert Rate(0, 0).share is None and Rate(0, 0).interval is None
    assert Rate(0, 0).to_json() == {"share": None, "num": 0, "total": 0, "low": None, "high": None}


def test_s_object_is_compared_whole_in_any_case():
    said = ("Cat", "cat ", "red cat", "the cat", "dog", "null")
    outcomes = [outcome(name, target=0) for name in said]
    assert counts(outcomes, "s_object, test_s") == (2, 6)
    assert counts(outcomes, "present called null") == (1, 6)


def test_each_measure_counts_its_own_questions():
    outcomes = [
        outcome("cat", target=0),
        outcome("cat", target=0, kind="first"),
        outcome("man", target=0, kind="sounding_beside"),
        outcome("cat", target=0, kind="loudest", split="test_u"),
        outcome("cat", target=0, style="reasoning", kind="reasoning"),
        outcome("null", target=None, split="test_n"),
        outcome("man", target=None, split="test_n"),
    ]
    expected = {
        "s_object, test_s": (2, 3),
        "s_object, test_u": (1, 1),
        "s_object, R2-style": (1, 1),
        "kind: visual": (1, 1),
        "kind: temporal": (1, 1),
        "kind: audio + place": (0, 1),
        "kind: audio": (1, 1),
        "kind: null (recognised)": (1, 2),
        "null, foreign sound": (0, 0),
        "present called null": (0, 4),
        "audio + place, sounding_beside": (0, 1),
        "temporal, first": (1, 1),
        "audio, loudest": (1, 1),
        "visual, biggest": (0, 0),
    }
    assert {name: counts(outcomes, name) for name in expected} == expected


def test_baselines_stand_beside():
    outcomes = [
        outcome("cat", target=0, blind="dog"),
        outcome("cat", target=0, blind="cat"),
        outcome("null", target=None, blind=None),
        outcome("null", target=None, blind="man"),
        outcome("null", target=None, blind="man"),
    ]
    found = measure(outcomes, MEASURE["s_object, test_s"])
    assert (found.chance, found.blind) == (pytest.approx(2 / 3), 0.5)
    null = measure(outcomes, MEASURE["kind: null (recognised)"])
    assert (null.rate.share, null.chance, null.blind) == (1, 0.6, pytest.approx(1 / 3))


def test_an_unreadable_reply_is_neither_right_nor_null():
    question = outcome("cat", target=0).question
    words = BlindAnswer(None, "man", "man in blue")
    cut = judge(question, reply_of("<think>no</think><s_object>cat</s_object>"), blind=words)
    nothing = judge(outcome("null", target=None).question, reply_of("no"), blind=words)
    assert counts([cut], "s_object, test_s") == (0, 1)
    assert counts([nothing], "kind: null (recognised)") == (0, 1)
    assert counts([cut, nothing, outcome("x", target=0)], "no readable answer") == (2, 3)


@pytest.mark.parametrize(
    ("f_object", "is_right"),
    [
        ("the red cat on the left", True),
        ("The Red cat", True),
        ("the cat on the left", False),
        ("the blue cat on the left", False),
        ("the red man", False),
        ("the red or blue cat", False),
        ("null", False),
    ],
)
def test_f_object_must_tell_twins_apart(f_object, is_right):
    outcomes = [outcome("x", target=0, f_object=f_object), outcome("man in blue", target=2, f_object="the man in blue")]
    found = measure(outcomes, MEASURE["f_object among twins"])
    assert (found.rate.num, found.rate.total, found.chance) == (is_right, 1, 0.5)
    every = measure(outcomes, MEASURE["f_object, test_s"])
    assert (every.rate.num, every.rate.total, every.chance) == (is_right + 1, 2, pytest.approx(1 / 3))
    assert every.blind == 0.5  # it says "man in blue" of everything


def test_statements_are_counted_over_all_chains():
    outcomes = [
        outcome(
            "man in blue", target=0, think="We look for a. We see #1 red cat at x2, #2 blue cat at x5. We hear nothing."
        ),
        outcome("man in blue", target=0, think="We see #1 red man at x2."),
    ]
    rates = statements(outcomes)
    assert rates["demand"] == Rate(1, 1)
    assert rates["object"] == Rate(2, 3)
    assert rates["place"] == Rate(1, 3)  # the blue cat stands at 4, the man at 7
    assert rates["number"] == Rate(2, 3)  # the man is the third
    assert rates["all"] == Rate(6, 10)
    assert rates["all, one column off allowed"] == Rate(7, 10)
    assert rates["objects in view that are named"] == Rate(2, 6)
    assert rates["sounds that are named"] == Rate(0, 0)
