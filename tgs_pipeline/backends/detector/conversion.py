"""Grounding-DINO state dicts: names of the original package <-> names of the transformers port (layout of the hub).

Only tests call this: each backend reads its own files, and one set of weights in both layouts holds them equal.
The two differ in names, in that the original keeps query, key and value of an attention in one tensor, and in that it
repeats its shared box head under every name. Both directions are strict: a name that no rule knows is an error.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import torch

State = dict[str, torch.Tensor]

PARTS = ("query", "key", "value")
# No output depends on these: training only, index buffers, a pooler and a norm that nothing reads.
UNUSED_BY_ORIGINAL = re.compile(
    r"label_enc\.|bert\.pooler\.|bert\.embeddings\.position_ids|.*\.relative_position_index$"
)
UNUSED_BY_PORT = re.compile(r"model\.backbone\.conv_encoder\.model\.swin\.layernorm\.|.*\.relative_position_index$")


class Module(NamedTuple):
    """Where a kind of module lies in either model (`#` is a number), and how its parts are called in each."""

    original: str
    port: str
    parts: dict[str, str]
    fused: dict[str, str]  # query, key and value: one tensor in the original, three in the port


SWIN = "model.backbone.conv_encoder.model"
MODULES = (
    Module(
        "", "",
        {
            "bert": "model.text_backbone",
            "feat_map": "model.text_projection",
            "input_proj.#": "model.input_proj_vision.#",
            "bbox_embed.#": "bbox_embed.#",
            "backbone.0.patch_embed.proj": f"{SWIN}.embeddings.patch_embeddings.projection",
            "backbone.0.patch_embed.norm": f"{SWIN}.embeddings.norm",
            "backbone.0.layers.#.downsample": f"{SWIN}.encoder.layers.#.downsample",
            "backbone.0.norm1": f"{SWIN}.hidden_states_norms.stage2",
            "backbone.0.norm2": f"{SWIN}.hidden_states_norms.stage3",
            "backbone.0.norm3": f"{SWIN}.hidden_states_norms.stage4",
            "transformer.level_embed": "model.level_embed",
            "transformer.tgt_embed": "model.query_position_embeddings",
            "transformer.enc_output": "model.enc_output",
            "transformer.enc_output_norm": "model.enc_output_norm",
            "transformer.enc_out_bbox_embed": "model.encoder_output_bbox_embed",
            "transformer.decoder.norm": "model.decoder.layer_norm",
            "transformer.decoder.ref_point_head": "model.decoder.reference_points_head",
            "transformer.decoder.bbox_embed.#": "model.decoder.bbox_embed.#",
        },
        {},
    ),
    Module(
        "backbone.0.layers.#.blocks.#.", f"{SWIN}.encoder.layers.#.blocks.#.",
        {
            "norm1": "layernorm_before",
            "attn.relative_position_bias_table": "attention.self.relative_position_bias_table",
            "attn.proj": "attention.output.dense",
            "norm2": "layernorm_after",
            "mlp.fc1": "intermediate.dense",
            "mlp.fc2": "output.dense",
        },
        {"attn.qkv.": "attention.self."},
    ),
    Module(
        "transformer.encoder.layers.#.", "model.encoder.layers.#.deformable_layer.",
        {
            "self_attn": "self_attn",
            "norm1": "self_attn_layer_norm",
            "linear1": "fc1",
            "linear2": "fc2",
            "norm2": "final_layer_norm",
        },
        {},
    ),
    Module(
        "transformer.encoder.text_layers.#.", "model.encoder.layers.#.text_enhancer_layer.",
        {
            "self_attn.out_proj": "self_attn.out_proj",
            "norm1": "layer_norm_before",
            "linear1": "fc1",
            "linear2": "fc2",
            "norm2": "layer_norm_after",
        },
        {"self_attn.in_proj_": "self_attn."},
    ),
    Module(
        "transformer.encoder.fusion_layers.#.", "model.encoder.layers.#.fusion_layer.",
        {
            "gamma_v": "vision_param",
            "gamma_l": "text_param",
            "layer_norm_v": "layer_norm_vision",
            "layer_norm_l": "layer_norm_text",
            "attn.v_proj": "attn.vision_proj",
            "attn.l_proj": "attn.text_proj",
            "attn.values_v_proj": "attn.values_vision_proj",
            "attn.values_l_proj": "attn.values_text_proj",
            "attn.out_v_proj": "attn.out_vision_proj",
            "attn.out_l_proj": "attn.out_text_proj",
        },
        {},
    ),
    Module(
        "transformer.decoder.layers.#.", "model.decoder.layers.#.",
        {
            "self_attn.out_proj": "self_attn.out_proj",
            "norm2": "self_attn_layer_norm",
            "ca_text.out_proj": "encoder_attn_text.out_proj",
            "catext_norm": "encoder_attn_text_layer_norm",
            "cross_attn": "encoder_attn",
            "norm1": "encoder_attn_layer_norm",
            "linear1": "fc1",
            "linear2": "fc2",
            "norm3": "final_layer_norm",
        },
        {"self_attn.in_proj_": "self_attn.", "ca_text.in_proj_": "encoder_attn_text."},
    ),
)  # fmt: skip


def to_port(state: State) -> State:
    """Original -> port; ValueError for a name that no rule knows. Leave out `module.` and the outer {"model": ...}."""
    renamed = _Rules.of(
        (module.original + name, module.port + other) for module in MODULES for name, other in module.parts.items()
    )
    fused = _Rules.of(
        (f"{module.original}{name}{kind}", f"{module.port}{other}?.{kind}")
        for module in MODULES for name, other in module.fused.items() for kind in ("weight", "bias")
    )  # fmt: skip
    port: State = {}
    for name, tensor in state.items():
        if UNUSED_BY_ORIGINAL.match(name):
            continue
        if target := fused.apply(name):
            port |= {target.replace("?", part): one.clone() for part, one in zip(PARTS, tensor.chunk(3), strict=True)}
        elif target := renamed.apply(name):
            port[target] = tensor
        else:
            raise ValueError(f"{name} is no tensor of a Grounding-DINO of the original package")
    return port


def to_original(state: State) -> State:
    """Port -> original; ValueError for a name that no rule knows, and where query, key or value is missing."""
    renamed = _Rules.of(
        (module.port + other, module.original + name) for module in MODULES for name, other in module.parts.items()
    )
    split = _Rules.of(
        (f"{module.port}{other}{part}.{kind}", f"{module.original}{name}{kind}?{part}")
        for module in MODULES for name, other in module.fused.items() for kind in ("weight", "bias") for part in PARTS
    )  # fmt: skip
    original: State = {}
    attentions: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    for name, tensor in state.items():
        if UNUSED_BY_PORT.match(name):
            continue
        if target := split.apply(name):
            fused, part = target.split("?")
            attentions[fused][part] = tensor
        elif target := renamed.apply(name):
            original[target] = tensor
        else:
            raise ValueError(f"{name} is no tensor of a Grounding-DINO of transformers")
    for name, parts in attentions.items():
        if parts.keys() != set(PARTS):
            raise ValueError(f"{name} needs {', '.join(PARTS)}; the state dict has only {', '.join(sorted(parts))}")
        original[name] = torch.cat([parts[part] for part in PARTS])
    return original | _shared_box_head(original)


def _shared_box_head(original: State) -> State:
    """The box head of the first decoder layer under its other names; files of the port hold it once."""
    first = {name.removeprefix("bbox_embed.0."): t for name, t in original.items() if name.startswith("bbox_embed.0.")}
    layers = {name.split(".")[3] for name in original if name.startswith("transformer.decoder.layers.")}
    names = [f"{owner}bbox_embed.{layer}." for owner in ("", "transformer.decoder.") for layer in layers]
    return {name + inner: tensor for name in names for inner, tensor in first.items() if name + inner not in original}


class _Rules(NamedTuple):
    """Renaming rules: (pattern of the source name, template of the target name)."""

    rules: list[tuple[re.Pattern[str], str]]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "_Rules":
        """Rules from pairs of names in which `#` is a number; what follows a name (.weight) is kept."""
        return cls([(re.compile(re.escape(s).replace(r"\#", r"(\d+)") + r"((?:\..*)?)"), t) for s, t in pairs])

    def apply(self, name: str) -> str | None:
        """The target name, or None where no rule fits."""
        for pattern, target in self.rules:
            if match := pattern.fullmatch(name):
                *numbers, rest = match.groups()
                for number in numbers:
                    target = target.replace("#", number, 1)
                return target + rest
        return None
