import pytest

from tgs_pipeline.prompts import instruct
from tgs_pipeline.prompts.ref_thinker import parse_reply

BBOX = "The corresponding bbox is: <frame> 3 <box> 1,2,30,40 </box> </frame>"
NULL_BBOX = "The corresponding bbox is: <frame> null <box> null </box> </frame>"
THINK = "The expression asks for what is loudest. The video shows a hair dryer and a cat. So it is the hair dryer."
GOOD = (
    f"<think>\n{THINK}\n</think>\n<answer>\n<f_object> the red hair-dryer </f_object>\n"
    f"<s_object> hair dryer </s_object>\n{BBOX}\n</answer>"
)
NULL = (
    f"<think>\n{THINK}\n</think>\n<answer>\n<f_object> null </f_object>\n<s_object> null </s_object>\n"
    f"{NULL_BBOX}\n</answer>"
)


def problems(reply, object_word="hair-dryer", bbox=BBOX):
    return instruct.check(reply, object_word=object_word, bbox=bbox, think_words=(5, 40), f_object_words=(2, 6))


def test_a_good_chain_passes_and_the_thinker_reads_it():
    assert problems(GOOD) == []
    assert instruct.render(GOOD, object_word="hair-dryer") == GOOD
    assert parse_reply(GOOD, truncated=False).s_object == "hair dryer"
    assert problems(NULL, None, NULL_BBOX) == []
    assert parse_reply(instruct.render(NULL, object_word=None), truncated=False).s_object is None


def test_a_loosely_set_chain_is_published_in_the_exact_form():
    loose = GOOD.replace("\n", "  \n\n").replace("<s_object> hair dryer", "<s_object>The Hair-Dryer.")
    assert problems(loose) == []
    assert instruct.render(loose, object_word="hair-dryer") == GOOD


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("</think>", "", "</think> stands there 0 times, expected once"),
        ("<answer>", "<answer><answer>", "<answer> stands there 2 times"),
        ("<think>", "Sure! <think>", "not in the form asked for"),
        ("The corresponding", "A corresponding", "not in the form asked for"),
        ("1,2,30,40", "1,2,30,41", "the box line differs"),
        ("<s_object> hair dryer", "<s_object> cat", "s_object is 'cat', expected 'hair dryer'"),
        ("<s_object> hair dryer", "<s_object> null", "s_object is 'null'"),
        ("the red hair-dryer", "the red thing", "f_object does not name the hair dryer"),
        ("the red hair-dryer", "dryer", "f_object: 1 words, expected 2 to 6"),
        ("a hair dryer and a cat. So it is the hair dryer.", "a cat.", "the thoughts do not name"),
        ("The video shows", "The ground-truth shows", "'ground-truth', which tells that the answer was known"),
        ("The video shows", "I was told that we see", "'was told'"),
        ("The video shows", "The given object is seen with", "'given object'"),
        ("The video shows", "The <video> shows", "think holds the tag <video>"),
        ("a cat.", "a cat" + " meowing" * 40 + ".", "expected 5 to 40"),
    ],
)
def test_what_is_wrong_with_a_chain(old, new, reason):
    assert old in GOOD
    found = problems(GOOD.replace(old, new))
    assert any(reason in problem for problem in found), found


def test_null_samples_need_null_answers():
    assert problems(GOOD, None, BBOX) == [
        "f_object is 'the red hair-dryer', expected null",
        "s_object is 'hair dryer', expected null",
    ]


def test_the_question_holds_everything():
    text = instruct.question(
        reference=" the loudest ", object_word="hair-dryer", sounds="hum (0.90)", place="in frame 3", bbox=BBOX
    )
    assert text.splitlines() == [
        "Expression: the loudest",
        "Sounds heard, likeliest first: hum (0.90)",
        "Object, by its simple name: hair dryer",
        "Its place: in frame 3",
        f"Box line, to be copied: {BBOX}",
    ]
    assert instruct.bbox_line(3, (1, 2, 30, 40)) == BBOX and instruct.bbox_line(None, None) == NULL_BBOX
    assert "5 to 40 words" in instruct.system_prompt(think_words=(5, 40), f_object_words=(2, 6))
