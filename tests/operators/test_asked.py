import pytest
from asked_example import chain, sample, workspace_in, write

from tgs_pipeline.operators.asked import Asked, ask, samples_with_chains

OK = sample("a", 0, frames=["f0"])


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


def test_refuses_chains_of_other_samples(tmp_path):
    workspace = workspace_in(tmp_path)
    write(workspace, [(OK, chain("a", 1, "guitar"))])
    with pytest.raises(ValueError, match=r"row 0 is \('a', 1\), but row 0 of .*samples.parquet is \('a', 0\)"):
        list(samples_with_chains(workspace))


def test_refuses_fewer_chains_than_samples(tmp_path):
    workspace = workspace_in(tmp_path)
    write(workspace, [(OK, chain("a", 0, "guitar"))])
    short = workspace_in(tmp_path / "short")
    write(short, [(OK, chain("a", 0, "guitar")), (sample("b", 1, frames=[]), chain("b", 1, "dog"))])
    short.samples.rename(workspace.samples)
    with pytest.raises(ValueError, match=r"row 1 is None, but row 1 of .* is \('b', 1\)"):
        list(samples_with_chains(workspace))
