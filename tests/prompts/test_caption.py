import pytest

from tgs_pipeline.prompts.caption import caption


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("guitar", "guitar."),
        ("  The Dog \n", "the dog."),
        ("The dog.", "the dog."),
        ("guitar..", "guitar.."),
        ("which one?", "which one?."),
        ("U.S. flag", "u.s. flag."),
        ("吉他", "吉他."),
    ],
)
def test_lower_case_and_one_dot_where_absent(text, expected):
    assert caption(text) == expected
    assert caption(expected) == expected


@pytest.mark.parametrize("text", ["", "  ", ".", " ?! "])
def test_refuses_text_without_a_word(text):
    with pytest.raises(ValueError, match="holds no word"):
        caption(text)
