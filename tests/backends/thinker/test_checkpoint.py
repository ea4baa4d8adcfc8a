import json
import logging

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from tgs_pipeline.backends.thinker.checkpoint import Lora, QFormerSizes, Sizes, build, file_keys, save
from tgs_pipeline.backends.thinker.loading import load
from tgs_pipeline.models.qformer import dead_keys
from tgs_pipeline.models.ref_thinker import Prompt
from tgs_pipeline.prompts.ref_thinker import SPECIAL_TOKENS
from tgs_pipeline.tinyworld.models.ref_thinker import SIZES, make_tokenizer

PAPER = Sizes(
    visual_dim=1024,
    audio_dim=768,
    qformer=QFormerSizes(num_queries=32, hidden_dim=768, num_layers=2, num_heads=12, ffn_dim=3072),
    lora=Lora(rank=8, alpha=16, dropout=0.05),
)
LORA_B = "model.layers.3.mlp.down_proj.lora_B.default.weight"


def load_tiny(folder):
    return load(folder, dtype=torch.float32, device="cpu")


def edit(folder, change):
    path = folder / "ref_thinker.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)


def test_what_is_saved_is_loaded(copy):
    generator = torch.Generator().manual_seed(1)

    def randomise(state):
        for name, tensor in state.items():
            state[name] = torch.rand(tensor.shape, generator=generator).half()

    edit(copy, randomise)
    model, tokenizer = load_tiny(copy)
    stored, loaded = load_file(copy / "ref_thinker.safetensors"), model.state_dict()
    assert all(torch.equal(loaded[key], stored[name].float()) for name, key in file_keys(model, sizes=SIZES).items())
    base = load_file(copy / "llama" / "model.safetensors")
    q_proj = "model.layers.0.self_attn.q_proj"
    assert torch.equal(loaded[f"llm.{q_proj}.base_layer.weight"], base[f"{q_proj}.weight"].float())
    assert not model.training and len(tokenizer) == loaded["llm.lm_head.weight"].shape[0]
    save(copy / "again", model=model, sizes=SIZES, dtype=torch.float16)
    for name in ("ref_thinker.safetensors", "ref_thinker.json"):
        assert (copy / "again" / name).read_bytes() == (copy / name).read_bytes()


def test_lora_changes_what_the_model_says(copy):
    """B starts at zero, so the adapters are inert until B is trained."""
    ids = torch.arange(4)[None]
    before = load_tiny(copy)[0].llm(ids).logits
    edit(copy, lambda state: state.update({LORA_B: torch.ones_like(state[LORA_B])}))
    assert (load_tiny(copy)[0].llm(ids).logits - before).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.pop("model.vl_projector.visual_query_tokens"),
            "missing key model.vl_projector.visual_query_tokens",
        ),
        (lambda s: s.pop(LORA_B), f"missing key {LORA_B}"),
        (lambda s: s.pop("lm_head.weight"), "missing key lm_head.weight"),
        (lambda s: s.update(x=torch.ones(1)), "unexpected key x"),
        (
            lambda s: s.update({"model.al_projector.audio_ln.weight": torch.ones(64)}),
            r"model.al_projector.audio_ln.weight has shape \[64\], expected \[128\]",
        ),
        (
            lambda s: s.update({"lm_head.weight": s["lm_head.weight"][1:].clone()}),
            r"lm_head.weight has shape \[\d+, 256\], expected \[\d+, 256\], the number of tokens of llama/",
        ),
    ],
)
def test_every_key_must_fit(copy, change, message):
    edit(copy, change)
    with pytest.raises(ValueError, match=rf"ref_thinker.safetensors does not fit .*: {message}"):
        load_tiny(copy)


def test_a_wrong_prefix_is_no_silent_success(copy):
    """Upstream loads with strict=False: nothing would be loaded and nothing said (trap T3)."""

    def prefix(state):
        for name in list(state):
            state[f"base_model.model.{name}"] = state.pop(name)

    edit(copy, prefix)
    with pytest.raises(ValueError, match=r"missing key lm_head.weight; .*; and \d+ more"):
        load_tiny(copy)


def test_dead_keys_of_published_files_are_ignored(copy):
    dead = {f"model.vl_projector.{key}": torch.ones(1) for key in dead_keys("visual", num_layers=2)}
    before = load_tiny(copy)[0].state_dict()
    edit(copy, lambda state: state.update(dead))
    after = load_tiny(copy)[0].state_dict()
    assert dead and all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_special_tokens_are_added_to_a_base_tokenizer(copy, tiny):
    """The original LLaMA knows none of them, and has fewer rows than the fine-tuned embeddings."""
    known = load_tiny(tiny)[1]
    description = json.loads(known.backend_tokenizer.to_str())
    description["added_tokens"] = [token for token in description["added_tokens"] if token["id"] < 3]
    path = copy / "llama" / "tokenizer.json"
    path.write_text(json.dumps(description))
    num_base = len(AutoTokenizer.from_pretrained(copy / "llama"))
    assert num_base == len(known) - 21
    LlamaForCausalLM(base_config(num_base)).save_pretrained(copy / "llama")
    model, tokenizer = load_tiny(copy)
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(num_base, num_base + 21))
    stored = load_file(copy / "ref_thinker.safetensors")["model.embed_tokens.weight"].float()
    assert torch.equal(model.llm.get_input_embeddings().weight, stored)


def base_config(vocab_size):
    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=1024,
    )


def test_special_tokens_elsewhere_are_refused(copy):
    tokenizer = AutoTokenizer.from_pretrained(copy / "llama")
    tokenizer.add_tokens(["<pad>"], special_tokens=True)
    tokenizer.save_pretrained(copy / "llama")
    with pytest.raises(
        ValueError, match=r"gives <image> the id .* special tokens must end the vocabulary in the order"
    ):
        load_tiny(copy)


def test_an_extra_token_in_the_base_vocabulary_is_refused(copy):
    """A snapshot with its own <pad> shifts every special token by one (UPSTREAM_FACTS 2.4)."""
    make_tokenizer(["red", "guitar", "extra", *"bcdefgh"]).save_pretrained(copy / "llama")
    with pytest.raises(ValueError, match=r"embed_tokens.weight has shape .*, the number of tokens of llama/"):
        load_tiny(copy)


def test_an_incomplete_language_model_is_refused(copy):
    path = copy / "llama" / "model.safetensors"
    state = load_file(path)
    del state["model.layers.2.self_attn.k_proj.weight"]
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"llama: the weights do not fit config.json: .*layers.2.self_attn.k_proj"):
        load_tiny(copy)
    path.unlink()
    with pytest.raises(ValueError, match=r"llama: the language model cannot be loaded"):
        load_tiny(copy)


def test_missing_and_wrong_description_files(copy):
    config = copy / "llama" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "qwen2"}))
    with pytest.raises(ValueError, match=r"config.json: model_type is 'qwen2', expected 'llama'"):
        load_tiny(copy)
    config.unlink()
    with pytest.raises(ValueError, match=r"config.json is missing: .*language model in llama/"):
        load_tiny(copy)
    sizes = json.loads((copy / "ref_thinker.json").read_text())
    sizes["qformer"]["num_queries"] = 0
    sizes["heads"] = sizes.pop("lora")
    (copy / "ref_thinker.json").write_text(json.dumps(sizes))
    with pytest.raises(ValueError, match=r"qformer.num_queries: .*greater than 0; lora: Field required; heads: Extra"):
        load_tiny(copy)
    (copy / "ref_thinker.json").unlink()
    with pytest.raises(ValueError, match=r"ref_thinker.json is missing: think.weights must be a folder"):
        load_tiny(copy)


def test_sampling_settings_of_the_base_model_neither_act_nor_warn(copy, caplog, recwarn):
    """LLaMA-2-chat's generation_config.json samples; greedy search must not."""
    settings = {"do_sample": True, "temperature": 0.1, "top_p": 0.01, "max_length": 4096, "repetition_penalty": 9.0}
    (copy / "llama" / "generation_config.json").write_text(json.dumps(settings))
    model, tokenizer = load_tiny(copy)
    ids = torch.tensor(tokenizer("<s><video><audio>the red", add_special_tokens=False)["input_ids"])
    prompt = Prompt(token_ids=ids, visual=torch.randn(1, 2, 128), audio=torch.randn(1, 2, 128))
    caplog.clear()
    transformers_log = logging.getLogger("transformers")
    transformers_log.addHandler(caplog.handler)
    try:
        model.generate([prompt], max_new_tokens=3)
    finally:
        transformers_log.removeHandler(caplog.handler)
    assert not caplog.records and not recwarn.list


def test_paper_sizes_match_the_published_files():
    """Names, shapes and counts of UPSTREAM_FACTS 3, from the sizes alone."""
    tokenizer = make_tokenizer([])
    tokenizer = make_tokenizer(_words(32000 - (len(tokenizer) - 21)))
    with torch.device("meta"):
        llm = LlamaForCausalLM(LlamaConfig(vocab_size=32000, hidden_size=4096, intermediate_size=11008))
        model = build(llm, tokenizer=tokenizer, sizes=PAPER)
    state = model.state_dict()
    shapes = {name: tuple(state[key].shape) for name, key in file_keys(model, sizes=PAPER).items()}
    lora = {name: shape for name, shape in shapes.items() if "lora" in name}
    assert len(lora) == 448
    assert sum(rows * columns for rows, columns in lora.values()) == 19_988_480
    for layer in (0, 31):
        assert lora[f"model.layers.{layer}.self_attn.q_proj.lora_A.default.weight"] == (8, 4096)
        assert lora[f"model.layers.{layer}.self_attn.o_proj.lora_B.default.weight"] == (4096, 8)
        assert lora[f"model.layers.{layer}.mlp.gate_proj.lora_B.default.weight"] == (11008, 8)
        assert lora[f"model.layers.{layer}.mlp.down_proj.lora_A.default.weight"] == (8, 11008)
    assert shapes["model.embed_tokens.weight"] == shapes["lm_head.weight"] == (32021, 4096)
    for prefix in ("model.vl_projector.", "model.al_projector."):
        assert sum(name.startswith(prefix) for name in shapes) == 61
    assert len(shapes) == 448 + 2 * 61 + 2
    assert (model.video_id, model.audio_id, model.eos_id, model.pad_id) == (32003, 32006, 2, 2)


def _words(count):
    """Distinct words of letters alone."""
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    return [
        "q" + alphabet[i // 676 % 26] + alphabet[i // 26 % 26] + alphabet[i % 26] + "x" * (i // 17576)
        for i in range(count)
    ]
