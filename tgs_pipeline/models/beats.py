"""BEATs, an audio transformer over patches of a log-mel spectrogram (Chen et al., arXiv:2212.09058; microsoft/unilm).

Written from the paper and the facts of UPSTREAM_FACTS 2.2; parameter names are those of the published checkpoints.
Shapes: B batch, T spectrogram frames, L patches, C width, H heads, D = C / H. Patches run over time, 8 bands each.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUM_MEL_BINS = 128
NUM_GATES = 8  # outputs of grep_linear: two gates, each the sum of four


@dataclass(frozen=True)
class BeatsConfig:
    """Sizes of a BEATs model, named as in the `cfg` of the published checkpoints."""

    input_patch_size: int
    embed_dim: int
    encoder_layers: int
    encoder_embed_dim: int
    encoder_ffn_embed_dim: int
    encoder_attention_heads: int
    conv_pos: int
    conv_pos_groups: int
    num_buckets: int
    max_distance: int
    predictor_class: int


class BEATs(nn.Module):
    """The encoder and the sound classifier on top of it (the published "fine-tuned" models)."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        patch = config.input_patch_size
        self.input_patch_size = patch
        self.patch_embedding = nn.Conv2d(1, config.embed_dim, kernel_size=patch, stride=patch, bias=False)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        is_projected = config.embed_dim != config.encoder_embed_dim  # else the checkpoint has no such tensors
        self.post_extract_proj = (
            nn.Linear(config.embed_dim, config.encoder_embed_dim) if is_projected else nn.Identity()
        )
        self.encoder = Encoder(config)
        self.predictor = nn.Linear(config.encoder_embed_dim, config.predictor_class)

    def forward(self, fbank_BTM: Tensor) -> Tensor:
        """Features (B, L, C) of normalised log-mel frames (B, T, 128), as made by data/fbank.py.

        L = T // 16 * 8: 98 frames (1 s) give 48 patches; frames that do not fill a patch are left out.
        ValueError where there is not one whole patch.
        """
        num_frames, num_bins = fbank_BTM.shape[1:]
        if num_frames < self.input_patch_size or num_bins != NUM_MEL_BINS:
            raise ValueError(
                f"BEATs got a spectrogram of {num_frames} frames x {num_bins} bins, "
                f"expected at least {self.input_patch_size} frames x {NUM_MEL_BINS} bins"
            )
        patches_BLE = self.patch_embedding(fbank_BTM.unsqueeze(1)).flatten(2).transpose(1, 2)
        return self.encoder(self.post_extract_proj(self.layer_norm(patches_BLE)))

    def classify(self, fbank_BTM: Tensor) -> Tensor:
        """Probability (B, classes) of each sound class, 0..1: sigmoid of the logits averaged over the patches."""
        return torch.sigmoid(self.predictor(self(fbank_BTM)).mean(dim=1))


class Encoder(nn.Module):
    """Convolutional positions, then post-norm layers that share one relative position bias."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        width = config.encoder_embed_dim
        self.num_buckets, self.max_distance = config.num_buckets, config.max_distance
        self.pos_conv = nn.Sequential(
            PositionConv(width, kernel_size=config.conv_pos, groups=config.conv_pos_groups), nn.GELU()
        )
        self.layer_norm = nn.LayerNorm(width)
        bias = nn.Embedding(config.num_buckets, config.encoder_attention_heads)
        nn.init.normal_(bias.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(config, relative_attention_bias=bias) for _ in range(config.encoder_layers))

    def forward(self, x_BLC: Tensor) -> Tensor:
        """(B, L, C) -> (B, L, C)."""
        x_BLC = self.layer_norm(x_BLC + self.pos_conv(x_BLC.transpose(1, 2)).transpose(1, 2))
        buckets_LL = relative_position_buckets(
            x_BLC.shape[1], num_buckets=self.num_buckets, max_distance=self.max_distance
        ).to(x_BLC.device)
        first = self.layers[0]
        assert isinstance(first, Layer)
        bias_HLL = first.self_attn.relative_attention_bias(buckets_LL).permute(2, 0, 1)
        for layer in self.layers:
            x_BLC = layer(x_BLC, bias_HLL=bias_HLL)
        return x_BLC


class PositionConv(nn.Module):
    """Grouped convolution over time, weight-normalised per kernel tap, same length out.

    The published keys are weight_g (1, 1, kernel) and weight_v; torch's own weight norm names them otherwise by now.
    """

    def __init__(self, width: int, *, kernel_size: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight_v = nn.Parameter(torch.empty(width, width // groups, kernel_size))
        nn.init.normal_(self.weight_v, std=math.sqrt(4 / (kernel_size * width)))
        self.weight_g = nn.Parameter(torch.linalg.vector_norm(self.weight_v.detach(), dim=(0, 1), keepdim=True))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x_BCL: Tensor) -> Tensor:
        """(B, C, L) -> (B, C, L)."""
        kernel_size = self.weight_v.shape[2]
        norm = torch.linalg.vector_norm(self.weight_v, dim=(0, 1), keepdim=True)
        weight = self.weight_v * (self.weight_g / norm)
        out_BCL = F.conv1d(x_BCL, weight, self.bias, padding=kernel_size // 2, groups=self.groups)
        return out_BCL[..., : x_BCL.shape[2]]  # an even kernel gives one step too many


class Layer(nn.Module):
    """Layer with DeepNorm (Wang et al., arXiv:2203.00555): LayerNorm(alpha * x + f(x)), alpha = (2 * layers)^1/4."""

    def __init__(self, config: BeatsConfig, *, relative_attention_bias: nn.Embedding) -> None:
        super().__init__()
        width = config.encoder_embed_dim
        self.alpha = (2 * config.encoder_layers) ** 0.25
        self.self_attn = Attention(
            width, num_heads=config.encoder_attention_heads, relative_attention_bias=relative_attention_bias
        )
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, config.encoder_ffn_embed_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_embed_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)
        attention, beta = self.self_attn, (8 * config.encoder_layers) ** -0.25
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj, self.fc1, self.fc2):
            is_query_or_key = linear is attention.q_proj or linear is attention.k_proj
            nn.init.xavier_normal_(linear.weight, gain=1 if is_query_or_key else beta)
            nn.init.zeros_(linear.bias)

    def forward(self, x_BLC: Tensor, *, bias_HLL: Tensor) -> Tensor:
        """(B, L, C), position bias (H, L, L) -> (B, L, C)."""
        x_BLC = self.self_attn_layer_norm(self.alpha * x_BLC + self.self_attn(x_BLC, bias_HLL=bias_HLL))
        return self.final_layer_norm(self.alpha * x_BLC + self.fc2(F.gelu(self.fc1(x_BLC))))


class Attention(nn.Module):
    """Self-attention with a relative position bias that each query gates (as in WavLM).

    The original divides the scores by 32, subtracts the row maximum and multiplies by 32 again, against overflow in
    float16. Softmax cancels that, and scaled_dot_product_attention keeps scores in float32, so it is not repeated here.
    """

    def __init__(self, width: int, *, num_heads: int, relative_attention_bias: nn.Embedding) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        self.grep_linear = nn.Linear(width // num_heads, NUM_GATES)
        self.grep_a = nn.Parameter(torch.ones(1, num_heads, 1, 1))
        self.relative_attention_bias = relative_attention_bias  # one module for all layers: its key is in each of them

    def forward(self, x_BLC: Tensor, *, bias_HLL: Tensor) -> Tensor:
        """(B, L, C), position bias (H, L, L) -> (B, L, C)."""
        q_BHLD, k_BHLD, v_BHLD = (
            project(x_BLC).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        gates_BHL2 = torch.sigmoid(self.grep_linear(q_BHLD).unflatten(3, (2, NUM_GATES // 2)).sum(4))
        update_BHL1, reset_BHL1 = gates_BHL2.chunk(2, dim=3)
        gate_BHL1 = update_BHL1 * (reset_BHL1 * self.grep_a - 1) + 2
        out_BHLD = F.scaled_dot_product_attention(q_BHLD, k_BHLD, v_BHLD, attn_mask=gate_BHL1 * bias_HLL)
        return self.out_proj(out_BHLD.transpose(1, 2).flatten(2))


def relative_position_buckets(length: int, *, num_buckets: int, max_distance: int) -> Tensor:
    """Bucket (L, L) int64 of key position minus query position (T5, arXiv:1910.10683, section 2.1).

    The upper half of the buckets is for keys after the query. In each half the first half is one bucket per distance;
    the rest widen logarithmically up to max_distance, and the last takes whatever is farther.
    """
    position_L = torch.arange(length)
    offset_LL = position_L[None, :] - position_L[:, None]
    num_sided = num_buckets // 2
    num_exact = num_sided // 2
    distance_LL = offset_LL.abs()
    ratio_LL = distance_LL.clamp(min=num_exact).float() / num_exact
    far_LL = num_exact + (torch.log(ratio_LL) / math.log(max_distance / num_exact) * (num_sided - num_exact)).long()
    side_LL = (offset_LL > 0).long() * num_sided
    return side_LL + torch.where(distance_LL < num_exact, distance_LL, far_LL.clamp(max=num_sided - 1))
