import pytest

from tgs_pipeline.prompts.naming import name_of, names_category, plurals_of, words_of


@pytest.mark.parametrize(
    ("text", "object_word", "named"),
    [
        ("The dog on the left.", "dog", "dog"),
        ("Two dogs.", "dog", "dogs"),
        ("The dog's tail", "dog", "dog's"),
        ("The hotdog stand", "dog", None),
        ("The women", "woman", "women"),
        ("The man", "woman", None),
        ("the wolves", "wolf", "wolves"),
        ("two basses", "bass", "basses"),
        ("some babies", "baby", "babies"),
        ("a hair-dryer", "hair-dryer", "dryer"),
        ("the HAIRDRYERS", "hair-dryer", "hairdryers"),
        ("the hair of the woman", "hair-dryer", None),
        ("a car that hurries", "emergency-car", "car"),
        ("careful", "car", None),
    ],
)
def test_a_category_is_named_in_singular_plural_or_compound(text, object_word, named):
    assert names_category(text, object_word) == named


def test_words_and_names():
    assert words_of("The man’s hair-dryer, LOUD!") == ["the", "man's", "hair", "dryer", "loud"]
    assert name_of("vacuum-cleaner") == "vacuum cleaner"
    assert plurals_of("boy") == {"boys"} and "people" in plurals_of("person")
