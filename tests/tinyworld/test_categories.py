import pytest

from tgs_pipeline.tinyworld.categories import (
    CATEGORIES,
    HELD_OUT,
    SEEN,
    SOUNDING,
    categories_with_function,
    name_with_color,
)
from tgs_pipeline.tinyworld.drawings import DRAWINGS
from tgs_pipeline.tinyworld.timbres import PULSES, STEADY


def test_every_category_is_complete():
    assert set(DRAWINGS) == set(CATEGORIES)
    assert {*PULSES, *STEADY} == set(SOUNDING)
    for name in SOUNDING:
        assert (name in PULSES) == CATEGORIES[name].has_rhythm
    assert len({CATEGORIES[name].noise for name in SOUNDING}) == len(SOUNDING)
    assert {*SEEN, *HELD_OUT} == set(CATEGORIES) and not set(SEEN) & set(HELD_OUT)


def test_functions_name_no_category_and_belong_to_one():
    for name, category in CATEGORIES.items():
        for phrase in category.functions:
            assert categories_with_function(phrase) == {name}
            assert not set(phrase.split()) & set(CATEGORIES), phrase
    assert categories_with_function("thing that makes music") == {"drum", "guitar", "piano", "trumpet"}


def test_names():
    assert name_with_color("dog", "red") == "red dog"
    assert name_with_color("man", "red") == "man in red"


def test_unknown_phrase():
    with pytest.raises(ValueError, match="unknown function phrase: got 'x'"):
        categories_with_function("x")
