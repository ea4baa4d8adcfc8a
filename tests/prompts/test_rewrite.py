import pytest

from tgs_pipeline.prompts import rewrite

GOOD = "The seat that two people share while the loudest voice speaks."


def problems(reply, reference="The couch on the left."):
    return rewrite.check(reply, reference=reference, object_word="couch", words=(10, 15))


def test_a_good_reference_passes():
    assert problems(GOOD) == []
    assert problems(GOOD, GOOD.upper()) == ["it is the original expression"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("The seat that two people share.", "it has 6 words, expected 10 to 15"),
        (GOOD[:-1] + " and then for a long time stays silent.", "it has 19 words"),
        (GOOD.replace("seat", "couch"), "it names the category ('couch')"),
        (GOOD.replace("seat", "one of the couches"), "it names the category ('couches')"),
        (GOOD[:-1], "it does not end in a full stop"),
        (f'"{GOOD}"', "it holds quotation marks or markup"),
        (GOOD.replace("while", "\nwhile"), "it has 2 lines, expected one"),
    ],
)
def test_what_is_wrong_with_a_reference(reply, reason):
    assert reason in "; ".join(problems(reply))


def test_the_question_names_the_other_objects():
    text = rewrite.question(reference="The couch. ", object_word="couch", others=["hair-dryer", "woman", "woman"])
    assert text.splitlines() == [
        "Original expression: The couch.",
        "Category of the object: couch",
        "Other objects of the video: hair dryer, woman, woman",
    ]
    assert "none that is known" in rewrite.question(reference="x", object_word="couch", others=[])
