"""Names and shapes of the published checkpoints, written out by rule and not by the code under test.

The rules are read from UPSTREAM_FACTS 3 and, for the detector and the segmenter, from the sources of
IDEA-Research/GroundingDINO (groundingdino/models) and facebookresearch/sam2 (sam2/modeling, sam2/configs).
"""

from dataclasses import dataclass
from itertools import pairwise

BERT_VOCABULARY, BERT_POSITIONS = 30522, 512
PREFIX = "base_model.model."
SWIN_T = {"embed": 96, "depths": (2, 2, 6, 2), "heads": (3, 6, 12, 24), "window": 7}
SWIN_B = {"embed": 128, "depths": (2, 2, 18, 2), "heads": (4, 8, 16, 32), "window": 12}
GROUNDING_DINO_FILE_ONLY = ("bert.embeddings.position_ids", "label_enc.weight")


@dataclass(frozen=True)
class Widths:
    """Sizes of a Ref-Thinker; the defaults are the paper's."""

    llm: int = 4096
    llm_ffn: int = 11008
    llm_layers: int = 32
    vocabulary: int = 32021
    rank: int = 8
    visual: int = 1024
    audio: int = 768
    qformer: int = 768
    qformer_ffn: int = 3072
    queries: int = 32


def lora(w):
    """448 tensors."""
    names = {}
    for layer in range(w.llm_layers):
        for part in ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"):
            block = "self_attn" if part[0] in "qkvo" else "mlp"
            wide_in = w.llm_ffn if part == "down_proj" else w.llm
            wide_out = w.llm_ffn if part in ("gate_proj", "up_proj") else w.llm
            key = f"{PREFIX}model.layers.{layer}.{block}.{part}"
            names[f"{key}.lora_A.default.weight"] = (w.rank, wide_in)
            names[f"{key}.lora_B.default.weight"] = (wide_out, w.rank)
    return names


def _linear(name, wide_out, wide_in):
    return {f"{name}.weight": (wide_out, wide_in), f"{name}.bias": (wide_out,)}


def _norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _conv(name, channels_out, channels_in, side):
    return {f"{name}.weight": (channels_out, channels_in, side, side), f"{name}.bias": (channels_out,)}


def _mlp(name, *widths):
    """Linear layers from width to width."""
    names = {}
    for layer, (wide_in, wide_out) in enumerate(pairwise(widths)):
        names |= _linear(f"{name}.layers.{layer}", wide_out, wide_in)
    return names


def projector(w, modality):
    """80 tensors, the dead text half included."""
    encoder = w.visual if modality == "visual" else w.audio
    base = f"{PREFIX}model.{modality[0]}l_projector.{modality}_"
    bert, head = f"{base}Qformer.bert", f"{base}Qformer.cls.predictions"
    names = {f"{base}query_tokens": (1, w.queries, w.qformer)} | _norm(f"{base}ln", encoder)
    names |= {
        f"{bert}.embeddings.word_embeddings.weight": (BERT_VOCABULARY, w.qformer),
        f"{bert}.embeddings.position_embeddings.weight": (BERT_POSITIONS, w.qformer),
    } | _norm(f"{bert}.embeddings.LayerNorm", w.qformer)
    for layer in (f"{bert}.encoder.layer.{number}" for number in (0, 1)):
        for attention, reads in (("attention", w.qformer), ("crossattention", encoder)):
            names |= _linear(f"{layer}.{attention}.self.query", w.qformer, w.qformer)
            names |= _linear(f"{layer}.{attention}.self.key", w.qformer, reads)
            names |= _linear(f"{layer}.{attention}.self.value", w.qformer, reads)
            names |= _linear(f"{layer}.{attention}.output.dense", w.qformer, w.qformer)
            names |= _norm(f"{layer}.{attention}.output.LayerNorm", w.qformer)
        for kind in ("", "_query"):
            names |= _linear(f"{layer}.intermediate{kind}.dense", w.qformer_ffn, w.qformer)
            names |= _linear(f"{layer}.output{kind}.dense", w.qformer, w.qformer_ffn)
            names |= _norm(f"{layer}.output{kind}.LayerNorm", w.qformer)
    names |= {f"{head}.bias": (BERT_VOCABULARY,)} | _linear(f"{head}.transform.dense", w.qformer, w.qformer)
    names |= _norm(f"{head}.transform.LayerNorm", w.qformer)
    return names | _linear(f"{base}proj.0", w.llm, w.qformer) | _linear(f"{base}proj.2", w.llm, w.llm)


def finetune_weights(w):
    """608 tensors."""
    return lora(w) | projector(w, "visual") | projector(w, "audio")


def non_lora_trainables(w):
    """162 tensors."""
    rows = (w.vocabulary, w.llm)
    embeddings = {f"{PREFIX}model.embed_tokens.weight": rows, f"{PREFIX}lm_head.weight": rows}
    return projector(w, "visual") | projector(w, "audio") | embeddings


def beats(*, layers, width, ffn, heads, patch_dim, conv_pos, groups, classes):
    """252 tensors at 12 layers; every layer stores the one bias table that all compute with."""
    names = {"patch_embedding.weight": (patch_dim, 1, 16, 16)} | _norm("layer_norm", patch_dim)
    names |= _linear("post_extract_proj", width, patch_dim) | _norm("encoder.layer_norm", width)
    names |= {
        "encoder.pos_conv.0.bias": (width,),
        "encoder.pos_conv.0.weight_g": (1, 1, conv_pos),
        "encoder.pos_conv.0.weight_v": (width, width // groups, conv_pos),
    }
    for layer in (f"encoder.layers.{number}" for number in range(layers)):
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            names |= _linear(f"{layer}.self_attn.{part}", width, width)
        names |= _linear(f"{layer}.self_attn.grep_linear", 8, width // heads)
        names |= {
            f"{layer}.self_attn.grep_a": (1, heads, 1, 1),
            f"{layer}.self_attn.relative_attention_bias.weight": (320, heads),
        }
        names |= _norm(f"{layer}.self_attn_layer_norm", width) | _norm(f"{layer}.final_layer_norm", width)
        names |= _linear(f"{layer}.fc1", ffn, width) | _linear(f"{layer}.fc2", width, ffn)
    return names | _linear("predictor", classes, width)


def llama(*, layers, width, ffn, vocabulary):
    """291 tensors at 32 layers, as Llama-2-7b-chat-hf is published; its rotary constants are no parameters."""
    names = {"model.embed_tokens.weight": (vocabulary, width), "lm_head.weight": (vocabulary, width)}
    names |= {"model.norm.weight": (width,)}
    for layer in (f"model.layers.{number}" for number in range(layers)):
        names |= {f"{layer}.self_attn.{part}_proj.weight": (width, width) for part in "qkvo"}
        names |= {f"{layer}.mlp.{part}_proj.weight": (ffn, width) for part in ("gate", "up")}
        names |= {f"{layer}.mlp.down_proj.weight": (width, ffn)}
        names |= {f"{layer}.{norm}_layernorm.weight": (width,) for norm in ("input", "post_attention")}
    return names


def clip_vision(*, layers, width, ffn, patch, positions):
    """391 tensors at 24 layers, as in openai/clip-vit-large-patch14 ('pre_layrnorm' is its spelling)."""
    inside = "vision_model."
    names = {
        f"{inside}embeddings.class_embedding": (width,),
        f"{inside}embeddings.patch_embedding.weight": (width, 3, patch, patch),
        f"{inside}embeddings.position_embedding.weight": (positions, width),
    }
    names |= _norm(f"{inside}pre_layrnorm", width) | _norm(f"{inside}post_layernorm", width)
    for layer in (f"{inside}encoder.layers.{number}" for number in range(layers)):
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            names |= _linear(f"{layer}.self_attn.{part}", width, width)
        names |= _norm(f"{layer}.layer_norm1", width) | _norm(f"{layer}.layer_norm2", width)
        names |= _linear(f"{layer}.mlp.fc1", ffn, width) | _linear(f"{layer}.mlp.fc2", width, ffn)
    return names


def grounding_dino(*, embed, depths, heads, window):
    """938 tensors with Swin-T, 1106 with Swin-B: all that the package's model has. The arguments are those of the Swin.

    The published files hold GROUNDING_DINO_FILE_ONLY besides, so 940 and 1108 tensors: the positions of BERT, a buffer
    that transformers keeps out of state dicts by now, and the embedding of labels for training with noise, which the
    package leaves out. Its own loader reports these two as unexpected and none as missing (IDEA-Research/GroundingDINO,
    issue 271, on Swin-B).
    """
    width, ffn, levels, queries, bert = 256, 2048, 4, 900, 768
    names = _swin("backbone.0", embed=embed, depths=depths, heads=heads, window=window) | _bert(width=bert, ffn=3072)
    names |= _linear("feat_map", width, bert)
    for level, channels in enumerate((2 * embed, 4 * embed, 8 * embed, 8 * embed)):
        names |= _conv(f"input_proj.{level}.0", width, channels, 1 if level < 3 else 3)
        names |= _norm(f"input_proj.{level}.1", width)
    names |= {"transformer.level_embed": (levels, width), "transformer.tgt_embed.weight": (queries, width)}
    names |= _linear("transformer.enc_output", width, width) | _norm("transformer.enc_output_norm", width)
    names |= _mlp("transformer.enc_out_bbox_embed", width, width, width, 4)
    for layer in range(6):
        names |= _detector_layers(layer, width=width, ffn=ffn)
        for owner in ("", "transformer.decoder."):  # one head for all layers, stored under each of its names
            names |= _mlp(f"{owner}bbox_embed.{layer}", width, width, width, 4)
    names |= _mlp("transformer.decoder.ref_point_head", 2 * width, width, width)
    return names | _norm("transformer.decoder.norm", width)


def _swin(base, *, embed, depths, heads, window):
    """Four stages, each twice as wide; merging follows all but the last, and the last three hand on their features."""
    names = _conv(f"{base}.patch_embed.proj", embed, 3, 4) | _norm(f"{base}.patch_embed.norm", embed)
    for stage, (depth, num_heads) in enumerate(zip(depths, heads, strict=True)):
        width = embed * 2**stage
        for block in (f"{base}.layers.{stage}.blocks.{number}" for number in range(depth)):
            names |= _norm(f"{block}.norm1", width) | _norm(f"{block}.norm2", width)
            names |= _linear(f"{block}.attn.qkv", 3 * width, width) | _linear(f"{block}.attn.proj", width, width)
            names |= {
                f"{block}.attn.relative_position_bias_table": ((2 * window - 1) ** 2, num_heads),
                f"{block}.attn.relative_position_index": (window**2, window**2),
            }
            names |= _linear(f"{block}.mlp.fc1", 4 * width, width) | _linear(f"{block}.mlp.fc2", width, 4 * width)
        if stage < 3:
            names |= _norm(f"{base}.layers.{stage}.downsample.norm", 4 * width)
            names |= {f"{base}.layers.{stage}.downsample.reduction.weight": (2 * width, 4 * width)}
        if stage > 0:
            names |= _norm(f"{base}.norm{stage}", width)
    return names


def _bert(*, width, ffn):
    """199 tensors of bert-base-uncased, the pooler included."""
    names = {
        "bert.embeddings.word_embeddings.weight": (BERT_VOCABULARY, width),
        "bert.embeddings.position_embeddings.weight": (BERT_POSITIONS, width),
        "bert.embeddings.token_type_embeddings.weight": (2, width),
    }
    names |= _norm("bert.embeddings.LayerNorm", width) | _linear("bert.pooler.dense", width, width)
    for layer in (f"bert.encoder.layer.{number}" for number in range(12)):
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            names |= _linear(f"{layer}.attention.{part}", width, width)
        names |= _norm(f"{layer}.attention.output.LayerNorm", width) | _norm(f"{layer}.output.LayerNorm", width)
        names |= _linear(f"{layer}.intermediate.dense", ffn, width) | _linear(f"{layer}.output.dense", width, ffn)
    return names


def _detector_layers(number, *, width, ffn):
    """One layer of the decoder and the three of the encoder: of the image, of the text, and between them."""
    image, text, fusion = (f"transformer.encoder.{kind}layers.{number}" for kind in ("", "text_", "fusion_"))
    decoder = f"transformer.decoder.layers.{number}"
    names = {f"{fusion}.gamma_v": (width,), f"{fusion}.gamma_l": (width,)}
    for attention in (f"{image}.self_attn", f"{decoder}.cross_attn"):
        points = 8 * 4 * 4  # heads, levels, points of each
        names |= _linear(f"{attention}.sampling_offsets", 2 * points, width)
        names |= _linear(f"{attention}.attention_weights", points, width)
        names |= _linear(f"{attention}.value_proj", width, width) | _linear(f"{attention}.output_proj", width, width)
    for attention in (f"{text}.self_attn", f"{decoder}.self_attn", f"{decoder}.ca_text"):
        names |= {f"{attention}.in_proj_weight": (3 * width, width), f"{attention}.in_proj_bias": (3 * width,)}
        names |= _linear(f"{attention}.out_proj", width, width)
    for layer, inner in ((image, ffn), (text, ffn // 2), (decoder, ffn)):
        names |= _linear(f"{layer}.linear1", inner, width) | _linear(f"{layer}.linear2", width, inner)
        names |= _norm(f"{layer}.norm1", width) | _norm(f"{layer}.norm2", width)
    names |= _norm(f"{decoder}.norm3", width) | _norm(f"{decoder}.catext_norm", width)
    for side in "vl":
        names |= _norm(f"{fusion}.layer_norm_{side}", width)
        names |= _linear(f"{fusion}.attn.{side}_proj", ffn // 2, width)
        names |= _linear(f"{fusion}.attn.values_{side}_proj", ffn // 2, width)
        names |= _linear(f"{fusion}.attn.out_{side}_proj", width, ffn // 2)
    return names


def sam2(*, embed, stages, background, generation):
    """900 tensors of SAM 2 large, 903 of SAM 2.1 large; the package loads its published files strictly, so no others.

    embed and stages are those of the Hiera; background is the side of its position embedding that no window repeats.
    """
    width, memory = 256, 64
    names = _hiera("image_encoder.trunk", embed=embed, stages=stages, background=background)
    for level, scale in enumerate((8, 4, 2, 1)):
        names |= _conv(f"image_encoder.neck.convs.{level}.conv", width, scale * embed, 1)
    names |= _sam_prompt_encoder("sam_prompt_encoder", width=width) | _sam_mask_decoder("sam_mask_decoder", width=width)
    names |= _memory_encoder("memory_encoder", width=width, memory=memory)
    for layer in (f"memory_attention.layers.{number}" for number in range(4)):
        names |= _sam_attention(f"{layer}.self_attn", width=width)
        names |= _sam_attention(f"{layer}.cross_attn_image", width=width, reads=memory)
        names |= _linear(f"{layer}.linear1", 2048, width) | _linear(f"{layer}.linear2", width, 2048)
        names |= _norm(f"{layer}.norm1", width) | _norm(f"{layer}.norm2", width) | _norm(f"{layer}.norm3", width)
    names |= _norm("memory_attention.norm", width)
    names |= {
        "maskmem_tpos_enc": (7, 1, 1, memory),
        "no_mem_embed": (1, 1, width),
        "no_mem_pos_enc": (1, 1, width),
        "no_obj_ptr": (1, width),
    }
    names |= _conv("mask_downsample", 1, 1, 4) | _mlp("obj_ptr_proj", width, width, width, width)
    if generation == "2.1":
        names |= {"no_obj_embed_spatial": (1, memory)} | _linear("obj_ptr_tpos_proj", memory, width)
    return names


def _hiera(base, *, embed, stages, background):
    """Four stages, each twice as wide from its first block on."""
    names = _conv(f"{base}.patch_embed.proj", embed, 3, 7)
    names |= {
        f"{base}.pos_embed": (1, embed, background, background),
        f"{base}.pos_embed_window": (1, embed, 8, 8),
    }
    widths = [embed * 2**stage for stage, depth in enumerate(stages) for _ in range(depth)]
    for number, (before, width) in enumerate(pairwise([embed, *widths])):
        block = f"{base}.blocks.{number}"
        names |= _norm(f"{block}.norm1", before) | _norm(f"{block}.norm2", width)
        names |= _linear(f"{block}.attn.qkv", 3 * width, before) | _linear(f"{block}.attn.proj", width, width)
        names |= _mlp(f"{block}.mlp", width, 4 * width, width)
        if before != width:
            names |= _linear(f"{block}.proj", width, before)
    return names


def _sam_attention(name, *, width, inner=None, reads=None):
    inner, reads = inner or width, reads or width
    names = _linear(f"{name}.q_proj", inner, width) | _linear(f"{name}.k_proj", inner, reads)
    return names | _linear(f"{name}.v_proj", inner, reads) | _linear(f"{name}.out_proj", width, inner)


def _sam_prompt_encoder(base, *, width):
    names = {f"{base}.pe_layer.positional_encoding_gaussian_matrix": (2, width // 2)}
    names |= {f"{base}.point_embeddings.{kind}.weight": (1, width) for kind in range(4)}
    names |= {f"{base}.not_a_point_embed.weight": (1, width), f"{base}.no_mask_embed.weight": (1, width)}
    mask = f"{base}.mask_downscaling"  # its activations are 2 and 5
    names |= _conv(f"{mask}.0", 4, 1, 2) | _norm(f"{mask}.1", 4)
    return names | _conv(f"{mask}.3", 16, 4, 2) | _norm(f"{mask}.4", 16) | _conv(f"{mask}.6", width, 16, 1)


def _sam_mask_decoder(base, *, width):
    """A two-way transformer of two layers, four mask tokens, and the heads of masks, IoU and presence."""
    half, quarter, eighth = width // 2, width // 4, width // 8
    names = {f"{base}.{token}.weight": (1, width) for token in ("iou_token", "obj_score_token")}
    names |= {f"{base}.mask_tokens.weight": (4, width)}
    for layer in (f"{base}.transformer.layers.{number}" for number in (0, 1)):
        names |= _sam_attention(f"{layer}.self_attn", width=width) | _mlp(f"{layer}.mlp", width, 2048, width)
        for direction in ("token_to_image", "image_to_token"):
            names |= _sam_attention(f"{layer}.cross_attn_{direction}", width=width, inner=half)
        for norm in ("norm1", "norm2", "norm3", "norm4"):
            names |= _norm(f"{layer}.{norm}", width)
    names |= _sam_attention(f"{base}.transformer.final_attn_token_to_image", width=width, inner=half)
    names |= _norm(f"{base}.transformer.norm_final_attn", width)
    up = f"{base}.output_upscaling"  # transposed convolutions: channels in come first
    names |= {f"{up}.0.weight": (width, quarter, 2, 2), f"{up}.0.bias": (quarter,)} | _norm(f"{up}.1", quarter)
    names |= {f"{up}.3.weight": (quarter, eighth, 2, 2), f"{up}.3.bias": (eighth,)}
    names |= _conv(f"{base}.conv_s0", eighth, width, 1) | _conv(f"{base}.conv_s1", quarter, width, 1)
    for token in range(4):
        names |= _mlp(f"{base}.output_hypernetworks_mlps.{token}", width, width, width, eighth)
    names |= _mlp(f"{base}.iou_prediction_head", width, width, width, 4)
    return names | _mlp(f"{base}.pred_obj_score_head", width, width, width, 1)


def _memory_encoder(base, *, width, memory):
    mask = f"{base}.mask_downsampler.encoder"  # four times convolution, norm, activation; then one convolution
    names = _conv(f"{mask}.12", width, 256, 1)
    for number, (channels_in, channels_out) in enumerate(pairwise((1, 4, 16, 64, 256))):
        names |= _conv(f"{mask}.{3 * number}", channels_out, channels_in, 3)
        names |= _norm(f"{mask}.{3 * number + 1}", channels_out)
    names |= _conv(f"{base}.pix_feat_proj", width, width, 1) | _conv(f"{base}.out_proj", memory, width, 1)
    for layer in (f"{base}.fuser.layers.{number}" for number in (0, 1)):
        names |= {f"{layer}.gamma": (width,)} | _conv(f"{layer}.dwconv", width, 1, 7) | _norm(f"{layer}.norm", width)
        names |= _linear(f"{layer}.pwconv1", 4 * width, width) | _linear(f"{layer}.pwconv2", width, 4 * width)
    return names
