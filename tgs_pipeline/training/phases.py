"""What each phase trains, by parameter name (UPSTREAM_FACTS 2.8, 2.9); everything else is frozen.

Pretraining trains the projector of its modality and lm_head, which upstream leaves outside the part that it freezes.
Fine-tuning trains LoRA, both projectors, and all of embed_tokens and lm_head.
"""

from collections import Counter
from collections.abc import Mapping

from torch import nn

from tgs_pipeline.models.ref_thinker import RefThinker
from tgs_pipeline.training.workspace import PhaseName

# Name of a group -> what the names of its parameters hold.
_VISUAL = {"visual_projector": "visual_projector."}
_AUDIO = {"audio_projector": "audio_projector."}
_HEAD = {"lm_head": "llm.lm_head."}
GROUPS: Mapping[PhaseName, Mapping[str, str]] = {
    "pretrain_audio": _AUDIO | _HEAD,
    "pretrain_visual": _VISUAL | _HEAD,
    "finetune": {"lora": ".lora_", **_VISUAL, **_AUDIO, "embed_tokens": "llm.model.embed_tokens.", **_HEAD},
}


def select(model: RefThinker, phase: PhaseName) -> dict[str, nn.Parameter]:
    """Make exactly the parameters of a phase trainable and return them by name."""
    parts = tuple(GROUPS[phase].values())
    chosen = {}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(part in name for part in parts))
        if parameter.requires_grad:
            chosen[name] = parameter
    return chosen


def count(model: RefThinker, phase: PhaseName) -> dict[str, int]:
    """Numbers that each group of a phase trains; ValueError where two groups claim a parameter, or one has none."""
    counts: Counter[str] = Counter(dict.fromkeys(GROUPS[phase], 0))
    for name, parameter in model.named_parameters():
        owners = [group for group, part in GROUPS[phase].items() if part in name]
        if len(owners) > 1:
            raise ValueError(f"{name} belongs to several groups: {owners}")
        counts.update({owner: parameter.numel() for owner in owners})
    empty = [group for group, number in counts.items() if not number]
    if empty:
        raise ValueError(f"phase {phase}: the model has no parameter of {empty}")
    return dict(counts)
