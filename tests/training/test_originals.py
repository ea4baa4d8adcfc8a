import hashlib

import pytest
import torch
from published_names import Widths, finetune_weights, non_lora_trainables

from tgs_pipeline.backends.thinker import published
from tgs_pipeline.backends.thinker.checkpoint import file_keys, load_base
from tgs_pipeline.backends.thinker.published import FINETUNE_WEIGHTS, NON_LORA_TRAINABLES, PREFIX
from tgs_pipeline.tinyworld.models.ref_thinker import SIZES
from tgs_pipeline.training import originals

LORA = f"{PREFIX}model.layers.3.mlp.down_proj.lora_B.default.weight"
QUERIES = f"{PREFIX}model.vl_projector.visual_query_tokens"
EMBED, HEAD = f"{PREFIX}model.embed_tokens.weight", f"{PREFIX}lm_head.weight"


def make_model(base, seed):
    torch.manual_seed(seed)
    model, _ = load_base(base / "ref_thinker/llama", sizes=SIZES, dtype=torch.float32)
    for parameter in model.parameters():
        parameter.data.normal_()
    return model


@pytest.fixture(scope="module")
def written(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    model = make_model(base, 1)
    originals.save(folder, model=model, sizes=SIZES, dtype=torch.float32)
    return folder, model


def load(folder, model):
    published.load(
        model,
        sizes=SIZES,
        finetune_weights=folder / FINETUNE_WEIGHTS,
        non_lora_trainables=folder / NON_LORA_TRAINABLES,
    )


def edited(folder, tmp_path, name, change):
    for file in (FINETUNE_WEIGHTS, NON_LORA_TRAINABLES):
        state = torch.load(folder / file, weights_only=True)
        if file == name:
            change(state)
        torch.save(state, tmp_path / file)
    return tmp_path


def test_round_trip_bit_for_bit(base, written, tmp_path):
    folder, model = written
    other = make_model(base, 2)
    load(folder, other)
    expected, found = model.state_dict(), other.state_dict()
    keys = file_keys(model, sizes=SIZES).values()
    assert all(torch.equal(found[key], expected[key]) for key in keys)
    originals.save(tmp_path, model=other, sizes=SIZES, dtype=torch.float32)
    for name in (FINETUNE_WEIGHTS, NON_LORA_TRAINABLES):
        digests = [hashlib.sha256((one / name).read_bytes()).digest() for one in (folder, tmp_path)]
        assert digests[0] == digests[1]


def test_the_text_half_is_there_as_bert_initialises_it(written):
    state = torch.load(written[0] / FINETUNE_WEIGHTS, weights_only=True)
    words = state[f"{PREFIX}model.al_projector.audio_Qformer.bert.embeddings.word_embeddings.weight"]
    assert words.shape == (30522, 128) and words.std() == pytest.approx(0.02, rel=0.01)
    head = f"{PREFIX}model.al_projector.audio_Qformer.cls.predictions"
    assert (state[f"{head}.transform.LayerNorm.weight"] == 1).all() and not state[f"{head}.bias"].any()


def test_the_second_file_overwrites_the_projectors_of_the_first(base, written, tmp_path):
    """The published model is LoRA of epoch 5, all else of epoch 6."""
    changed = edited(written[0], tmp_path, FINETUNE_WEIGHTS, lambda s: (s[QUERIES].fill_(9), s[LORA].fill_(7)))
    model = make_model(base, 2)
    load(changed, model)
    state = model.state_dict()
    assert torch.equal(state["visual_projector.query_tokens"], written[1].state_dict()["visual_projector.query_tokens"])
    assert (state["llm." + LORA.removeprefix(PREFIX)] == 7).all()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (FINETUNE_WEIGHTS, lambda s: s.pop(LORA), f"missing key {LORA}"),
        (NON_LORA_TRAINABLES, lambda s: s.pop(QUERIES), f"missing key {QUERIES}"),
        (FINETUNE_WEIGHTS, lambda s: s.update(x=torch.ones(1)), "unexpected key x"),
        (
            NON_LORA_TRAINABLES,
            lambda s: s.update({"model.lm_head": s.pop(HEAD)}),
            f"missing key {HEAD}; unexpected key model.lm_head",
        ),
        (
            NON_LORA_TRAINABLES,
            lambda s: s.update({EMBED: torch.cat([s[EMBED], s[EMBED][:1]])}),
            rf"{EMBED} has shape \[\d+, 256\], expected \[\d+, 256\]",
        ),
        (FINETUNE_WEIGHTS, lambda s: s.update({QUERIES: s[QUERIES][0]}), rf"{QUERIES} has shape \[4, 128\]"),
    ],
)
def test_every_key_must_fit_and_nothing_is_loaded_before(base, written, tmp_path, name, change, message):
    folder = edited(written[0], tmp_path, name, change)
    model = make_model(base, 2)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=rf"{name} does not fit the model: {message}"):
        load(folder, model)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_files_of_the_published_sizes(paper, paper_sizes, tmp_path):
    """All names and shapes at the paper's sizes; a vocabulary of 32022 is refused (UPSTREAM_FACTS 2.4)."""
    expected = (finetune_weights(Widths()), non_lora_trainables(Widths()))
    assert published.shapes(paper, sizes=paper_sizes) == expected
    for name, expected in zip(
        (FINETUNE_WEIGHTS, NON_LORA_TRAINABLES), published.shapes(paper, sizes=paper_sizes), strict=True
    ):
        one = torch.zeros(1, dtype=torch.bfloat16)  # a view of one number takes no room in the file
        torch.save({key: one.expand(shape) for key, shape in expected.items()}, tmp_path / name)
    files = {"finetune_weights": tmp_path / FINETUNE_WEIGHTS, "non_lora_trainables": tmp_path / NON_LORA_TRAINABLES}
    for path, expected in zip(files.values(), published.shapes(paper, sizes=paper_sizes), strict=True):
        assert published.read(path, expected=expected, sizes=paper_sizes).keys() <= expected.keys()
    state = torch.load(files["non_lora_trainables"], weights_only=True)
    torch.save(state | {EMBED: one.expand(32022, 4096)}, files["non_lora_trainables"])
    with pytest.raises(ValueError, match=rf"{EMBED} has shape \[32022, 4096\], expected \[32021, 4096\]"):
        published.load(paper, sizes=paper_sizes, **files)


def test_files_without_the_text_half_or_with_buffers_are_read(base, written, tmp_path):
    def change(state):
        for key in [key for key in state if ".cls." in key]:
            del state[key]
        state[f"{PREFIX}model.vl_projector.visual_Qformer.bert.embeddings.position_ids"] = torch.arange(512)

    model = make_model(base, 2)
    load(edited(written[0], tmp_path, FINETUNE_WEIGHTS, change), model)
    expected = written[1].visual_projector.state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in model.visual_projector.state_dict().items())


def test_a_projector_of_phase_1(base, written, tmp_path):
    model, other = written[1], make_model(base, 2)
    path = tmp_path / "projector.safetensors"
    originals.save_projector(path, model.audio_projector, modality="audio", sizes=SIZES)
    originals.load_projector(path, other.audio_projector, modality="audio", sizes=SIZES)
    expected = model.audio_projector.state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in other.audio_projector.state_dict().items())
    with pytest.raises(ValueError, match=r"projector.safetensors does not fit model.sizes: missing key .*visual"):
        originals.load_projector(path, other.visual_projector, modality="visual", sizes=SIZES)


def test_a_published_projector_may_hold_a_head_of_another_vocabulary(base, written, tmp_path):
    state = torch.load(written[0] / NON_LORA_TRAINABLES, weights_only=True)
    published = {k.removeprefix(PREFIX): t for k, t in state.items() if "al_projector" in k}
    torch.save(published | {"lm_head.weight": torch.zeros(17, 4)}, tmp_path / "audio_pretrain.bin")
    other = make_model(base, 2)
    originals.load_projector(tmp_path / "audio_pretrain.bin", other.audio_projector, modality="audio", sizes=SIZES)
    expected = written[1].audio_projector.query_tokens
    assert torch.equal(other.audio_projector.query_tokens, expected)
