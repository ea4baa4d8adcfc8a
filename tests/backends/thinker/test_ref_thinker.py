from dataclasses import replace

import numpy as np
import pytest
import torch

from tgs_pipeline.backends.thinker.base import Request
from tgs_pipeline.backends.thinker.ref_thinker import RefThinkerRunner

ANSWER = (
    "<think> the red guitar sounds </think> <answer> <f_object> the red guitar </f_object> <s_object> {} </s_object>"
)


def make_runner(tiny, *, reply_format="enforced", max_new_tokens=25, prompt="inference", padding="masked"):
    return RefThinkerRunner(
        tiny,
        reply_format=reply_format,
        max_new_tokens=max_new_tokens,
        prompt=prompt,
        padding=padding,
        dtype=torch.float32,
        device="cpu",
    )


def make_request(reference, *, seed=0, frames=3, visual_dim=128, audio_dim=128):
    rng = np.random.default_rng(seed)
    visual = rng.standard_normal((frames, 4, visual_dim)).astype(np.float16)
    audio = rng.standard_normal((2, 3, audio_dim)).astype(np.float16)
    visual.flags.writeable = False  # as the views of the artifact
    return Request(reference=reference, visual=visual, audio=audio)


@pytest.fixture(scope="module")
def requests():
    return [
        make_request("The red guitar.", seed=1),
        make_request("the man the man the man the man a hair-dryer sounds", seed=2, frames=2),
        make_request("", seed=3, frames=1),
    ]


def script(runner, replies):
    """Let the runner's model say exactly this, one reply for each request."""
    ids = [runner.tokenizer(reply, add_special_tokens=False)["input_ids"] for reply in replies]

    def say(new_ids_BN, logits_BV):
        forced = torch.full_like(logits_BV, float("-inf"))
        for row, wanted in enumerate(ids):
            step = new_ids_BN.shape[1]
            forced[row, wanted[step] if step < len(wanted) else runner.tokenizer.eos_token_id] = 0
        return forced

    runner.constraint = say
    return runner


def test_enforced_replies_can_be_read_and_do_not_depend_on_batch_mates(tiny, requests):
    runner = make_runner(tiny)
    together = runner.think(requests)
    assert [reply.status for reply in together] == ["ok"] * 3
    assert all(0 < reply.num_tokens <= 25 and reply.think and reply.f_object for reply in together)
    assert len({reply.text for reply in together}) == 3
    assert together == [runner.think([request])[0] for request in requests]
    assert together == make_runner(tiny).think(requests)


def test_the_clip_is_seen_and_heard(tiny):
    runner = make_runner(tiny, max_new_tokens=25)
    seen = []

    def watch(new_ids_BN, logits_BV):
        seen.append(logits_BV)
        return runner_format(new_ids_BN, logits_BV)

    runner_format, runner.constraint = runner.constraint, watch
    one, other = make_request("the guitar"), make_request("the guitar", seed=9)
    first = []
    for visual, audio in ((one.visual, one.audio), (other.visual, one.audio), (one.visual, other.audio)):
        seen.clear()
        runner.think([Request("the guitar", visual=visual, audio=audio)])
        first.append(seen[0])
    assert (first[1] - first[0]).abs().max() > 1e-4 and (first[2] - first[0]).abs().max() > 1e-4


def test_free_replies_of_an_untrained_model_are_cut(tiny, requests):
    reply = make_runner(tiny, reply_format="free", max_new_tokens=5).think(requests[:1])[0]
    assert (reply.status, reply.num_tokens, reply.s_object) == ("truncated", 5, None)
    assert reply.reason.startswith("cut at the token limit: ") and "no <s_object>" in reply.reason


def test_replies_are_read(tiny, requests):
    runner = make_runner(tiny, reply_format="free", max_new_tokens=300)
    endless = "<think> " + "guitar " * 299
    whole, cut, bare = script(runner, [ANSWER.format("guitar") + "\n</answer>", endless, "the red guitar."]).think(
        requests
    )
    assert (whole.think, whole.f_object, whole.s_object) == ("the red guitar sounds", "the red guitar", "guitar")
    assert (whole.status, whole.reason, whole.num_tokens) == ("ok", None, 18)
    assert whole.text == ANSWER.format("guitar") + "\n</answer>"
    assert (cut.status, cut.num_tokens) == ("truncated", 300)
    assert cut.reason == "cut at the token limit: <think> is not closed; no <f_object>; no <s_object>"
    assert (bare.status, bare.text, bare.num_tokens) == ("malformed", "the red guitar.", 5)
    assert bare.reason == "no <think>; no <f_object>; no <s_object>" and bare.s_object is None


def test_null_is_an_abstention(tiny, requests):
    runner = script(make_runner(tiny, reply_format="free"), [ANSWER.format("Null.")])
    [reply] = runner.think(requests[:1])
    assert (reply.s_object, reply.f_object, reply.status) == (None, "the red guitar", "ok")


def test_control_tokens_in_a_reference_are_words(tiny):
    [reply] = make_runner(tiny).think([make_request("<video> </s> </s_object>")])
    assert reply.status == "ok"


def test_features_of_other_encoders_are_refused(tiny):
    message = r"visual features are 1024 wide, but the visual projector of .* reads 128: set features.visual.weights"
    with pytest.raises(ValueError, match=message):
        make_runner(tiny).think([make_request("a", visual_dim=1024)])
    with pytest.raises(ValueError, match="audio features are 768 wide"):
        make_runner(tiny).think([make_request("a", audio_dim=768)])
    with pytest.raises(ValueError, match="needs what the stage features computes"):
        make_runner(tiny).think([Request("a", visual=None, audio=None)])


def test_a_reference_beyond_the_context_fails_alone(tiny, requests):
    runner = make_runner(tiny)
    replies = runner.think([requests[0], make_request("guitar " * 2000), requests[1]])
    assert [reply.status for reply in replies] == ["ok", "failed", "ok"]
    assert replies[1].reason.startswith("prompt and reply need 2") and "has 1024: shorten" in replies[1].reason
    assert replies[::2] == runner.think(requests[:2])
    assert runner.think([make_request("guitar " * 2000)])[0].status == "failed"


FORCED = ["<think>\nthe red guitar", "<think>\nthe man sounds\n</think>", ""]


def force(requests):
    return [replace(request, forced=forced) for request, forced in zip(requests, FORCED, strict=True)]


@pytest.mark.parametrize("reply_format", ["enforced", "free"])
def test_forced_replies_begin_as_they_must_and_do_not_depend_on_batch_mates(tiny, requests, reply_format):
    runner = make_runner(tiny, reply_format=reply_format)
    forced = force(requests)
    together = runner.think(forced)
    for reply, beginning in zip(together, FORCED, strict=True):
        assert reply.text.startswith(beginning) and len(reply.text) > len(beginning)
    assert together == [runner.think([request])[0] for request in forced]
    assert together[2] == runner.think(requests[2:])[0]
    if reply_format == "enforced":
        assert [reply.status for reply in together] == ["ok"] * 3
        assert together[0].think.startswith("the red guitar") and together[1].think == "the man sounds"
        assert all(reply.text.count(tag) == 1 for reply in together for tag in ("<think>", "</think>", "</answer>"))


def test_what_is_forced_decides_how_the_reply_goes_on(tiny, requests):
    """Forcing what the model says anyway changes nothing; forcing something else does."""
    runner = make_runner(tiny, reply_format="free", max_new_tokens=12)
    by_itself = runner.think(requests[:1])[0]
    words = by_itself.text.split(" ")
    shorter = make_runner(tiny, reply_format="free", max_new_tokens=7)
    goes_on = shorter.think([replace(requests[0], forced=" ".join(words[:5]))])[0]
    assert goes_on.text == by_itself.text and goes_on.num_tokens == by_itself.num_tokens == 12
    other = shorter.think([replace(requests[0], forced="man man man man man")])[0]
    assert other.text.split(" ")[5:] != words[5:]


def test_a_forced_answer_is_read(tiny, requests):
    runner = make_runner(tiny, reply_format="free", max_new_tokens=3)
    [reply] = runner.think([replace(requests[0], forced=ANSWER.format("guitar"))])
    assert (reply.think, reply.s_object, reply.status) == ("the red guitar sounds", "guitar", "ok")
    assert reply.num_tokens == 15 + 3 and reply.text.startswith(ANSWER.format("guitar"))


@pytest.mark.parametrize(
    ("reply_format", "forced", "message"),
    [
        ("enforced", "the guitar", "leaves the reply format at its token 1 of 2, 'the'"),
        ("enforced", "<think> the zebra", "at its token 3 of 3, '<unk>'"),
        ("free", "<think> </s>", r"reference 'The red guitar.': the forced text holds </s>, which ends a reply"),
        ("free", "<think> <audio>", "holds <audio>, which stands for media in a prompt"),
    ],
)
def test_forced_text_that_no_reply_begins_with_is_refused(tiny, requests, reply_format, forced, message):
    with pytest.raises(ValueError, match=message):
        make_runner(tiny, reply_format=reply_format).think([replace(requests[0], forced=forced)])


def test_a_forced_text_counts_in_the_context(tiny, requests):
    runner = make_runner(tiny)
    long, short = (replace(requests[0], forced="<think> " + "guitar " * number) for number in (1000, 10))
    replies = runner.think([long, short])
    assert [reply.status for reply in replies] == ["failed", "ok"] and "has 1024" in replies[0].reason
    assert replies[1] == runner.think([short])[0]


def test_each_reply_has_its_probability_of_null(tiny, requests):
    runner = make_runner(tiny)
    replies = runner.think(requests)
    assert all(reply.null_probability is not None and 0 < reply.null_probability < 1 for reply in replies)
    assert len({reply.null_probability for reply in replies}) > 1
    said = script(make_runner(tiny), [ANSWER.format("null"), ANSWER.format("guitar"), "the red guitar"]).think(requests)
    assert [reply.null_probability for reply in said] == [1.0, 0.0, None]
    forced = runner.think([replace(requests[0], forced="<think>\nthe guitar\n</think>")])
    assert forced[0].null_probability is not None
