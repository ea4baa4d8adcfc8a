"""The published files at reduced widths, with all their 608 and 162 names (UPSTREAM_FACTS 3)."""

import json
import pickle
import shutil

import pytest
import torch
import yaml
from project import ROOT
from published_names import PREFIX, Widths, finetune_weights, non_lora_trainables
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from tgs_pipeline.backends.thinker import loading, published
from tgs_pipeline.backends.thinker.checkpoint import Lora, QFormerSizes, Sizes
from tgs_pipeline.backends.thinker.published import ADAPTER, FINETUNE_WEIGHTS, NON_LORA_TRAINABLES
from tgs_pipeline.catalogue.convert import convert
from tgs_pipeline.params import load
from tgs_pipeline.tinyworld.models.ref_thinker import make_tokenizer

NARROW = Widths(llm=32, llm_ffn=48, visual=20, audio=12, qformer=24, qformer_ffn=40, queries=4)
SIZES = Sizes(
    visual_dim=20,
    audio_dim=12,
    qformer=QFormerSizes(num_queries=4, hidden_dim=24, num_layers=2, num_heads=12, ffn_dim=40),
    lora=Lora(rank=8, alpha=16, dropout=0.05),
)
LORA = f"{PREFIX}model.layers.31.mlp.down_proj.lora_B.default.weight"
KEY = f"{PREFIX}model.al_projector.audio_Qformer.bert.encoder.layer.1.crossattention.self.key.weight"
EMBED = f"{PREFIX}model.embed_tokens.weight"


def random_state(shapes, seed):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator, dtype=torch.bfloat16) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Ref-Thinker as it is published, narrow; LLaMA has 32000 tokens."""
    path = tmp_path_factory.mktemp("published")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [f"q{a}{b}{c}{'x' * n}" for n in range(2) for a in letters for b in letters for c in letters]
    make_tokenizer(words[: 32021 - len(make_tokenizer([]))]).save_pretrained(path / "llama")
    config = LlamaConfig(
        vocab_size=32000, hidden_size=32, intermediate_size=48, num_hidden_layers=32, num_attention_heads=4
    )
    llama = LlamaForCausalLM(config).to(torch.float16)
    llama.save_pretrained(path / "llama", max_shard_size="1MB")  # in shards, as the original
    (path / "ref_thinker.json").write_text(json.dumps(SIZES.model_dump()))
    torch.save(random_state(finetune_weights(NARROW), 1), path / FINETUNE_WEIGHTS)
    torch.save(random_state(non_lora_trainables(NARROW), 2), path / NON_LORA_TRAINABLES)
    return path


@pytest.fixture(scope="module")
def loaded(folder):
    """The model without memory, and its tensors as mapped from the files."""
    model, _, state = loading.fit(folder)
    return model, state


@pytest.fixture
def copy(folder, tmp_path):
    for name in (FINETUNE_WEIGHTS, NON_LORA_TRAINABLES):
        shutil.copy(folder / name, tmp_path)
    return tmp_path


def reread(folder, loaded):
    return published.read_folder(folder, loaded[0], sizes=SIZES)


def test_counts_are_the_published_ones():
    first, second = finetune_weights(Widths()), non_lora_trainables(Widths())
    assert (len(first), len(second)) == (608, 162)
    assert sum(torch.Size(shape).numel() for shape in first.values()) == 73_553_978 + 72_767_034 + 19_988_480
    assert sum(torch.Size(shape).numel() for shape in second.values()) == 73_553_978 + 72_767_034 + 2 * 32021 * 4096


def test_every_tensor_lands_in_its_place(folder, loaded):
    model, state = loaded
    assert state.keys() == dict(model.named_parameters()).keys()
    assert all(parameter.is_meta for parameter in model.parameters())
    first, second = (torch.load(folder / name, weights_only=True) for name in (FINETUNE_WEIGHTS, NON_LORA_TRAINABLES))
    assert torch.equal(state[f"llm.{LORA.removeprefix(PREFIX)}"], first[LORA])
    assert torch.equal(state["llm.model.embed_tokens.weight"], second[EMBED])
    placed = state["audio_projector.qformer.encoder.layer.1.crossattention.attention.key.weight"]
    assert torch.equal(placed, second[KEY]) and not torch.equal(placed, first[KEY])  # epoch 6 overwrites epoch 5
    base = {}
    for shard in (folder / "llama").glob("*.safetensors"):
        base |= load_file(shard)
    assert len(base) == 291
    q_proj = "model.layers.7.self_attn.q_proj"
    assert torch.equal(state[f"llm.{q_proj}.base_layer.weight"], base[f"{q_proj}.weight"])


def test_what_nothing_reads_is_told(copy, loaded, caplog):
    with caplog.at_level("INFO"):
        reread(copy, loaded)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2 and all("38 tensors that nothing reads are left out" in one for one in messages)
    assert "visual_Qformer.cls.predictions" in messages[0]


def test_bfloat16_leaves_the_rotary_frequencies_alone(folder, loaded):
    """Cast to bfloat16, they would turn position 800 by .98 radian too much or too little."""
    model, tokenizer = loading.load(folder, dtype=torch.bfloat16, device="cpu")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    rotary = model.llm.model.rotary_emb
    expected = 1.0 / 10000.0 ** (torch.arange(0, 8, 2).float() / 8)
    assert rotary.inv_freq.dtype == torch.float32 and torch.allclose(rotary.inv_freq, expected)
    assert len(tokenizer) == 32021 and not model.training
    ids = torch.tensor([[1, 32004, 5, 32005, 9]])
    assert model.llm(ids).logits.shape == (1, 5, 32021)


def rename(state, key):
    state[f"{key}_"] = state.pop(key)


def transpose(state, key):
    state[key] = state[key].T.contiguous()


def widen(state, key):
    state[key] = torch.cat([state[key], state[key][:1]])


@pytest.mark.parametrize(
    ("name", "change", "key", "message"),
    [
        (FINETUNE_WEIGHTS, rename, LORA, f"missing key {LORA}; unexpected key {LORA}_"),
        (FINETUNE_WEIGHTS, dict.pop, KEY, f"missing key {KEY}"),
        (FINETUNE_WEIGHTS, transpose, LORA, rf"{LORA} has shape \[8, 32\], expected \[32, 8\] \(transposed\)"),
        (NON_LORA_TRAINABLES, rename, EMBED, f"missing key {EMBED}; unexpected key {EMBED}_"),
        (NON_LORA_TRAINABLES, dict.pop, KEY, f"missing key {KEY}"),
        (NON_LORA_TRAINABLES, transpose, KEY, rf"{KEY} has shape \[12, 24\], expected \[24, 12\] \(transposed\)"),
        (
            NON_LORA_TRAINABLES,
            widen,
            EMBED,
            rf"{EMBED} has shape \[32022, 32\], expected \[32021, 32\], the number of tokens of llama/",
        ),
    ],
)
def test_one_wrong_key_is_refused_by_its_name(copy, loaded, name, change, key, message):
    state = torch.load(copy / name, weights_only=True)
    change(state, key)
    torch.save(state, copy / name)
    with pytest.raises(ValueError, match=rf"{name} does not fit the model: {message}"):
        reread(copy, loaded)


class Evil:
    def __reduce__(self):
        return eval, ("open('pwned', 'w')",)


def test_a_file_with_code_or_cut_short_is_refused(copy, loaded, monkeypatch):
    monkeypatch.chdir(copy)
    whole = (copy / FINETUNE_WEIGHTS).read_bytes()
    (copy / FINETUNE_WEIGHTS).write_bytes(pickle.dumps({LORA: Evil()}))
    with pytest.raises(ValueError, match=rf"{FINETUNE_WEIGHTS}: refused, .*could run code"):
        reread(copy, loaded)
    torch.save({LORA: Evil()}, copy / FINETUNE_WEIGHTS)
    with pytest.raises(ValueError, match=rf"{FINETUNE_WEIGHTS}: refused"):
        reread(copy, loaded)
    assert not (copy / "pwned").exists()
    (copy / FINETUNE_WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=rf"{FINETUNE_WEIGHTS}: not a whole PyTorch checkpoint"):
        reread(copy, loaded)


def write_adapter(folder, **changes):
    """What PEFT's save_pretrained writes: no adapter name in the keys, resized embeddings beside them."""
    state = torch.load(folder / FINETUNE_WEIGHTS, weights_only=True)
    short = {name.replace(".default.", "."): tensor for name, tensor in state.items() if "lora" in name}
    short |= {EMBED: torch.zeros(32021, 32), f"{PREFIX}lm_head.weight": torch.zeros(32021, 32)}
    (folder / ADAPTER).mkdir()
    save_file(short, folder / ADAPTER / "adapter_model.safetensors")
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "bias": "none", "target_modules": targets} | changes
    (folder / ADAPTER / "adapter_config.json").write_text(json.dumps(config))


def test_a_peft_adapter_takes_the_place_of_the_first_file(copy, loaded):
    write_adapter(copy)
    with pytest.raises(ValueError, match=r"holds both of finetune_weights\.bin .* and adapter/"):
        reread(copy, loaded)
    first = torch.load(copy / FINETUNE_WEIGHTS, weights_only=True)
    (copy / FINETUNE_WEIGHTS).unlink()
    state = reread(copy, loaded)
    assert torch.equal(state[f"llm.{LORA.removeprefix(PREFIX)}"], first[LORA])
    assert state["llm.model.embed_tokens.weight"].any()  # of non_lora_trainables.bin
    shutil.rmtree(copy / ADAPTER)
    with pytest.raises(ValueError, match="holds neither of"):
        reread(copy, loaded)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": 4}, "r is 4, but ref_thinker.json says 8"),
        ({"lora_alpha": 8}, "lora_alpha is 8, but ref_thinker.json says 16"),
        ({"target_modules": ["q_proj"]}, r"target_modules is \['q_proj'\], but"),
    ],
)
def test_an_adapter_of_other_settings_is_refused(copy, loaded, change, message):
    write_adapter(copy, **change)
    (copy / FINETUNE_WEIGHTS).unlink()
    with pytest.raises(ValueError, match=f"adapter_config.json: {message}"):
        reread(copy, loaded)


def test_converted_once_it_is_one_safetensors_file(folder, loaded, tmp_path):
    text = yaml.safe_load((ROOT / "params.yaml").read_text())
    text["think"]["weights"] = str(folder)
    text["detect"]["weights"] = text["segment"]["weights"] = str(tmp_path / "none")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(text))
    assert list(convert(load(tmp_path / "params.yaml"), tmp_path / "out")) == [
        ("think.weights", tmp_path / "out" / folder.name)
    ]
    out = tmp_path / "out" / folder.name
    names = sorted(path.name for path in out.iterdir())
    assert names == ["llama", "ref_thinker.json", "ref_thinker.safetensors"]
    _, _, state = loading.fit(out)
    assert state.keys() == loaded[1].keys()
    assert all(torch.equal(tensor, loaded[1][name]) for name, tensor in state.items())
