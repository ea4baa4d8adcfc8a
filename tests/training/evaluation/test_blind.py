import pytest
from tinyworld.samples import make_object, make_scene

from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.training.evaluation.blind import MIN_COUNT, Blind, BlindAnswer, WordsOnly, category_of, name_of
from tgs_pipeline.training.evaluation.questions import Question

CATEGORIES = ("dog", "cat", "guitar", "man")


def ask(text, answer, *, times=1, split="test_s"):
    """Questions about one of four blue objects; answer: its category, or None."""
    scene = make_scene(*(make_object(index, name) for index, name in enumerate(CATEGORIES)))
    target = None if answer is None else CATEGORIES.index(answer)
    null = "null_m" if answer is None else None
    return [Question(5, split, "clip", "plain", Reference("any", text, "", (), target), scene, null)] * times


def names(questions):
    return WordsOnly(questions, words_of=name_of)


def test_a_category_is_counted_whatever_its_colour():
    questions = [*ask("The sounding dog.", "dog", times=2), *ask("The silent one.", "cat", times=3)]
    blind = WordsOnly(questions, words_of=category_of)
    assert [blind.answer(text) for text in ("The sounding trumpet.", "The silent one", "What?")] == [
        "trumpet", "cat", "cat"
    ]  # fmt: skip


def test_the_commonest_answer_to_a_text_wins_in_any_case_and_with_or_without_a_dot():
    blind = names([*ask("The loudest object.", "dog", times=MIN_COUNT), *ask("the loudest object", "cat", times=4)])
    assert blind.answer("THE LOUDEST OBJECT.") == "blue dog"


def test_a_category_in_the_text_is_repeated_where_others_were():
    blind = names([*ask("The sounding dog.", "dog", times=2), *ask("The sounding cat.", "cat", times=2)])
    assert blind.answer("The sounding trumpet.") == "blue trumpet"
    assert blind.answer("The sounding brass thing that people blow.") == "blue trumpet"


def test_a_repeated_person_is_named_by_the_clothes():
    blind = names([*ask("The sounding dog.", "dog", times=2), *ask("The sounding cat.", "cat", times=2)])
    assert blind.answer("The sounding man.") == "man in blue"
    blind = names(ask("The sounding man.", "man"))
    assert blind.answer("The sounding cat.") == "blue cat"


def test_a_colour_in_the_text_is_repeated_where_others_were():
    blind = names(ask("The blue dog.", "dog", times=2))
    assert blind.answer("The red trumpet.") == "red trumpet"
    assert blind.answer("The red man.") == "man in red"


def test_a_colour_where_others_had_a_category_is_no_name_but_an_answer():
    assert names(ask("The sounding dog.", "dog")).answer("The sounding red.") == "blue red"


def test_the_right_one_of_two_categories_is_repeated():
    blind = names([*ask("The cat on the left of the dog.", "cat"), *ask("The dog on the left of the guitar.", "dog")])
    assert blind.answer("The sheep on the left of the bird") == "blue sheep"


def test_null_is_an_answer():
    blind = names([*ask("The sounding dog.", None, times=3), *ask("The sounding cat.", "cat", times=2)])
    assert blind.answer("The sounding trumpet.") is None


def test_neutral_words_do_not_matter():
    blind = names([*ask("The loudest object.", "dog", times=2), *ask("The silent object.", "cat", times=4)])
    assert blind.answer("The loudest thing.") == "blue dog"


def test_unknown_words_get_the_commonest_answer():
    blind = names([*ask("The loudest object.", "dog", times=2), *ask("The silent object.", "cat", times=4)])
    assert blind.answer("What floats?") == "blue cat"


def test_a_rare_text_does_not_overrule_its_wording():
    rare, common = ask("The sounding dog.", None), ask("The sounding cat.", "cat", times=9)
    assert names([*rare, *common]).answer("The sounding dog.") == "blue dog"


def test_nothing_to_fit_on_is_an_error():
    with pytest.raises(ValueError, match="nothing to fit the blind baseline on"):
        names([])


def test_where_an_object_is_meant_it_is_guessed_among_objects_of_the_split():
    seen, unseen = ask("The loudest.", "dog", times=2), ask("The loudest.", "cat", times=3, split="test_u")
    blind = Blind([*seen, *unseen, *ask("The loudest.", None, times=9)])
    assert blind.answer(seen[0]) == BlindAnswer(None, "dog", "blue dog")
    assert blind.answer(unseen[0]) == BlindAnswer(None, "cat", "blue cat")
    assert blind.answer(ask("The loudest.", None)[0]) == BlindAnswer(None, None, None)
    with pytest.raises(ValueError, match=r"knows \['test_s', 'test_u'\], but not split 'val'"):
        blind.answer(ask("The loudest.", "dog", split="val")[0])
