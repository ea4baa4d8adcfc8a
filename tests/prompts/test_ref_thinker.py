import pytest

from tgs_pipeline.prompts.ref_thinker import SPECIAL_TOKENS, inference_prompt, parse_reply, training_prompt

HEAD = "<s>This is a video:\n<video_start><video><video_end>\nThis is an audio:\n<audio_start><audio><audio_end>\n"
TAIL = (
    ", analyze the video and audio, and then generate a reasoning chain (<think>) and final answer (<answer>).\n"
    "Your output must follow this format:\n<think>\nYour reasoning here\n</think>\n<answer>\n"
    "<f_object> ... </f_object>\n<s_object> ... </s_object>\n"
    "The corresponding bbox is: <frame> <box> ... </box> </frame>\n</answer>"
)
REPLY = (
    "<think>\nthe guitar sounds\n</think>\n<answer>\n<f_object> the red guitar </f_object>\n"
    "<s_object> guitar </s_object>\nThe corresponding bbox is: <frame> <box> 1, 2 </box> </frame>\n</answer>"
)


def test_special_tokens_are_21_in_published_order():
    assert len(SPECIAL_TOKENS) == 21
    assert dict(enumerate(SPECIAL_TOKENS, 32000))[32003] == "<video>"
    assert dict(enumerate(SPECIAL_TOKENS, 32000))[32009] == "<think>"
    assert dict(enumerate(SPECIAL_TOKENS, 32000))[32020] == "</box>"


def test_prompts_differ_in_colon_and_quotes_only():
    assert inference_prompt("The Guitar. ") == f"{HEAD}Given the referential expression the guitar. {TAIL}"
    assert training_prompt("The Guitar. ") == f"{HEAD}Given the referential expression: 'the guitar. '{TAIL}"


def test_control_tokens_in_a_reference_are_only_text():
    prompt = inference_prompt("a <video> on </s> <b>TV</b> {expression}")
    assert prompt.count("<video>") == 1 and "</s>" not in prompt
    assert "a < video> on < /s> <b>tv</b> {expression}, analyze" in prompt


def test_whole_reply():
    reply = parse_reply(REPLY, truncated=False)
    assert (reply.think, reply.f_object, reply.s_object) == ("the guitar sounds", "the red guitar", "guitar")
    assert (reply.status, reply.reason) == ("ok", None)


@pytest.mark.parametrize("null", ["null", " NULL. ", "Null .", "\nnull\n"])
def test_null_is_an_abstention(null):
    reply = parse_reply(REPLY.replace(" guitar <", f"{null}<"), truncated=False)
    assert (reply.s_object, reply.status, reply.reason) == (None, "ok", None)


@pytest.mark.parametrize("name", ["nullarbor", "null object", "error"])
def test_other_words_are_names(name):
    assert parse_reply(REPLY.replace(" guitar <", f"{name}<"), truncated=False).s_object == name


def test_null_f_object_is_none_too():
    reply = parse_reply(REPLY.replace("the red guitar", "null"), truncated=False)
    assert (reply.f_object, reply.s_object, reply.status) == (None, "guitar", "ok")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a guitar", "no <think>; no <f_object>; no <s_object>"),
        ("", "no <think>; no <f_object>; no <s_object>"),
        ("<think>hm", "<think> is not closed; no <f_object>; no <s_object>"),
        (REPLY.replace("</s_object>", ""), "<s_object> is not closed"),
        (REPLY.replace("</f_object>", ""), "<f_object> is not closed"),
        (REPLY.replace("<s_object> guitar", "<s_object> \n"), "<s_object> is empty"),
        (REPLY.replace("the red guitar", ""), "<f_object> is empty"),
        ("</s_object> guitar <s_object>", "no <think>; no <f_object>; <s_object> is not closed"),
    ],
)
def test_malformed_names_the_tag(text, reason):
    reply = parse_reply(text, truncated=False)
    assert (reply.status, reply.reason) == ("malformed", reason)
    assert reply.s_object in (None, "guitar")  # never a made-up word
    cut = parse_reply(text, truncated=True)
    assert (cut.status, cut.reason) == ("truncated", f"cut at the token limit: {reason}")


def test_cut_after_a_readable_answer_is_ok():
    assert parse_reply(REPLY.partition("The corr")[0], truncated=True).status == "ok"


def test_300_words_without_an_answer():
    reply = parse_reply("<think>" + " guitar" * 300, truncated=True)
    assert (reply.status, reply.think, reply.s_object) == ("truncated", None, None)


def test_odd_text_passes_verbatim():
    text = "<think>a <b>bold</b> & \u202e claim</think><f_object><script>x</script></f_object>"
    text += "<s_object>l'été\n🎸</s_object>"
    reply = parse_reply(text, truncated=False)
    assert reply.think == "a <b>bold</b> & \u202e claim"
    assert (reply.f_object, reply.s_object) == ("<script>x</script>", "l'été\n🎸")


def test_nested_tags_give_the_first_opening_to_the_first_closing():
    reply = parse_reply(REPLY.replace("<s_object> guitar", "<s_object> <s_object> guitar"), truncated=False)
    assert (reply.s_object, reply.status) == ("<s_object> guitar", "ok")


def test_a_missing_chain_leaves_a_readable_answer():
    reply = parse_reply(REPLY.replace("</think>", ""), truncated=False)
    assert (reply.think, reply.s_object, reply.status) == (None, "guitar", "ok")
    assert reply.reason == "<think> is not closed"
