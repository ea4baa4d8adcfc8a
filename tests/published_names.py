"""Names and shapes of the published checkpoints, written out from UPSTREAM_FACTS 3 and not by the code under test."""

from dataclasses import dataclass

BERT_VOCABULARY, BERT_POSITIONS = 30522, 512
PREFIX = "base_model.model."


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
