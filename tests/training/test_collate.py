import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from tgs_pipeline.backends.thinker.checkpoint import load_base
from tgs_pipeline.models.ref_thinker import Prompt
from tgs_pipeline.prompts.ref_thinker import training_prompt
from tgs_pipeline.tinyworld.models.ref_thinker import SIZES
from tgs_pipeline.training.collate import IGNORED, Collator, answer_loss
from tgs_pipeline.training.examples import Example


@pytest.fixture(scope="module")
def model(base):
    torch.manual_seed(0)
    model, _ = load_base(base / "ref_thinker/llama", sizes=SIZES, dtype=torch.float32)
    for parameter in model.parameters():
        parameter.data.normal_(std=0.1)
    return model.eval()


@pytest.fixture(scope="module")
def tokenizer(base):
    return AutoTokenizer.from_pretrained(base / "ref_thinker/llama")


def make_example(name, reference, answer, frames=2):
    generator = np.random.default_rng(len(reference))
    visual, audio = (generator.normal(size=(frames, 3, 128)).astype(np.float16) for _ in range(2))
    return Example(name=name, prompt=training_prompt(reference), target=answer, visual=visual, audio=audio)


EXAMPLES = [
    make_example("one", "the red guitar", "<think>\nthe guitar sounds\n</think></s>"),
    make_example("two", "a dog", "null</s>", frames=1),
]


def test_labels_are_the_answers_at_the_right_end(model, tokenizer):
    batch = Collator(tokenizer, model)(EXAMPLES)
    answers = [tokenizer(one.target, add_special_tokens=False)["input_ids"] for one in EXAMPLES]
    assert batch["labels"][0].tolist() == answers[0]
    assert batch["labels"][1].tolist() == [IGNORED] * (len(answers[0]) - 2) + answers[1]
    assert answers[1] == tokenizer.convert_tokens_to_ids(["null", "</s>"])
    for example, answer, prompt in zip(EXAMPLES, answers, batch["prompts"], strict=True):
        question = tokenizer(example.prompt, add_special_tokens=False)["input_ids"]
        assert prompt.token_ids.tolist() == question + answer
        assert torch.equal(prompt.visual, torch.from_numpy(example.visual))


@torch.inference_mode()
def test_loss_is_the_cross_entropy_of_the_answer_tokens(model, tokenizer):
    """Against each example alone, token by token: no batch mate, no padding, no label arithmetic."""
    collate = Collator(tokenizer, model)
    expected = []
    for example in EXAMPLES:
        question, answer = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in
                            (example.prompt, example.target))  # fmt: skip
        for position, token in enumerate(answer):
            prompt = Prompt(
                token_ids=torch.tensor(question + answer[:position]),
                visual=torch.from_numpy(example.visual),
                audio=torch.from_numpy(example.audio),
            )
            expected.append(-model([prompt])[0, -1].log_softmax(dim=0)[token])
    batch = collate(EXAMPLES)
    loss = answer_loss(model(batch["prompts"]), batch["labels"])
    torch.testing.assert_close(loss, torch.stack(expected).mean(), atol=1e-4, rtol=1e-4)
    few = model(batch["prompts"], num_last=batch["labels"].shape[1] + 1)
    torch.testing.assert_close(answer_loss(few, batch["labels"]), loss)
    total = answer_loss(few, batch["labels"], reduction="sum")
    torch.testing.assert_close(total, loss * len(expected))


def test_an_example_that_is_too_long_is_named(model, tokenizer):
    long = make_example("uid_7", "the dog " * 600, "null</s>")
    with pytest.raises(ValueError, match=r"uid_7: prompt and answer are \d+ tokens, the model reads 1024"):
        Collator(tokenizer, model)([EXAMPLES[0], long])


def test_features_of_other_encoders_are_refused(model, tokenizer):
    wide = Example(name="uid_8", prompt="<s><audio>", target="a</s>", visual=None, audio=np.zeros((1, 2, 64)))
    with pytest.raises(ValueError, match=r"audio features of uid_8 are 64 wide, the projector reads 128"):
        Collator(tokenizer, model)([wide])
