"""Traps: the mistakes of upstream that a setting repeats, and what that makes of the stages of a run.

Each trap has one setting, named for what it does, whose value is either upstream's or the corrected one. A stage is
`parity` where every setting here has upstream's value, `corrected` where none does, `mixed` otherwise. Metrics, report
and `tgs scores` carry these labels, so that no number travels without saying how it was made. docs/parity.md explains
each trap; the numbers are those of docs/parity.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tgs_pipeline.params import Params

Value = str | bool | int | float | None
Compat = Literal["parity", "corrected"]


@dataclass(frozen=True)
class Trap:
    """One mistake of upstream. stage, setting: where it is set in the params."""

    number: str
    stage: str
    setting: str
    upstream: Value
    corrected: Value

    @property
    def name(self) -> str:
        return f"{self.stage}.{self.setting}"


@dataclass(frozen=True)
class Addition:
    """A setting of ours that upstream has nothing like; parity needs one of `without`, the first if it must be set."""

    stage: str
    setting: str
    without: tuple[Value, ...]

    @property
    def name(self) -> str:
        return f"{self.stage}.{self.setting}"


TRAPS = (
    Trap("T1", "think", "padding", "read", "masked"),
    Trap("T5, T23", "detect", "caption_text", "verbatim", "cleaned"),
    Trap("T19", "ground", "box_select", "first", "max"),
    Trap("T20", "segment", "swap_channels", True, False),
    Trap("T21", "segment", "input_size_px", 224, None),
    Trap("T28", "score", "gt_resize", "bicubic_bool", "nearest"),
    Trap("T6", "score", "repeated_uids", "first", "each"),
    Trap("T7", "score", "missing", "scored", "unscored"),
)
ADDITIONS = (
    Addition("think", "reply_format", ("free",)),
    Addition("think", "prompt", ("inference",)),  # T2: upstream asks otherwise than it trains
    Addition("ground", "prompt", ("s_object", "f_object", "reference")),
    Addition("ground", "null_threshold", (None,)),
    Addition("ground", "clip_threshold", (0.0,)),
    Addition("segment", "mode", ("frame",)),
    Addition("segment", "exclusive", (None,)),
    Addition("segment", "silent_frames", ("keep",)),
    Addition("faithfulness", "num_samples", (0,)),
)
STAGES = tuple(dict.fromkeys(trap.stage for trap in TRAPS))
SETTINGS = tuple(sorted({setting.name for setting in (*TRAPS, *ADDITIONS) if setting.stage in STAGES}))


def labels(params: Params) -> dict[str, str]:
    """`parity`, `corrected` or `mixed (<traps that are upstream's>)` for each stage with traps.

    Other thinkers than Ref-Thinker decode nothing, so no trap of thinking can tell: they are called corrected.
    """
    return {stage: _label(params, stage) for stage in STAGES}


def summary(found: Mapping[str, str]) -> str:
    """The labels in one line: one word where all stages have the same."""
    kinds = set(found.values())
    return kinds.pop() if len(kinds) == 1 else ", ".join(f"{stage} {label}" for stage, label in found.items())


def changes(compat: Compat, params: Params, *, stages: Sequence[str]) -> dict[str, Value]:
    """Settings (dotted) that make these stages parity or corrected, where they are not yet."""
    wanted = {trap.name: trap.upstream if compat == "parity" else trap.corrected for trap in TRAPS}
    if compat == "parity":
        kept = {one.name: one.without for one in ADDITIONS}
        wanted |= {name: values[0] for name, values in kept.items() if _value(params, name) not in values}
    chosen = {*stages, *(["faithfulness"] if "think" in stages else [])}  # it asks the thinker in batches of its own
    return {
        name: value for name, value in wanted.items() if name.split(".")[0] in chosen and _value(params, name) != value
    }


def _label(params: Params, stage: str) -> str:
    if stage == "think" and params.think.backend != "ref_thinker":
        return "corrected"
    traps = [trap for trap in TRAPS if trap.stage == stage]
    repeated = [trap.number for trap in traps if _value(params, trap.name) == trap.upstream]
    if not repeated:
        return "corrected"
    added = [one for one in ADDITIONS if one.stage == stage and _value(params, one.name) not in one.without]
    return "parity" if len(repeated) == len(traps) and not added else f"mixed ({', '.join(repeated)} as upstream)"


def _value(params: Params, name: str) -> Value:
    stage, setting = name.split(".")
    return getattr(getattr(params, stage), setting)
