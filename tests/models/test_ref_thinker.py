import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from tgs_pipeline.models.qformer import MediaProjector
from tgs_pipeline.models.ref_thinker import Prompt, RefThinker

VOCABULARY, VIDEO, AUDIO, IMAGE, PAD = 40, 30, 31, 38, 2
QUERIES = 3


def make_model(*, eos_id=PAD):
    torch.manual_seed(0)
    llm = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            initializer_range=0.5,
        )
    )
    llm.generation_config = GenerationConfig()
    sizes = {"llm_dim": 16, "num_queries": QUERIES, "hidden_dim": 8, "num_layers": 2, "num_heads": 2, "ffn_dim": 16}
    return RefThinker(
        llm,
        visual_projector=MediaProjector(encoder_dim=6, **sizes),
        audio_projector=MediaProjector(encoder_dim=5, **sizes),
        image_id=IMAGE,
        video_id=VIDEO,
        audio_id=AUDIO,
        pad_id=PAD,
        eos_id=eos_id,
    ).eval()


def make_prompt(seed, *, words, frames):
    generator = torch.Generator().manual_seed(seed)
    text = torch.randint(3, 30, (words,), generator=generator)
    return Prompt(
        token_ids=torch.cat([text[:2], torch.tensor([VIDEO]), text[2:3], torch.tensor([AUDIO]), text[3:]]),
        visual=torch.randn(frames, 4, 6, generator=generator).half(),
        audio=torch.randn(frames, 2, 5, generator=generator).half(),
    )


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def prompts():
    return [make_prompt(1, words=4, frames=2), make_prompt(2, words=9, frames=3), make_prompt(3, words=5, frames=1)]


@torch.inference_mode()
def test_media_tokens_are_replaced_in_place_and_padding_is_left(model, prompts):
    inputs = model.assemble(prompts)
    table = model.llm.get_input_embeddings().weight
    # 4 words + 2 * 2 * 3 media tokens, 9 + 2 * 3 * 3, 5 + 2 * 1 * 3
    assert [model.length(prompt) for prompt in prompts] == [16, 27, 11]
    assert inputs.embeds.shape == (3, 27, 16)
    assert inputs.mask.sum(dim=1).tolist() == [16, 27, 11]
    assert inputs.mask[2].tolist() == [0] * 16 + [1] * 11
    assert inputs.positions[2].tolist() == [0] * 16 + list(range(11))
    third, ids = inputs.embeds[2], prompts[2].token_ids
    torch.testing.assert_close(third[:16], table[PAD].expand(16, -1))
    torch.testing.assert_close(third[16:18], table[ids[:2]])
    torch.testing.assert_close(third[18:21], model.visual_projector(prompts[2].visual.float()[None])[0])
    torch.testing.assert_close(third[21:22], table[ids[3:4]])
    torch.testing.assert_close(third[22:25], model.audio_projector(prompts[2].audio.float()[None])[0])
    torch.testing.assert_close(third[25:], table[ids[5:]])


@torch.inference_mode()
def test_logits_do_not_depend_on_batch_mates(model, prompts):
    batched = model(prompts)
    for row, prompt in enumerate(prompts):
        alone = model([prompt])[0]
        torch.testing.assert_close(batched[row, -len(alone) :], alone, atol=1e-4, rtol=1e-4)
    inputs = model.assemble(prompts)
    unmasked = model.llm(inputs_embeds=inputs.embeds).logits  # as upstream (trap T1)
    assert (unmasked[2, -1] - batched[2, -1]).abs().max() > 1e-2


def test_replies_do_not_depend_on_batch_mates(model, prompts):
    together = model.generate(prompts, max_new_tokens=12)
    alone = [model.generate([prompt], max_new_tokens=12)[0] for prompt in prompts]
    assert [ids.tolist() for ids in together] == [ids.tolist() for ids in alone]
    assert len({tuple(ids.tolist()) for ids in together}) == 3


@torch.inference_mode()
def test_generation_takes_the_likeliest_token_each_time(model, prompts):
    prompt = prompts[1]
    expected = []
    for _ in range(6):
        expected.append(int(model([prompt])[0, -1].argmax()))
        ids = torch.cat([prompt.token_ids, torch.tensor([expected[-1]])])
        prompt = Prompt(token_ids=ids, visual=prompt.visual, audio=prompt.audio)
    assert model.generate([prompts[1]], max_new_tokens=6)[0].tolist() == expected


def test_a_reply_ends_with_the_end_token(model, prompts):
    ids = [one.tolist() for one in model.generate(prompts, max_new_tokens=12)]
    end = ids[0][3]
    ended = make_model(eos_id=end).generate(prompts, max_new_tokens=12)
    assert [one.tolist() for one in ended] == [one[: one.index(end) + 1] if end in one else one for one in ids]


def test_a_constraint_sees_new_ids_only_and_is_obeyed(model, prompts):
    lengths = []

    def only_seven(ids_BN, logits_BV):
        lengths.append(ids_BN.shape[1])
        forbidden = torch.full_like(logits_BV, float("-inf"))
        forbidden[:, 7] = 0
        return forbidden

    assert [ids.tolist() for ids in model.generate(prompts, max_new_tokens=3, constraint=only_seven)] == [[7] * 3] * 3
    assert lengths == [0, 1, 2]


@torch.inference_mode()
def test_a_prompt_of_one_modality(model, prompts):
    """Pretraining shows frames, an image, or a sound alone."""
    audio, visual = prompts[0].audio, prompts[0].visual
    heard = Prompt(token_ids=torch.tensor([3, AUDIO, 4]), visual=None, audio=audio)
    video = Prompt(token_ids=torch.tensor([3, VIDEO, 4]), visual=visual, audio=None)
    image = Prompt(token_ids=torch.tensor([3, IMAGE, 4]), visual=visual[:1], audio=None)
    assert [model.length(prompt) for prompt in (heard, video, image)] == [8, 8, 5]
    embeds = model.assemble([heard, image]).embeds
    torch.testing.assert_close(embeds[0, 1:7], model.audio_projector(audio.float()[None])[0])
    torch.testing.assert_close(embeds[1, 4:7], model.visual_projector(visual[:1].float()[None])[0])


@torch.inference_mode()
def test_the_last_logits_alone(model, prompts):
    torch.testing.assert_close(model(prompts, num_last=3), model(prompts)[:, -3:])


@pytest.mark.parametrize("ids", [[3, VIDEO, 4], [VIDEO, AUDIO, AUDIO], [VIDEO, IMAGE, AUDIO], [3]])
def test_a_prompt_without_its_media_tokens_is_refused(model, prompts, ids):
    prompt = Prompt(token_ids=torch.tensor(ids), visual=prompts[0].visual, audio=prompts[0].audio)
    with pytest.raises(ValueError, match=r"needs one token for each: video \(30\) or image \(38\), audio"):
        model.assemble([prompt])
