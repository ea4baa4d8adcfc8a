import pytest
from asked_example import chain, sample

from tgs_pipeline.prompts.caption import Asked, ask, caption

OK = sample("a", 0, frames=["f0"])


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


def test_asks_for_the_named_column():
    answered = chain("a", 0, "Guitar")
    assert ask(OK, answered, column="s_object") == Asked("guitar.")
    assert ask(OK, answered, column="f_object") == Asked("the brown guitar.")
    assert ask(OK, answered, column="reference") == Asked("the guitar.")


def test_says_why_nothing_is_asked():
    def why(one: dict, other: dict) -> tuple[str, str | None]:
        asked = ask(one, other, column="s_object")
        assert asked.caption is None
        return asked.status, asked.reason

    assert why(OK, chain("a", 0, None)) == ("no_caption", "the chain has no s_object: nothing is referred to")
    assert why(OK, chain("a", 0, None, status="malformed", reason="no tag")) == (
        "no_answer",
        "think: the reply is malformed: no tag",
    )
    assert why(OK, chain("a", 0, None, status="truncated", reason="128 tokens"))[0] == "no_answer"
    assert why(OK, chain("a", 0, None, status="failed", reason="no audio")) == ("failed", "think: no audio")
    broken = sample("a", 0, frames=[], status="failed", reason="no frames")
    assert why(broken, chain("a", 0, "guitar")) == ("failed", "sample: no frames")
    assert why(OK, chain("a", 0, " . "))[0] == "no_answer"


def test_what_can_be_read_of_a_broken_reply_is_asked():
    half = chain("a", 0, "Guitar", status="malformed", reason="no <f_object>") | {"f_object": None}
    assert ask(OK, half, column="s_object") == Asked("guitar.")
    assert ask(OK, half, column="f_object").status == "no_answer"


@pytest.mark.parametrize("status", ["malformed", "truncated", "failed"])
def test_the_reference_needs_no_reply(status):
    broken = chain("a", 0, None, status=status, reason="no sound")
    assert ask(OK, broken, column="reference") == Asked("the guitar.")


@pytest.mark.parametrize(
    ("reply", "split", "expected"),
    [
        ("<s_object> Guitar </s_object>", "test_s", "guitar."),
        ("<s_object>guitar.</s_object>", "test_s", "guitar.."),  # upstream adds a dot to any text
        ("<s_object>null</s_object>", "test_s", "null."),
        ("<s_object>Null</s_object>", "test_n", "null."),  # it compares with the lower-case word alone
        ("<s_object>null.</s_object>", "test_n", "null.."),
        ("<s_object>dog", "test_s", "error."),
        ("nothing at all", "test_n", "error."),
        ("<s_object>a</s_object><s_object>b</s_object>", "test_s", "a."),
    ],
)
def test_verbatim_asks_for_what_upstream_asks_for(reply, split, expected):
    said = chain("a", 0, None, status="malformed", reason="cut") | {"raw": reply}
    asked = ask(OK | {"split": split}, said, column="s_object", caption_text="verbatim")
    assert asked == Asked(expected)


def test_verbatim_asks_for_nothing_where_test_n_is_exactly_null():
    said = chain("a", 0, None) | {"raw": "<s_object>\nnull\n</s_object>"}
    asked = ask(OK | {"split": "test_n"}, said, column="s_object", caption_text="verbatim")
    assert (asked.caption, asked.status) == (None, "no_caption")


def test_verbatim_leaves_references_and_what_failed_alone():
    said = chain("a", 0, "Guitar") | {"raw": "<s_object>guitar</s_object>"}
    assert ask(OK, said, column="reference", caption_text="verbatim") == Asked("the guitar.")
    assert ask(OK, said | {"raw": None}, column="s_object", caption_text="verbatim") == Asked("guitar.")
    failed = chain("a", 0, None, status="failed", reason="no sound")
    assert ask(OK, failed, column="s_object", caption_text="verbatim").status == "failed"
    empty = said | {"raw": "<s_object> . </s_object>"}
    assert ask(OK, empty, column="s_object", caption_text="verbatim").status == "no_answer"
