import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tgs_pipeline.tinyworld import words
from tgs_pipeline.tinyworld.models.ref_thinker import make_tokenizer
from tgs_pipeline.tinyworld.pretraining.language import BATCHES_POOLED, Reader, TextStream, loss_of
from tgs_pipeline.tinyworld.pretraining.texts import Text, TextWriter
from tgs_pipeline.tinyworld.transcript import MOMENTS, WORDS

NUM_TOKENS = 7


@pytest.fixture(scope="module")
def reader():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=NUM_TOKENS,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    return Reader(LlamaForCausalLM(config))


@pytest.fixture(scope="module")
def writer():
    return TextWriter(make_tokenizer(words.vocabulary()))


TEXTS = [
    Text([[1], [NUM_TOKENS, NUM_TOKENS + 2, NUM_TOKENS + 5], [3], [4]], [0.0, 0.0, 1.0, 4.0]),
    Text([[2], [6]], [0.0, 1.0]),
]


def by_hand(reader, text):
    """(log-probability of the right token, whether it is the likeliest, weight) of each place to be predicted."""
    tokens, words_ = reader.llm.model.embed_tokens.weight, reader.words.weight
    vectors = [sum(tokens[n] if n < NUM_TOKENS else words_[n - NUM_TOKENS] for n in bag) for bag in text.bags]
    logits = reader.llm(inputs_embeds=torch.stack(vectors)[None]).logits[0]
    for place in range(1, len(text.bags)):
        if text.weights[place]:
            [token] = text.bags[place]
            scores = logits[place - 1].log_softmax(-1)
            yield scores[token].item(), bool(scores.argmax() == token), text.weights[place]


def test_the_loss_of_known_texts(reader):
    """Each text alone, without padding; the mean over the weights of all."""
    with torch.no_grad():
        expected = [one for text in TEXTS for one in by_hand(reader, text)]
        loss, measures = loss_of(reader, TEXTS)
    assert [weight for _, _, weight in expected] == [1.0, 4.0, 1.0]
    assert loss.item() == pytest.approx(-sum(log * weight for log, _, weight in expected) / 6, abs=1e-5)
    assert measures == {"tokens_right": pytest.approx(sum(right for _, right, _ in expected) / 3)}


def test_what_is_right_is_counted(reader):
    with torch.no_grad():
        vectors = reader.llm.model.embed_tokens.weight[2][None, None]
        best = int(reader.llm(inputs_embeds=vectors).logits[0, -1].argmax())
        other = (best + 1) % NUM_TOKENS
        for token, expected in ((best, 1.0), (other, 0.0)):
            assert loss_of(reader, [Text([[2], [token]], [0.0, 1.0])])[1] == {"tokens_right": expected}


def test_words_of_transcripts_are_trained_but_no_token(reader):
    loss, _ = loss_of(reader, TEXTS)
    loss.backward()
    assert reader.words.weight.grad.abs().sum(dim=1).nonzero().flatten().tolist() == [0, 2, 5]
    assert reader.words.weight.shape == (len(WORDS) + len(MOMENTS), 16)
    assert reader.llm.lm_head.weight.shape == (NUM_TOKENS, 16)
    reader.zero_grad()


def test_batches_depend_on_their_number_alone(writer):
    """A stream that is asked for a batch in the middle gives what one from the beginning gives."""
    stream = TextStream(writer, seed=3, batch_size=2)
    numbers = [0, 5, BATCHES_POOLED - 1, BATCHES_POOLED, BATCHES_POOLED + 7]
    found = {number: stream.batch(number) for number in numbers}
    for number in reversed(numbers):
        assert TextStream(writer, seed=3, batch_size=2).batch(number) == found[number]
    assert stream.batch(5) == found[5]
    batches = [stream.batch(number) for number in range(2 * BATCHES_POOLED)]
    assert {len(batch) for batch in batches} == {2}
    assert len({str(text) for batch in batches for text in batch}) == 2 * 2 * BATCHES_POOLED
    assert TextStream(writer, seed=4, batch_size=2).batch(0) != found[0]


def test_the_texts_of_a_batch_are_of_similar_length(writer):
    stream = TextStream(writer, seed=3, batch_size=4)
    lengths = [[len(text.bags) for text in stream.batch(number)] for number in range(BATCHES_POOLED)]
    assert sum(max(batch) * len(batch) for batch in lengths) < 1.2 * sum(map(sum, lengths))
    assert [max(batch) for batch in lengths] != sorted(max(batch) for batch in lengths)  # but in any order
