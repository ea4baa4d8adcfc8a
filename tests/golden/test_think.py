"""Ours against think.json: what the original Ref-Thinker makes of the same weights, prompts and features."""

import json
from pathlib import Path

import pytest
import torch
from golden import think_case
from golden.drawn import weight
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from tgs_pipeline.backends.thinker.checkpoint import PROJECTOR_PREFIXES
from tgs_pipeline.models.qformer import MediaProjector, from_original, live_keys
from tgs_pipeline.models.ref_thinker import Prompt, RefThinker, read_padding

GOLDEN = json.loads(Path(__file__).with_name("think.json").read_text())


def drawn_state(module, *, prefix=""):
    return {
        name: torch.from_numpy(weight(prefix + name, tuple(tensor.shape)))
        for name, tensor in module.state_dict().items()
    }


def make_projector(modality):
    bert = think_case.BERT
    projector = MediaProjector(
        encoder_dim=think_case.ENCODER_DIM[modality],
        llm_dim=think_case.LLAMA["hidden_size"],
        num_queries=think_case.NUM_QUERIES,
        hidden_dim=bert["hidden_size"],
        num_layers=2,
        num_heads=bert["num_attention_heads"],
        ffn_dim=bert["intermediate_size"],
    )
    shapes = {name: projector.state_dict()[key].shape for name, key in live_keys(modality, num_layers=2).items()}
    prefix = PROJECTOR_PREFIXES[modality]
    original = {name: torch.from_numpy(weight(prefix + name, tuple(shape))) for name, shape in shapes.items()}
    projector.load_state_dict(from_original(original, modality=modality, num_layers=2))
    return projector


@pytest.fixture(scope="module")
def model():
    vocabulary = think_case.BASE_VOCABULARY + 21
    llm = LlamaForCausalLM(LlamaConfig(**think_case.LLAMA | {"vocab_size": vocabulary}))
    llm.load_state_dict(drawn_state(llm))
    llm.generation_config = GenerationConfig()
    return RefThinker(
        llm,
        visual_projector=make_projector("visual"),
        audio_projector=make_projector("audio"),
        image_id=think_case.BASE_VOCABULARY,
        video_id=think_case.VIDEO,
        audio_id=think_case.AUDIO,
        pad_id=think_case.END,
        eos_id=think_case.END,
    ).eval()


@pytest.fixture(scope="module")
def prompts():
    media = zip(think_case.features("visual"), think_case.features("audio"), strict=True)
    return [
        Prompt(torch.tensor(ids), torch.from_numpy(visual), torch.from_numpy(audio))
        for ids, (visual, audio) in zip(think_case.token_ids(), media, strict=True)
    ]


def assert_golden(found, name):
    torch.testing.assert_close(found, torch.tensor(GOLDEN[name]), atol=1e-4, rtol=0)


@torch.inference_mode()
def test_q_formers_and_projectors(model, prompts):
    assert_golden(model.visual_projector(prompts[0].visual[None])[0], "visual_tokens")
    assert_golden(model.audio_projector(prompts[0].audio[None])[0], "audio_tokens")


@torch.inference_mode()
def test_embeddings_mask_and_positions_of_a_batch_in_both_modes(model, prompts):
    masked = model.assemble(prompts)
    assert_golden(masked.embeds, "embeds")
    assert masked.mask.tolist() == GOLDEN["mask"]
    assert masked.positions.tolist() == GOLDEN["positions_masked"]
    read = read_padding(masked)
    assert_golden(read.embeds, "embeds")
    assert read.positions.tolist() == GOLDEN["positions_unmasked"]
    assert (read.mask == 1).all()


@pytest.mark.parametrize(("padding", "name"), [("masked", "generated_masked"), ("read", "generated_unmasked")])
def test_generated_tokens_in_both_modes(model, prompts, padding, name):
    """The original begins every sequence with <s>, which is no new token (UPSTREAM_FACTS 2.7)."""
    generated = model.generate(prompts, max_new_tokens=think_case.NUM_NEW_TOKENS, padding=padding)
    assert [[1, *ids.tolist()] for ids in generated] == GOLDEN[name]


def test_the_modes_differ_for_the_shorter_prompts_alone():
    differs = [
        one != other for one, other in zip(GOLDEN["generated_masked"], GOLDEN["generated_unmasked"], strict=True)
    ]
    assert differs == [True, False, True]
