"""Candidates made by hand: boxes lie at named places of a frame."""

import numpy as np
import pytest
from asked_example import chain, sample

from tgs_pipeline.grounding.choice import above, choose, of_frame
from tgs_pipeline.params import Auto, Ground

AUTO = Auto(fallbacks=["f_object", "reference"], same_place_iou=0.5, rival_share=0.5)
SETTINGS = Ground(prompt="auto", auto=AUTO, null_threshold=None, clip_threshold=0.0, box_threshold=0.25,
                  text_threshold=0.3, box_select="max",
                  frames="every", selector="score", window=None, mllm=None)  # fmt: skip
PLACES = {
    "left": [0.0, 0.0, 0.25, 0.25],
    "left_too": [0.0, 0.0, 0.25, 0.3],
    "right": [0.75, 0.0, 1.0, 0.25],
    "middle": [0.4, 0.0, 0.6, 0.25],
}
S, F, R = "guitar.", "the brown guitar.", "the guitar."  # the captions of s_object, f_object and reference


def frame(*found, status="ok", reason=None):
    """A row of candidates from (place, score) pairs."""
    return {
        "boxes_xyxy": [x for place, _ in found for x in PLACES[place]], "scores": [score for _, score in found],
        "query_index": list(range(len(found))), "tokens": [], "token_scores": [], "status": status, "reason": reason,
    }  # fmt: skip


BROKEN = frame(status="failed", reason="broken")


def decide(stored, *, chain_changes=None, auto=None, s_object="guitar", **settings):
    """(rule, status, place) of each frame; stored: caption -> its frames. A caption that it lacks must not be asked."""
    num_frames = len(next(iter(stored.values())))
    one = sample("a", 0, frames=[f"f{index}" for index in range(num_frames)])
    said = chain("a", 0, s_object, **(chain_changes or {}))
    changed = SETTINGS.model_copy(update=settings | {"auto": AUTO.model_copy(update=auto or {})})
    return [(choice.rule, choice.status, place(choice)) for choice in choose(changed, one, said, stored.__getitem__)]


def place(choice):
    if choice.chosen is None:
        return None
    box = choice.candidates["boxes_xyxy"][4 * choice.chosen : 4 * choice.chosen + 4]
    return next(name for name, known in PLACES.items() if known == box)


def test_the_threshold_is_strict_and_compares_in_float32():
    scores = np.array([0.1, np.nextafter(np.float32(0.1), np.float32(1)), 0.3, 0.05], np.float32)
    assert above(scores, 0.1).tolist() == [1, 2]


def test_a_frame_without_candidates_says_so():
    choice = of_frame(SETTINGS, frame(), rule="s_object")
    assert (choice.status, choice.reason) == ("no_box", "no candidate above 0.25: none is stored")


def test_one_good_box_needs_no_other_caption():
    assert decide({S: [frame(("left", 0.5), ("right", 0.125))]}) == [("s_object", "ok", "left")]


def test_duplicates_are_one_place():
    assert decide({S: [frame(("left", 0.5), ("left_too", 0.75))]}) == [("s_object", "ok", "left_too")]
    assert decide({S: [frame(("left", 0.5), ("left_too", 0.75))]}, box_select="first") == [("s_object", "ok", "left")]


def test_the_description_decides_between_two_places():
    two = frame(("left", 0.75), ("right", 0.5))
    assert decide({S: [two], F: [frame(("left", 0.25), ("right", 0.375))]}) == [("f_object_decides", "ok", "right")]
    assert decide({S: [two], F: [frame(("left_too", 0.5), ("right", 0.375))]}) == [("f_object_decides", "ok", "left")]


def test_only_the_frames_with_rivals_are_decided_by_it():
    found = decide(
        {
            S: [frame(("left", 0.75), ("right", 0.75)), frame(("left", 0.75)), frame()],
            F: [frame(("right", 0.1)), frame(("right", 0.9)), frame(("right", 0.9))],
        }
    )
    assert found == [("f_object_decides", "ok", "right"), ("s_object", "ok", "left"), ("s_object", "no_box", None)]


def test_a_much_worse_place_is_no_rival():
    stored = {S: [frame(("left", 0.75), ("right", 0.3))]}
    assert decide(stored) == [("s_object", "ok", "left")]
    stored[F] = [frame(("right", 0.5))]
    assert decide(stored, auto={"rival_share": 0.25}) == [("f_object_decides", "ok", "right")]


def test_a_description_that_says_nothing_leaves_it_undecided():
    two = frame(("left", 0.5), ("right", 0.75))
    assert decide({S: [two], F: [frame()]}) == [("undecided", "ok", "right")]
    assert decide({S: [two], F: [frame(("middle", 0.9))]}) == [("undecided", "ok", "right")]
    assert decide({S: [two]}, chain_changes={"f_object": None}) == [("undecided", "ok", "right")]


def test_what_a_clip_does_not_show_is_asked_for_in_other_words():
    nothing = [frame(("left", 0.25)), frame()]
    assert decide({S: nothing, F: [frame(), frame(("right", 0.5))]}) == [
        ("fallback_f_object", "no_box", None),
        ("fallback_f_object", "ok", "right"),
    ]
    assert decide({S: nothing, F: nothing, R: [frame(("middle", 0.5)), frame()]}) == [
        ("fallback_reference", "ok", "middle"),
        ("fallback_reference", "no_box", None),
    ]
    assert decide({S: nothing, F: nothing, R: nothing}) == [("fallback_reference", "no_box", None)] * 2
    assert decide({S: nothing, R: [frame(("left", 0.5))] * 2}, chain_changes={"f_object": None})[0][0] == (
        "fallback_reference"
    )
    assert decide({S: nothing}, auto={"fallbacks": []}) == [("s_object", "no_box", None)] * 2


def test_a_frame_alone_does_not_fall_back():
    found = decide({S: [frame(("left", 0.5)), frame()]})
    assert found == [("s_object", "ok", "left"), ("s_object", "no_box", None)]


def test_an_abstention_of_the_thinker_is_not_overruled():
    silent = {"s_object": None}
    assert decide({R: [frame(("left", 0.5))]}, **silent) == [("s_object", "no_caption", None)]


def test_an_unreadable_name_is_replaced_by_other_words():
    cut = {"status": "truncated", "reason": "cut", "f_object": None}
    stored = {R: [frame(("left", 0.5))]}
    assert decide(stored, s_object=None, chain_changes=cut) == [("fallback_reference", "ok", "left")]
    assert decide({S: [frame()]}, s_object=None, chain_changes=cut, auto={"fallbacks": ["f_object"]}) == [
        ("s_object", "no_answer", None)
    ]


def test_failures_stay_failures():
    lost = {"status": "failed", "reason": "no sound"}
    assert decide({R: [frame(("left", 0.5))]}, s_object=None, chain_changes=lost) == [("s_object", "failed", None)]
    assert decide({S: [BROKEN, frame()], F: [frame(("left", 0.5))] * 2}) == [
        ("s_object", "failed", None),
        ("s_object", "no_box", None),
    ]
    two = frame(("left", 0.75), ("right", 0.75))
    assert decide({S: [two, frame(("left", 0.5))], F: [BROKEN, BROKEN]}) == [
        ("f_object_decides", "failed", None),
        ("s_object", "ok", "left"),
    ]


def test_the_best_candidate_of_the_clip_must_reach_the_clip_threshold():
    stored = {S: [frame(("left", 0.5)), frame(("left", 0.375)), frame()]}
    plain = {"prompt": "s_object"}
    assert decide(stored, clip_threshold=0.5, **plain)[:2] == [("s_object", "ok", "left")] * 2
    assert decide(stored, clip_threshold=0.51, **plain) == [
        ("clip_threshold", "no_box", None),
        ("clip_threshold", "no_box", None),
        ("s_object", "no_box", None),
    ]
    stored[F] = [frame(("right", 0.75)), frame(), frame()]
    assert decide(stored, clip_threshold=0.51)[0] == ("fallback_f_object", "ok", "right")


@pytest.mark.parametrize("prompt", ["s_object", "auto"])
def test_the_probability_of_null_decides_where_it_has_a_threshold(prompt):
    stored = {S: [frame(("left", 0.5))]}
    unsure = {"null_probability": 0.75}
    refused = [("null_threshold", "no_caption", None)]
    found = [("s_object", "ok", "left")]
    assert decide(stored, prompt=prompt, chain_changes=unsure) == found
    assert decide(stored, prompt=prompt, chain_changes=unsure, null_threshold=0.7) == refused
    assert decide(stored, prompt=prompt, chain_changes=unsure, null_threshold=0.75) == found
    assert decide(stored, prompt=prompt, null_threshold=0.1) == found  # a thinker without probabilities
    cut = {"null_probability": 0.75, "status": "truncated", "reason": "cut"}
    unread = decide(stored, s_object=None, chain_changes=cut, prompt=prompt, null_threshold=0.1, auto={"fallbacks": []})
    assert unread == [("s_object", "no_answer", None)]


def test_a_null_that_is_not_probable_enough_leaves_the_other_words():
    changes = {"chain_changes": {"null_probability": 0.6}, "s_object": None, "null_threshold": 0.8}
    stored = {F: [frame()], R: [frame(("left", 0.5))]}
    assert decide(stored, **changes) == [("fallback_reference", "ok", "left")]
    assert decide(stored, prompt="s_object", **changes) == [("s_object", "no_caption", None)]
