import pytest

from tgs_pipeline.training.given import clip_of, place_of, with_given_descriptions

CHAIN = "<think>\nWe look for a dog. It is seen. Wanted: a dog. Done.\n</think>"
ENDS = ["Needed:", "Wanted:"]


def row(name, vid, *, part="train", target=CHAIN):
    return {"name": name, "vid": vid, "prompt": f"prompt of {name} ", "target": target, "part": part}


def given(rows, *, share=1.0):
    return {one["name"]: one for one in with_given_descriptions(rows, share=share, ends_before=ENDS)}


def test_rows_by_hand():
    rows = [row("a1", "a"), row("b1", "b"), row("b2", "b"), row("c1", "c")]
    found = given(rows)
    assert list(found) == ["a1", "b1", "b1+given", "b2", "b2+given", "c1", "c1+given"]  # before a there is nothing
    assert [found[one["name"]] for one in rows] == rows
    assert found["b2+given"] == {
        "name": "b2+given",
        "vid": "a",
        "prompt": "prompt of b2 <think>\nWe look for a dog. It is seen. ",
        "target": "Wanted: a dog. Done.\n</think>",
        "part": "train",
    }
    assert found["c1+given"]["vid"] == "b"


def test_the_media_show_another_clip_also_for_null_variants():
    """Media that fit the description would else be those of null references alone."""
    found = given([row("a1", "a"), row("b1", "b"), row("n1", "null_m-b"), row("n2", "null_m-b"), row("c1", "c")])
    assert {name: one["vid"] for name, one in found.items() if name.endswith("+given")} == {
        "b1+given": "a",
        "n1+given": "a",
        "n2+given": "a",
        "c1+given": "null_m-b",
    }
    assert [clip_of(vid) for vid in ("a-b_1", "null_m-a-b_1", "null_c-a")] == ["a-b_1", "a-b_1", "a"]


def test_parts_lend_each_other_no_media():
    found = given([row("a1", "a"), row("h1", "h", part="held_out"), row("b1", "b"), row("i1", "i", part="held_out")])
    assert {name: one["vid"] for name, one in found.items() if name.endswith("+given")} == {
        "b1+given": "a",
        "i1+given": "h",
    }


def test_the_share_is_chosen_by_name():
    rows = [row(f"row{number}", f"clip{number}") for number in range(400)]
    chosen = [name for name in given(rows, share=0.25) if name.endswith("+given")]
    assert 70 < len(chosen) < 130
    assert {name for name in chosen if int(name.removeprefix("row").removesuffix("+given")) >= 200} == {
        name for name in given(rows[199:], share=0.25) if name.endswith("+given")
    }
    assert all(place_of(name.removesuffix("+given")) < 0.25 for name in chosen)
    assert given(rows, share=0.0).keys() == {one["name"] for one in rows}


def test_a_chain_without_a_seam_is_an_error():
    rows = [row("a1", "a", target="no seam"), row("b1", "b", target="no seam")]
    with pytest.raises(ValueError, match=r"b1: its chain holds none of corpus\.given\.ends_before .*'Wanted:'.*null"):
        given(rows)
    assert list(given(rows, share=0.0)) == ["a1", "b1"]
