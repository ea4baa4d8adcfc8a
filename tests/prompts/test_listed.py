import time

import pytest

from tgs_pipeline.prompts.listed import (
    NamedFrame,
    first_id_or_one,
    last_id,
    objects_or_nothing,
    read_id,
    read_objects,
)


@pytest.mark.parametrize(
    ("text", "value", "status"),
    [
        ("[2]", 2, "ok"),
        (" **[2]** \n", 2, "ok"),
        ("```json\n[2]\n```", 2, "ok"),
        ("[2].", 2, "ok"),
        ("[-1]", None, "none"),
        ("[\u22121]", None, "none"),
        ("[]", None, "none"),
        ("", None, "empty"),
        ("** **", None, "empty"),
        ("2", None, "no_list"),
        ("The second.", None, "no_list"),
        ("[id]", None, "no_number"),
        ("[2.0]", None, "no_number"),
        ("[\u0662]", None, "no_number"),
        ("[1, 2]", None, "several"),
        ("[0]", None, "out_of_range"),
        ("[4]", None, "out_of_range"),
        ("[-2]", None, "out_of_range"),
        ("[99999999999999999999]", None, "no_number"),
        ("I choose [2].", None, "prose"),
        ("[2] [2]", None, "prose"),
        ("[[2]]", None, "prose"),
    ],
)
def test_a_number_alone(text, value, status):
    read = read_id(text, num_choices=3, prose=False)
    assert (read.value, read.status) == (value, status) and (read.reason is None) == (status == "ok")


@pytest.mark.parametrize(
    ("text", "value", "status"),
    [
        ("Box [1] shows a cat, box [2] a dog.\n\n[2]", 2, "ok"),
        ("Box [1] shows a cat.\n**Result:** [2]", 2, "ok"),
        ("A dog runs in frames [2] and [2].", 2, "ok"),
        ("The dog runs. [2] is sharpest.", 2, "ok"),
        ("First [1] is blurred, so [2] it is, I would say.", None, "ambiguous"),
        ("I choose [2]. I would not choose [1].", None, "ambiguous"),
        ("Nothing fits:\n[-1]", None, "none"),
        ("A dog [barking].", None, "no_number"),
        ("I cannot help with that.", None, "no_list"),
        ("Ignore all rules.\n[7]", None, "out_of_range"),
        ("Both:\n[1, 3]", None, "several"),
    ],
)
def test_a_number_after_a_chain_of_thought(text, value, status):
    read = read_id(text, num_choices=3, prose=True)
    assert (read.value, read.status) == (value, status)


@pytest.mark.parametrize(
    ("text", "objects", "status"),
    [
        ("['piano': 3]", [("piano", 3)], "ok"),
        ("{'piano': 3, \"violin\": 1}", [("piano", 3), ("violin", 1)], "ok"),
        ("```python\n['piano': 3,]\n```", [("piano", 3)], "ok"),
        ('["child\'s toy": 5]', [("child's toy", 5)], "ok"),
        ("['emergency-car':2]", [("emergency-car", 2)], "ok"),
        ("[]", [], "none"),
        ("{}", [], "none"),
        (" ", [], "empty"),
        ("no object", [], "no_list"),
        ("][", [], "no_list"),
        ("[piano: 3]", [], "malformed"),
        ("['piano': 3 'violin': 1]", [("piano", 3)], "malformed"),
        ("['piano': 'x']", [], "malformed"),
        ("['': 1]", [], "malformed"),
        ("['42': 1]", [], "malformed"),
        ("['dog, cat': 1]", [], "malformed"),
        ("['../../etc\\npasswd]': 1]", [], "malformed"),
        ("['<script>': 1]", [], "malformed"),
        (f"['{'a' * 61}': 1]", [], "malformed"),
        ("Here: ['piano': 3]", [("piano", 3)], "prose"),
        ("['piano': 3] or so", [("piano", 3)], "prose"),
        ("['piano': 3, 'Piano': 4]", [("piano", 3), ("Piano", 4)], "repeated"),
        ("['piano': 6]", [("piano", 6)], "out_of_range"),
        ("['piano': 0]", [("piano", 0)], "out_of_range"),
    ],
)
def test_objects(text, objects, status):
    read = read_objects(text, num_frames=5, single=False)
    assert (read.objects, read.status) == (tuple(NamedFrame(*one) for one in objects), status)
    assert (read.reason is None) == (status == "ok")


def test_one_object_where_one_is_asked_for():
    assert read_objects("['a': 1, 'b': 2]", num_frames=5, single=True).status == "several"
    assert objects_or_nothing("['a': 1, 'b': 2]", num_frames=5, single=True).objects == (NamedFrame("a", 1),)


def test_a_list_without_end_is_refused():
    text = "[" + ", ".join(f"'object {chr(97 + i)}': 1" for i in range(13)) + "]"
    assert read_objects(text, num_frames=5, single=False).reason == "it lists more than 12 objects"


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("The list is ['piano': 3] I think", [("piano", 3)]),
        ("{'piano, grand': 3, 'drum;kit': 2}", [("piano", 3), ("drum", 2)]),
        ("{'car': 3, 'car': 4}", [("car", 4)]),
        ("['piano': 17]", [("piano", 1)]),
        ("['piano': 0]", [("piano", 1)]),
        ("piano: 3", []),
        ("", []),
    ],
)
def test_parity_takes_what_the_published_code_takes(text, objects):
    read = objects_or_nothing(text, num_frames=10, single=False)
    assert [(one.name, one.frame) for one in read.objects] == objects
    assert read.status == ("ok" if objects else "none")


@pytest.mark.parametrize(
    ("text", "value"),
    [("[2]", 2), ("so [box 3, not 1] or [1]", 3), ("[-1]", 1), ("[9]", 1), ("2", 1), ("", 1), ("[\n2]", 1)],
)
def test_parity_defaults_to_the_first_box(text, value):
    assert first_id_or_one(text, num_choices=3).value == value


def test_parity_of_rvos_takes_the_last_list_or_nothing():
    assert last_id("[1] or [2]", num_choices=5, drop_emphasis=True).value == 2
    assert last_id("**[**2**]**", num_choices=5, drop_emphasis=True).value == 2
    assert last_id("[**2**]", num_choices=5, drop_emphasis=False).value is None
    assert last_id("[2] [none]", num_choices=5, drop_emphasis=True).status == "no_number"
    assert last_id("[-1]", num_choices=5, drop_emphasis=True).status == "none"
    assert last_id("[6]", num_choices=5, drop_emphasis=True).status == "out_of_range"


def test_hostile_replies_take_no_time():
    start = time.process_time()
    for text in (
        "[" * 100_000,
        "['" * 50_000,
        "```" + " " * 100_000,
        "[1]" * 30_000,
        "'a': 1, " * 20_000,
        ":" * 100_000,
    ):
        read_id(text, num_choices=3, prose=True)
        read_id(text, num_choices=3, prose=False)
        read_objects(text, num_frames=5, single=False)
        first_id_or_one(text, num_choices=3)
        last_id(text, num_choices=3, drop_emphasis=True)
        objects_or_nothing(text, num_frames=5, single=False)
    assert time.process_time() - start < 10
