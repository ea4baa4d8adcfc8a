"""The tiny SAM 2: sizes and initialisation. Same code and file format as the original, trained on the tiny world.

One thread of a CPU encodes a frame of 224 px in about .03 s.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from tgs_pipeline.backends.segmenter.sam2_config import build_model

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

IMAGE_SIZE_PX = 224  # strides 4, 8, 16, 32 give 56, 28, 14, 7, which the windows below divide
D_MODEL = 96
MEMORY_DIM = 32
GRID = IMAGE_SIZE_PX // 16

# Untrained, the image embedding drowns the position encoding, and training sits for long at masks that ignore the box:
# the outputs of the neck and of the high-resolution convolutions start at this root mean square instead.
FEATURE_RMS = 0.4
NUM_PROBE_IMAGES = 8


def config() -> dict:
    """The configuration, in the form of those of the package `sam2`."""
    rope = {
        "_target_": "sam2.modeling.sam.transformer.RoPEAttention",
        "rope_theta": 10000.0,
        "feat_sizes": [GRID, GRID],
        "embedding_dim": D_MODEL,
        "num_heads": 1,
        "downsample_rate": 1,
        "dropout": 0.1,
    }
    return {
        "_target_": "sam2.modeling.sam2_base.SAM2Base",
        "image_encoder": _image_encoder(),
        "memory_attention": {
            "_target_": "sam2.modeling.memory_attention.MemoryAttention",
            "d_model": D_MODEL,
            "pos_enc_at_input": True,
            "layer": {
                "_target_": "sam2.modeling.memory_attention.MemoryAttentionLayer",
                "activation": "relu",
                "dim_feedforward": 384,
                "dropout": 0.1,
                "pos_enc_at_attn": False,
                "self_attention": rope,
                "d_model": D_MODEL,
                "pos_enc_at_cross_attn_keys": True,
                "pos_enc_at_cross_attn_queries": False,
                "cross_attention": rope | {"rope_k_repeat": True, "kv_in_dim": MEMORY_DIM},
            },
            "num_layers": 2,
        },
        "memory_encoder": _memory_encoder(),
        "num_maskmem": 7,
        "image_size": IMAGE_SIZE_PX,
        "sigmoid_scale_for_mem_enc": 20.0,
        "sigmoid_bias_for_mem_enc": -10.0,
        "use_mask_input_as_output_without_sam": True,
        "directly_add_no_mem_embed": True,
        "no_obj_embed_spatial": True,
        "use_high_res_features_in_sam": True,
        "multimask_output_in_sam": True,
        "iou_prediction_use_sigmoid": True,
        "use_obj_ptrs_in_encoder": True,
        "add_tpos_enc_to_obj_ptrs": True,
        "proj_tpos_enc_in_obj_ptrs": True,
        "use_signed_tpos_enc_to_obj_ptrs": True,
        "only_obj_ptrs_in_the_past_for_eval": True,
        "pred_obj_scores": True,
        "pred_obj_scores_mlp": True,
        "fixed_no_obj_ptr": True,
        "multimask_output_for_tracking": True,
        "use_multimask_token_for_obj_ptr": True,
        "multimask_min_pt_num": 0,
        "multimask_max_pt_num": 1,
        "use_mlp_for_obj_ptr_proj": True,
        "compile_image_encoder": False,
    }


def _image_encoder() -> dict:
    return {
        "_target_": "sam2.modeling.backbones.image_encoder.ImageEncoder",
        "scalp": 1,
        "trunk": {
            "_target_": "sam2.modeling.backbones.hieradet.Hiera",
            "embed_dim": 32,
            "num_heads": 1,
            "stages": [1, 2, 3, 1],
            "global_att_blocks": [5],
            "window_pos_embed_bkg_spatial_size": [7, 7],
            "window_spec": [8, 4, 14, 7],
        },
        "neck": {
            "_target_": "sam2.modeling.backbones.image_encoder.FpnNeck",
            "position_encoding": _sine(D_MODEL),
            "d_model": D_MODEL,
            "backbone_channel_list": [256, 128, 64, 32],
            "fpn_top_down_levels": [2, 3],
            "fpn_interp_model": "nearest",
        },
    }


def _memory_encoder() -> dict:
    return {
        "_target_": "sam2.modeling.memory_encoder.MemoryEncoder",
        "out_dim": MEMORY_DIM,
        "in_dim": D_MODEL,  # this and the mask down-sampler's embed_dim do not follow d_model by themselves
        "position_encoding": _sine(MEMORY_DIM),
        "mask_downsampler": {
            "_target_": "sam2.modeling.memory_encoder.MaskDownSampler",
            "embed_dim": D_MODEL,
            "kernel_size": 3,
            "stride": 2,
            "padding": 1,
        },
        "fuser": {
            "_target_": "sam2.modeling.memory_encoder.Fuser",
            "layer": {
                "_target_": "sam2.modeling.memory_encoder.CXBlock",
                "dim": D_MODEL,
                "kernel_size": 7,
                "padding": 3,
                "layer_scale_init_value": 1e-6,
                "use_dwconv": True,
            },
            "num_layers": 2,
        },
    }


def _sine(num_feats: int) -> dict:
    return {
        "_target_": "sam2.modeling.position_encoding.PositionEmbeddingSine",
        "num_pos_feats": num_feats,
        "normalize": True,
        "scale": None,
        "temperature": 10000,
    }


def write(folder: Path, *, seed: int) -> None:
    """Write `sam2.yaml` and an untrained, seeded `sam2.safetensors` (float16) into `folder`."""
    save(initialise(write_config(folder), seed=seed), folder / "sam2.safetensors")


def write_config(folder: Path) -> Path:
    """Write `sam2.yaml` into `folder` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    config_file = folder / "sam2.yaml"
    config_file.write_text(yaml.safe_dump({"model": config()}, sort_keys=False), encoding="utf-8")
    return config_file


def save(model: "SAM2Base", path: Path) -> None:
    """Write the weights as the pipeline loads them, float16."""
    save_file({name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}, path)


@torch.no_grad()
def initialise(config_file: Path, *, seed: int) -> "SAM2Base":
    """An untrained model with features of root mean square FEATURE_RMS; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(config_file).eval()
        probe = torch.randn(NUM_PROBE_IMAGES, 3, 8, 8)
    decoder = model.sam_mask_decoder
    convs = [*(level.conv for level in model.image_encoder.neck.convs), decoder.conv_s0, decoder.conv_s1]
    hooks = [conv.register_forward_hook(_rescale) for conv in convs]
    model.forward_image(nn.functional.interpolate(probe, (IMAGE_SIZE_PX, IMAGE_SIZE_PX), mode="bicubic"))
    for hook in hooks:
        hook.remove()
    return model


def _rescale(conv: nn.Conv2d, _inputs: tuple, output: torch.Tensor) -> torch.Tensor:
    """Forward hook: scale a convolution so that this output has the root mean square FEATURE_RMS."""
    factor = FEATURE_RMS / output.square().mean().sqrt()
    for parameter in conv.parameters():
        parameter.mul_(factor)
    return output * factor
