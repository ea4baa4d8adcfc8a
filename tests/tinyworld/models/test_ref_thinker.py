import numpy as np
import pytest
import torch
import yaml
from project import ROOT
from tinyworld.samples import plans

from tgs_pipeline.backends.thinker.loading import load
from tgs_pipeline.backends.thinker.reply_format import make_sections
from tgs_pipeline.prompts.ref_thinker import SPECIAL_TOKENS, inference_prompt, parse_reply, training_prompt
from tgs_pipeline.tinyworld import words
from tgs_pipeline.tinyworld.chains import write_chain
from tgs_pipeline.tinyworld.models import beats, clip
from tgs_pipeline.tinyworld.models.ref_thinker import SIZES, make_tokenizer, write, write_untrained


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(words.vocabulary())


@pytest.fixture(scope="module")
def samples():
    """(reference, target text) of clips of all splits, also of rewritten references and of null ones."""
    rng = np.random.default_rng(0)
    found = []
    for _, _, plan in plans()[::3]:
        rows = [(plan.scene, reference) for reference in (*plan.references, *plan.reasoning) if reference]
        rows += [(plan.null.scene, reference) for reference in plan.null.references] if plan.null else []
        found += [(reference.text, write_chain(rng, scene, reference)) for scene, reference in rows]
    return found


def test_special_tokens_end_the_vocabulary(tokenizer):
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["<unk>", "<s>", "</s>"]
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer) - 21, len(tokenizer))) == list(SPECIAL_TOKENS)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)


def test_every_text_of_the_world_is_known_and_comes_back(tokenizer, samples):
    for reference, target in samples:
        for text in (target, inference_prompt(reference), training_prompt(reference)):
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert tokenizer.unk_token_id not in ids
            again = tokenizer.decode(ids)
            assert words.split_words(again) == words.split_words(text)
            assert again.count("\n") == text.count("\n")
        assert parse_reply(again := tokenizer.decode(tokenizer(target)["input_ids"]), truncated=False).status == "ok", (
            again
        )


def test_decoded_text_is_readable(tokenizer):
    text = "The RED hair-dryer: from 2 to 10, 3;\n it didn't. <box> 0,10,223 </box>\n</answer>"
    expected = "the red hair-dryer: from 2 to 10, 3;\nit didn't. <box> 0, 10, 223 </box>\n</answer>"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == expected


def test_chains_fit_the_enforced_format(tokenizer, samples):
    """At the limit of the committed params; what is cut at a lower limit is the thinking."""
    limit = yaml.safe_load((ROOT / "params.yaml").read_text())["think"]["max_new_tokens"]
    budgets = {section.close: section.budget for section in make_sections(limit, eos="</s>")}
    for _, target in samples:
        for tag in ("think", "f_object", "s_object"):
            text = target.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
            assert text and len(tokenizer(text)["input_ids"]) <= budgets[f"</{tag}>"], target
        tail = target.partition("</s_object>")[2].partition("</answer>")[0]
        assert len(tokenizer(tail)["input_ids"]) <= budgets["</answer>"]


@pytest.mark.parametrize("word", ["two words", "Upper", "10", ""])
def test_a_word_must_be_one_token(word):
    with pytest.raises(ValueError, match=f"the word '{word}' is not one token of the tiny tokenizer"):
        make_tokenizer([word])


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    contents = []
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        write_untrained(tmp_path / name, words=["guitar"], seed=seed)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert {path.name for path in contents[0] if contents[0][path] != contents[2][path]} == {
        "model.safetensors",
        "ref_thinker.safetensors",
    }


def test_written_model_is_loaded_and_fits_the_tiny_towers(tmp_path):
    write(tmp_path, seed=0)
    model, tokenizer = load(tmp_path, dtype=torch.float32, device="cpu")
    assert "guitar" in tokenizer.get_vocab()
    assert 4e6 < sum(parameter.numel() for parameter in model.parameters()) < 6e6
    assert SIZES.visual_dim == clip.config().hidden_size
    assert SIZES.audio_dim == beats.config().encoder_embed_dim
