import pytest
import torch

from tgs_pipeline.backends.thinker import loading
from tgs_pipeline.backends.thinker.null_probability import NullProbability


@pytest.fixture(scope="module")
def known(tiny):
    _, tokenizer = loading.load(tiny, dtype=torch.float32, device="cpu")
    return NullProbability(tokenizer), tokenizer


def logits(tokenizer, **words):
    """Logits (V,) in which the given words have these probabilities and nothing else has any."""
    row = torch.full((len(tokenizer),), float("-inf"))
    for word, probability in words.items():
        row[tokenizer.convert_tokens_to_ids(word)] = torch.tensor(probability).log()
    return row


def see(known, text, row, *, forced="", constraint=None, watcher=None):
    null, tokenizer = known
    forced_ids = tokenizer(forced, add_special_tokens=False)["input_ids"] if forced else []
    watcher = watcher or null.watch(constraint, forced=[forced_ids])
    ids = tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
    watcher(torch.tensor([ids], dtype=torch.long), row[None])
    return watcher


def test_the_first_token_of_the_name_counts(known):
    row = logits(known[1], null=0.75, guitar=0.25)
    assert see(known, "<think> null </think> <f_object> null", row).probabilities == [None]
    watcher = see(known, "<f_object> null </f_object> <s_object>", row)
    assert watcher.probabilities == [0.75]
    see(known, "<f_object> null </f_object> <s_object> red", logits(known[1], null=1.0), watcher=watcher)
    see(known, "<s_object> red </s_object> <s_object>", logits(known[1], null=1.0), watcher=watcher)
    assert watcher.probabilities == [0.75]


def test_after_a_blank_it_is_looked_at_again(known):
    null, tokenizer = known
    ids = torch.tensor([[null.open_id]])
    watcher = null.watch(None, forced=[[]])
    watcher(ids, logits(tokenizer, null=0.25, guitar=0.75)[None])
    null.is_blank_V[9] = True
    try:
        watcher(torch.tensor([[null.open_id, 9]]), logits(tokenizer, null=0.5, guitar=0.5)[None])
    finally:
        null.is_blank_V[9] = False
    assert watcher.probabilities == [0.5]


def test_what_the_constraint_forbids_has_no_probability(known):
    _, tokenizer = known
    guitar = tokenizer.convert_tokens_to_ids("guitar")

    def forbid(ids_BN, logits_BV):
        return logits_BV.index_fill(1, torch.tensor([guitar]), float("-inf"))

    row = logits(tokenizer, null=0.2, guitar=0.6, red=0.2)
    assert see(known, "<s_object>", row, constraint=forbid).probabilities == [0.5]


def test_a_forced_name_has_none_and_a_forced_tag_has_one(known):
    row = logits(known[1], null=0.75, guitar=0.25)
    assert see(known, "", row, forced="<s_object> guitar").probabilities == [None]
    assert see(known, "", row, forced="<s_object>").probabilities == [0.75]
    assert see(known, "guitar", row, forced="<s_object>").probabilities == [None]


def test_replies_of_a_batch_stand_for_themselves(known):
    null, tokenizer = known
    tag, red = null.open_id, tokenizer.convert_tokens_to_ids("red")
    watcher = null.watch(None, forced=[[], [tag]])
    row = logits(tokenizer, null=0.75, guitar=0.25)
    watcher(torch.tensor([[red], [red]]), torch.stack([row, row]))
    assert watcher.probabilities == [None, None]
    watcher(torch.tensor([[red, tag], [red, red]]), torch.stack([row, row]))
    assert watcher.probabilities == [0.75, None]


def test_a_vocabulary_without_null_tells_nothing(known):
    null, tokenizer = known
    kept, null.null_ids = null.null_ids, torch.tensor([], dtype=torch.long)
    try:
        assert see(known, "<s_object>", logits(tokenizer, guitar=1.0)).probabilities == [None]
    finally:
        null.null_ids = kept
