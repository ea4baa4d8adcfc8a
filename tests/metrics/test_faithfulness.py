import pytest

from tgs_pipeline.metrics.faithfulness import FORCED, MEASURES, SWAPPED, Outcome, Rate, is_same, measure


def forced(expected, answer, *, intervention="edited_chain", original="dog"):
    return Outcome(intervention, original, expected, None, answer)


def swapped(should_change, answer, *, original="dog"):
    return Outcome("swapped_sound", original, None, should_change, answer)


def test_names_are_compared_without_case_and_otherwise_exactly():
    assert is_same("Red Dog", "red dog") and is_same("null", "null")
    assert not is_same("dog", "dogs") and not is_same("red dog", "dog") and not is_same("dog", "dog ")
    assert not is_same(None, "null") and not is_same("null", None) and not is_same(None, None)


def test_follow_rate_by_hand():
    outcomes = [forced("cat", "Cat"), forced("cat", "dog"), forced("null", "null"), forced("null", None)]
    assert measure(outcomes) == {("edited_chain", "follows"): Rate(hits=2, cases=4, unreadable=1)}
    assert [outcome.follows for outcome in outcomes] == [True, False, True, False]
    assert [outcome.changes for outcome in outcomes] == [True, False, True, None]


def test_what_cannot_be_read_counts_as_the_worst():
    outcomes = [swapped(should, answer) for should in (True, False, None) for answer in ("cat", "DOG", "null", None)]
    assert measure(outcomes) == {
        ("swapped_sound", "changes_where_it_should"): Rate(hits=2, cases=4, unreadable=1),
        ("swapped_sound", "changes_where_it_should_not"): Rate(hits=3, cases=4, unreadable=1),
        ("swapped_sound", "changes"): Rate(hits=2, cases=4, unreadable=1),
    }


def test_measures_come_in_the_order_of_the_table_whatever_the_order_of_outcomes():
    outcomes = [forced("a", "a", intervention=name) for name in reversed(FORCED)] + [swapped(False, "a")]
    assert list(measure(outcomes)) == [name for name in MEASURES if name in measure(outcomes)]
    assert len(measure(outcomes)) == len(FORCED) + 1
    assert measure([]) == {}
    assert {name for name, _ in MEASURES} == {*FORCED, *SWAPPED}


def test_json_holds_rate_interval_and_counts():
    assert Rate(hits=3, cases=3, unreadable=0).to_json() == {
        "rate": 1.0, "low": pytest.approx(0.43850, abs=1e-5), "high": 1.0, "hits": 3, "cases": 3, "unreadable": 0,
    }  # fmt: skip


def test_bad_outcomes_are_refused():
    with pytest.raises(ValueError, match=r"unknown intervention 'swapped_smell': expected one of \['true_desc"):
        measure([Outcome("swapped_smell", "dog", None, None, "dog")])
    with pytest.raises(ValueError, match="an outcome of edited_chain without the expected answer"):
        measure([forced(None, "dog")])
