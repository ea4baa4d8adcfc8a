import math

import pytest
import torch

from tgs_pipeline.models.beats import Attention, BEATs, BeatsConfig, PositionConv, relative_position_buckets

# Sizes of BEATs iter3+ AS2M fine-tuned on AS2M (UPSTREAM_FACTS 2.2).
PUBLISHED = BeatsConfig(
    input_patch_size=16,
    embed_dim=512,
    encoder_layers=12,
    encoder_embed_dim=768,
    encoder_ffn_embed_dim=3072,
    encoder_attention_heads=12,
    conv_pos=128,
    conv_pos_groups=16,
    num_buckets=320,
    max_distance=800,
    predictor_class=527,
)
SMALL = BeatsConfig(
    input_patch_size=16,
    embed_dim=8,
    encoder_layers=2,
    encoder_embed_dim=12,
    encoder_ffn_embed_dim=20,
    encoder_attention_heads=3,
    conv_pos=4,
    conv_pos_groups=2,
    num_buckets=16,
    max_distance=20,
    predictor_class=4,
)
LAYER_SHAPES = {
    "self_attn.grep_a": (1, 12, 1, 1),
    "self_attn.grep_linear.weight": (8, 64),
    "self_attn.grep_linear.bias": (8,),
    "self_attn.relative_attention_bias.weight": (320, 12),
    "self_attn.k_proj.weight": (768, 768),
    "self_attn.k_proj.bias": (768,),
    "self_attn.v_proj.weight": (768, 768),
    "self_attn.v_proj.bias": (768,),
    "self_attn.q_proj.weight": (768, 768),
    "self_attn.q_proj.bias": (768,),
    "self_attn.out_proj.weight": (768, 768),
    "self_attn.out_proj.bias": (768,),
    "self_attn_layer_norm.weight": (768,),
    "self_attn_layer_norm.bias": (768,),
    "fc1.weight": (3072, 768),
    "fc1.bias": (3072,),
    "fc2.weight": (768, 3072),
    "fc2.bias": (768,),
    "final_layer_norm.weight": (768,),
    "final_layer_norm.bias": (768,),
}
OTHER_SHAPES = {
    "patch_embedding.weight": (512, 1, 16, 16),
    "layer_norm.weight": (512,),
    "layer_norm.bias": (512,),
    "post_extract_proj.weight": (768, 512),
    "post_extract_proj.bias": (768,),
    "encoder.pos_conv.0.weight_g": (1, 1, 128),
    "encoder.pos_conv.0.weight_v": (768, 48, 128),
    "encoder.pos_conv.0.bias": (768,),
    "encoder.layer_norm.weight": (768,),
    "encoder.layer_norm.bias": (768,),
    "predictor.weight": (527, 768),
    "predictor.bias": (527,),
}


def waves(shape, *, phase: float, step: float) -> torch.Tensor:
    count = math.prod(shape)
    return torch.sin(torch.arange(count, dtype=torch.float64) * step + phase).reshape(shape).float()


def wavy_model() -> BEATs:
    """A small model whose tensor number n, by name, is sin(0.7 i + n); the shared position bias has n = 0."""
    model = BEATs(SMALL).eval()
    state = model.state_dict()
    for number, name in enumerate(sorted(state)):
        phase = 0 if "relative_attention_bias" in name else number
        state[name].copy_(waves(state[name].shape, phase=phase, step=0.7))
    return model


def test_keys_shapes_and_parameters_are_those_of_the_published_checkpoint():
    with torch.device("meta"):
        model = BEATs(PUBLISHED)
    expected = OTHER_SHAPES | {
        f"encoder.layers.{layer}.{name}": shape for layer in range(12) for name, shape in LAYER_SHAPES.items()
    }
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == expected
    assert len(expected) == 252
    assert sum(parameter.numel() for parameter in model.parameters()) == 90_717_055


def test_one_second_gives_48_patches_and_the_position_bias_is_one_tensor():
    with torch.device("meta"):
        model = BEATs(PUBLISHED)
    biases = {id(layer.self_attn.relative_attention_bias.weight) for layer in model.encoder.layers}
    assert len(biases) == 1
    assert wavy_model()(torch.zeros(3, 98, 128)).shape == (3, 48, 12)


@torch.no_grad()
def test_outputs_equal_those_of_the_original():
    """Golden values: BEATs.py of microsoft/unilm 768a3c8 (torch 2.15, CPU) with the same weights and input."""
    model = wavy_model()
    fbank = waves((2, 50, 128), phase=0, step=0.01)
    features = model(fbank)
    torch.testing.assert_close(
        features[0, 0, :4], torch.tensor([-0.34436318, 0.68007076, 0.70069897, -0.84685296]), atol=2e-5, rtol=0
    )
    torch.testing.assert_close(
        features[1, -1, -4:], torch.tensor([0.29674068, -0.28556874, 0.86755002, 0.64498878]), atol=2e-5, rtol=0
    )
    assert features.abs().sum().item() == pytest.approx(350.97167, abs=2e-3)
    expected = torch.tensor(
        [[0.92474848, 0.21992315, 0.47188973, 0.97612381], [0.92475367, 0.21992007, 0.47187591, 0.97612566]]
    )
    torch.testing.assert_close(model.classify(fbank), expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_attention_equals_its_definition_with_the_overflow_trick_of_the_original():
    torch.manual_seed(0)
    attention = Attention(6, num_heads=2, relative_attention_bias=torch.nn.Embedding(4, 2))
    attention.grep_a.normal_()
    x, bias = torch.randn(1, 3, 6), torch.randn(2, 3, 3)
    query, key, value = (project(x)[0] for project in (attention.q_proj, attention.k_proj, attention.v_proj))
    heads = []
    for head in range(2):
        columns = slice(3 * head, 3 * head + 3)
        rows = []
        for position in range(3):
            q = query[position, columns]
            gates = attention.grep_linear(q)
            a, b = torch.sigmoid(gates[:4].sum()), torch.sigmoid(gates[4:].sum())
            gate = a * (b * attention.grep_a[0, head, 0, 0] - 1) + 2
            scores = key[:, columns] @ (q / math.sqrt(3) / 32)
            scores = (scores - scores.max()) * 32 + gate * bias[head, position]
            rows.append(torch.softmax(scores, 0) @ value[:, columns])
        heads.append(torch.stack(rows))
    expected = attention.out_proj(torch.cat(heads, dim=1))
    torch.testing.assert_close(attention(x, bias_HLL=bias)[0], expected, atol=1e-6, rtol=0)


def test_buckets_are_exact_near_and_logarithmic_far():
    buckets = relative_position_buckets(20, num_buckets=8, max_distance=16)
    # Four buckets a side: 0, 1, then 2 + floor(2 log(d / 2) / log 8): 2 up to distance 5, 3 from 6 on.
    assert buckets[10, 4:17].tolist() == [3, 2, 2, 2, 2, 1, 0, 5, 6, 6, 6, 6, 7]
    assert buckets[0, 19] == 7 and buckets[19, 0] == 3


@torch.no_grad()
def test_position_conv_normalises_each_tap_and_drops_the_extra_step():
    conv = PositionConv(1, kernel_size=2, groups=1)
    conv.weight_v.copy_(torch.tensor([[[3.0, -5.0]]]))
    conv.weight_g.copy_(torch.tensor([[[2.0, 1.0]]]))
    out = conv(torch.tensor([[[1.0, 2.0, 3.0]]]))
    assert out.tolist() == [[[-1.0, 0.0, 1.0]]]  # weights 2 and -1 over (0 1), (1 2), (2 3)


@torch.no_grad()
def test_frames_that_fill_no_patch_do_not_count():
    model, fbank = wavy_model(), waves((1, 98, 128), phase=1, step=0.1)
    assert torch.equal(model(fbank), model(fbank[:, :96]))


@pytest.mark.parametrize(("frames", "bins"), [(15, 128), (98, 64)])
def test_too_short_or_wrong_bins_is_refused(frames, bins):
    with pytest.raises(ValueError, match=rf"a spectrogram of {frames} frames x {bins} bins.*at least 16 frames x 128"):
        wavy_model()(torch.zeros(1, frames, bins))
