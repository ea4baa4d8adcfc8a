"""The row mechanism around a multimodal model, with one in memory; the real protocol is in test_instruct.py."""

import pytest

from tgs_pipeline import asking
from tgs_pipeline.asking import AskOperator, Question, Spending, _load, _tables
from tgs_pipeline.backends.multimodal.base import (
    Answer,
    BadRequestError,
    Message,
    NoAnswerError,
    Picture,
    Subject,
    UnreachableError,
    UnusableError,
)
from tgs_pipeline.params_multimodal import Prices

PICTURE = Picture("Frame 0", b"jpeg")


class Scripted:
    """Says (or raises) the next line of a script, and remembers what it was asked."""

    def __init__(self, *script):
        self.script = list(script)
        self.asked = []
        self.subjects = []

    def ask(self, messages, *, subject=None):
        self.asked.append(list(messages))
        self.subjects.append(subject)
        said = self.script.pop(0)
        if isinstance(said, Exception):
            raise said
        return Answer(said, prompt_tokens=10, completion_tokens=1)


def operator(model, **changes):
    settings = {"max_attempts": 3, "concurrency": 1, "give_up_after": 3, "system": "Be kind."}
    settings |= {"spending": Spending(), "keep": lambda row: None, "check": check}
    return AskOperator(model, **settings | changes)


def check(reply, unit):
    return [] if reply == unit["want"] else ["wrong"]


def loaded(*wants, question=lambda unit: Question(f"say {unit['want']}", (PICTURE,), {})):
    (table,) = _tables({"key": f"k{i}", "name": f"unit {i}", "want": want} for i, want in enumerate(wants))
    return _load(table, question)


def test_a_wrong_reply_is_asked_for_again_with_the_reason():
    teacher = Scripted("b", "a")
    (row,) = operator(teacher)(loaded("a")).to_pylist()
    assert row == {
        "key": "k0", "status": "ok", "reason": None, "replies": ["b", "a"], "num_attempts": 2, "prompt_tokens": 20,
        "completion_tokens": 2,
    }  # fmt: skip
    first, second = teacher.asked
    assert first == [Message("system", ("Be kind.",)), Message("user", ("Frame 0:", PICTURE, "say a"))]
    assert second[:2] == first and second[2] == Message("assistant", ("b",))
    assert "This reply cannot be used: wrong." in second[3].parts[0]


def test_after_all_attempts_a_row_is_rejected_with_everything_that_was_said():
    refusal = NoAnswerError("the model refuses", text="", prompt_tokens=5, completion_tokens=2)
    teacher = Scripted("b", refusal, "c")
    (row,) = operator(teacher)(loaded("a")).to_pylist()
    assert (row["status"], row["reason"], row["replies"]) == ("rejected", "wrong", ["b", "", "c"])
    assert (row["num_attempts"], row["prompt_tokens"]) == (3, 25)
    assert [len(asked) for asked in teacher.asked] == [2, 4, 2]  # nothing was said that could be criticised


def test_an_unreachable_server_makes_a_failed_row_and_the_next_is_asked():
    teacher = Scripted(UnreachableError("no"), "b")
    failed, ok = operator(teacher)(loaded("a", "b")).to_pylist()
    assert (failed["status"], failed["reason"], failed["replies"]) == ("failed", "unit 0: no", None)
    assert ok["status"] == "ok"


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ([UnusableError("wrong key")], "not asked: wrong key"),
        ([BadRequestError("big")] * 3, "not asked: 3 failures in a row, the last: big"),
    ],
)
def test_a_hopeless_run_stops_asking(faults, reason):
    teacher = Scripted(*faults)
    asked = operator(teacher)
    rows = asked(loaded(*"abcde")).to_pylist() + asked(loaded("f")).to_pylist()
    assert len(teacher.asked) == len(faults) and {row["status"] for row in rows} == {"failed"}
    assert rows[-1]["reason"] == reason


def test_failures_in_between_do_not_add_up():
    no = UnreachableError("no")
    rows = operator(Scripted(no, no, "c", no, no, "f"))(loaded(*"abcdef")).to_pylist()
    assert [row["status"] for row in rows] == ["failed", "failed", "ok"] * 2


def test_a_question_that_cannot_be_made_is_a_reason():
    def question(unit):
        raise ValueError("frame is missing")

    assert loaded("a", question=question)["reason"].to_pylist() == ["unit 0: frame is missing"]


def test_the_key_of_a_row_holds_what_decides_it_and_no_address():
    from project import ROOT

    from tgs_pipeline.training.params_teacher import load

    settings = load(ROOT / "training/teacher.yaml").teacher

    def key(**changes):
        changed = settings.model_copy(update=changes)
        return asking.make_recipe("x", changed, version=1, system="s", size=3).key("reference")

    for same in ({"base_url": "http://other/v1"}, {"api_key_env": None}, {"max_attempts": 9}, {"concurrency": 1}):
        assert key(**same) == key()
    for other in ({"model": "other"}, {"sampling": {"temperature": 0.0}}, {"picture_detail": "high"}):
        assert key(**other) != key()


def test_without_a_task_for_the_system_there_is_one_turn_and_the_subject_goes_along():
    subject = Subject("box", "v1", "dog")
    model = Scripted("a")
    operator(model, system="")(loaded("a", question=lambda unit: Question("say", (PICTURE,), {}, subject)))
    assert model.asked == [[Message("user", ("Frame 0:", PICTURE, "say"))]] and model.subjects == [subject]


def test_every_reply_is_counted_also_of_rows_that_fail():
    spending, kept = Spending(), []
    no = UnreachableError("no")
    operator(Scripted("b", no, "b"), spending=spending, keep=kept.append)(loaded("a", "b"))
    assert (spending.num_replies, spending.prompt_tokens, spending.completion_tokens) == (2, 20, 2)
    assert [row["key"] for row in kept] == ["k1"]
    assert spending.cost(Prices(prompt=100_000.0, completion=1_000_000.0)) == pytest.approx(4.0)
