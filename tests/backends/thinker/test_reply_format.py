import pytest
import torch

from tgs_pipeline.backends.thinker.reply_format import Beginning, ReplyFormat, make_sections
from tgs_pipeline.prompts.ref_thinker import parse_reply
from tgs_pipeline.tinyworld.models.ref_thinker import make_tokenizer

TOKENIZER = make_tokenizer(["guitar", "red", "null"])
IDS = TOKENIZER.get_vocab()
CLOSES = [
    "<think>",
    "</think>",
    "<answer>",
    "<f_object>",
    "</f_object>",
    "<s_object>",
    "</s_object>",
    "</answer>",
    "</s>",
]
LIMIT = 23  # the smallest


def decode(reply_format, scores_of_step, *, num_replies, limit):
    """Greedy search as transformers does it: pads replies that ended, stops when all have."""
    ids_BN = torch.zeros((num_replies, 0), dtype=torch.long)
    ended = torch.zeros(num_replies, dtype=torch.bool)
    while not ended.all() and ids_BN.shape[1] < limit:
        scores = reply_format(ids_BN, scores_of_step(ids_BN.shape[1]))
        assert scores.isfinite().any(dim=1).all(), "some reply has no way to go on"
        best = torch.where(ended, IDS["</s>"], scores.argmax(dim=1))
        ended |= best == IDS["</s>"]
        ids_BN = torch.cat([ids_BN, best[:, None]], dim=1)
    return ids_BN


def assert_whole(ids_BN):
    for ids in ids_BN.tolist():
        end = ids.index(IDS["</s>"])
        assert set(ids[end:]) == {IDS["</s>"]}
        assert [token for token in TOKENIZER.convert_ids_to_tokens(ids[: end + 1]) if token in CLOSES] == CLOSES
        reply = parse_reply(TOKENIZER.decode(ids[:end]), truncated=False)
        assert (reply.status, reply.reason) == ("ok", None) and reply.think and reply.f_object


@pytest.mark.parametrize("limit", [LIMIT, 24, 31, 40, 128, 256])
def test_any_scores_give_whole_replies(limit):
    generator = torch.Generator().manual_seed(limit)
    reply_format = ReplyFormat(TOKENIZER, max_new_tokens=limit)
    scale = torch.rand(16, 1, generator=generator) * 20

    def scores(step):
        return torch.randn(16, len(TOKENIZER), generator=generator) + scale * (torch.arange(len(TOKENIZER)) < 40)

    assert_whole(decode(reply_format, scores, num_replies=16, limit=limit))


@pytest.mark.parametrize("favourite", ["guitar", "\n", "<unk>", "<video>", "<box>", "</s>", "</answer>", "."])
def test_a_stubborn_model_gives_whole_replies(favourite):
    scores = torch.zeros(1, len(TOKENIZER))
    scores[0, IDS[favourite]] = 9
    scores[0, [IDS[close] for close in CLOSES]] -= 5
    reply_format = ReplyFormat(TOKENIZER, max_new_tokens=40)
    ids_BN = decode(reply_format, lambda step: scores, num_replies=1, limit=40)
    assert_whole(ids_BN)


def test_a_wordy_model_uses_the_whole_limit():
    scores = torch.zeros(1, len(TOKENIZER))
    scores[0, IDS["\n"]] = 8
    scores[0, IDS["guitar"]] = 9
    reply_format = ReplyFormat(TOKENIZER, max_new_tokens=40)
    assert decode(reply_format, lambda step: scores, num_replies=1, limit=99).shape[1] == 40


def test_what_may_come_next():
    """Budgets at limit 23: one word for each section but thinking, which gets five."""
    reply_format = ReplyFormat(TOKENIZER, max_new_tokens=LIMIT)

    def allowed(text):
        ids = [IDS[token] for token in text.split(" ")] if text else []
        return set(TOKENIZER.convert_ids_to_tokens(reply_format.allowed(torch.tensor([ids]).long())[0].nonzero()[:, 0]))

    assert allowed("") == {"<think>"}
    first = allowed("<think>")
    assert {"guitar", "red", "null", ".", "\n"} <= first
    assert not first & {*CLOSES, "<unk>", "<box>", "<video>"}
    assert allowed("<think> guitar") == first | {"</think>"}
    assert allowed("<think> red red red red red") == {"</think>"}
    assert allowed("<think> red </think>") == {"<answer>", "\n"}
    body = "<think> red </think> <answer> <f_object>"
    assert allowed(body) == first - {"\n"}  # the only place left is for a word
    assert allowed(f"{body} red") == {"</f_object>"}
    tail = f"{body} red </f_object> <s_object> red </s_object>"
    assert allowed(tail) == first | {"<box>", "</box>", "<frame>", "</frame>", "</answer>"}
    assert allowed(f"{tail} </answer>") == allowed(f"{tail} </answer> </s> </s>") == {"</s>"}


def test_rows_of_a_batch_are_judged_by_themselves():
    reply_format = ReplyFormat(TOKENIZER, max_new_tokens=LIMIT)
    rows = [[IDS["<think>"], IDS["red"], IDS["red"]], [IDS["<think>"], IDS["red"], IDS["</think>"]]]
    both = reply_format.allowed(torch.tensor(rows))
    assert torch.equal(both[:1], reply_format.allowed(torch.tensor(rows[:1])))
    assert torch.equal(both[1:], reply_format.allowed(torch.tensor(rows[1:])))
    assert not torch.equal(both[0], both[1])


def test_text_that_could_spell_a_tag_is_no_text():
    tokenizer = make_tokenizer(["<", ">", "guitar"])
    allowed = ReplyFormat(tokenizer, max_new_tokens=40).allowed(torch.tensor([[tokenizer.get_vocab()["<think>"]]]))[0]
    assert allowed[tokenizer.get_vocab()["guitar"]]
    assert not allowed[[tokenizer.get_vocab()["<"], tokenizer.get_vocab()[">"]]].any()


@pytest.mark.parametrize("limit", range(LIMIT, 300, 7))
def test_sections_fit_the_limit_exactly(limit):
    sections = make_sections(limit, eos="</s>")
    assert [section.close for section in sections] == CLOSES
    assert sum(section.budget + 1 for section in sections) == limit
    assert all(section.budget >= 1 for section in sections if section.needs_text)


def test_a_limit_without_room_for_words_is_refused():
    with pytest.raises(
        ValueError, match=r"think.max_new_tokens is 22: with reply_format enforced it must be at least 23"
    ):
        ReplyFormat(TOKENIZER, max_new_tokens=22)


def ids_of(text):
    return [IDS[token] for token in text.split(" ")] if text else []


@pytest.mark.parametrize(
    ("forced", "section", "has_text"),
    [
        ("", 0, False),
        ("<think>", 1, False),
        ("<think> \n", 1, False),
        ("<think> \n red guitar .", 1, True),
        ("<think> red </think>", 2, False),
        ("<think> red </think> \n <answer> <f_object> null", 4, True),
        ("<think> red </think> <answer> <f_object> red </f_object> <s_object> red </s_object> <box>", 7, False),
    ],
)
def test_where_a_forced_beginning_ends(forced, section, has_text):
    reply_format = ReplyFormat(TOKENIZER, max_new_tokens=LIMIT)
    assert reply_format.read(ids_of(forced)) == Beginning(section, has_text)


@pytest.mark.parametrize(
    ("forced", "message"),
    [
        ("red", r"at its token 1 of 1, 'red': expected more of the section that ends with <think>"),
        ("<think> red <answer>", r"token 3 of 3, '<answer>': expected more of the section that ends with </think>"),
        ("<think> </think>", r"token 2 of 2, '</think>'"),  # a chain has text
        ("<think> red </think> red", r"token 4 of 4, 'red': expected more of the section that ends with <answer>"),
        ("<think> <unk>", "token 2 of 2, '<unk>'"),
        ("<think> <video>", "token 2 of 2, '<video>'"),
    ],
)
def test_a_forced_beginning_that_no_reply_has_is_refused(forced, message):
    with pytest.raises(ValueError, match=f"the forced text leaves the reply format {message}|{message}"):
        ReplyFormat(TOKENIZER, max_new_tokens=LIMIT).read(ids_of(forced))


def test_a_forced_end_leaves_nothing_to_say():
    whole = "<think> red </think> <answer> <f_object> red </f_object> <s_object> red </s_object> </answer> </s>"
    with pytest.raises(ValueError, match="the forced text holds </s>, which ends a reply: nothing can follow it"):
        ReplyFormat(TOKENIZER, max_new_tokens=LIMIT).read(ids_of(whole))


BEGINNINGS = [
    "", "<think>", "<think> red red red red red red red red red", "<think> red </think>", "<think> red </think> \n",
    "<think> red </think> <answer> <f_object>", "<think> red </think> <answer> <f_object> red </f_object> <s_object>",
    "<think> red </think> <answer> <f_object> red </f_object> <s_object> red </s_object> \n </answer>",
]  # fmt: skip


@pytest.mark.parametrize("limit", [LIMIT, 40, 128])
def test_any_scores_give_whole_replies_after_any_beginning(limit):
    """Beginnings of different lengths in one batch, also longer than their section's budget."""
    generator = torch.Generator().manual_seed(limit)
    reply_format = ReplyFormat(TOKENIZER, max_new_tokens=limit)
    forced = [ids_of(text) for text in BEGINNINGS]
    scale = torch.rand(len(forced), 1, generator=generator) * 20

    def scores(step):
        return torch.randn(len(forced), len(TOKENIZER), generator=generator) + scale * (
            torch.arange(len(TOKENIZER)) < 40
        )

    after = reply_format.after([reply_format.read(ids) for ids in forced])
    new_BN = decode(after, scores, num_replies=len(forced), limit=limit)
    assert new_BN.shape[1] <= limit
    for ids, new in zip(forced, new_BN, strict=True):
        assert_whole(torch.tensor([ids + new.tolist()]))


def test_what_is_forced_counts_as_text_but_not_in_the_budget():
    """At limit 23 thinking has five places, the others one."""
    reply_format = ReplyFormat(TOKENIZER, max_new_tokens=LIMIT)

    def allowed(forced, new):
        beginning = reply_format.read(ids_of(forced))
        allowed_BV = reply_format.allowed(torch.tensor([ids_of(new)]).long(), beginnings=[beginning])
        return set(TOKENIZER.convert_ids_to_tokens(allowed_BV[0].nonzero()[:, 0]))

    first = allowed("<think> red", "")
    assert {"guitar", "\n", "</think>"} <= first and "</think>" not in allowed("<think> \n", "")
    assert allowed("<think> red red red red red red", "red red red red") == first
    assert allowed("<think> red", "red red red red red") == {"</think>"}
    assert allowed("<think> red", "</think>") == {"<answer>", "\n"}
    assert allowed("<think> red </think> <answer> <f_object> red", "red") == {"</f_object>"}
    assert "</s_object>" not in allowed("<think> red </think> <answer> <f_object> red", "</f_object> <s_object>")
