"""A params file with every trap set as upstream has it, or right; comments and everything else stay as they are."""

import re
from collections.abc import Sequence

import yaml

from tgs_pipeline.compat.traps import STAGES, Compat, Value, changes
from tgs_pipeline.params import Params, ParamsError, check


def with_compat(text: str, compat: Compat, *, stages: Sequence[str] | None, where: str) -> str:
    """The text of a complete params file with the traps of some stages (None: all) set.

    ParamsError where the file is not valid, before or after; where: begins messages.
    """
    unknown = sorted(set(stages or ()) - set(STAGES))
    if unknown:
        raise ParamsError(f"--stage {', '.join(unknown)}: no trap is set there; stages with traps: {', '.join(STAGES)}")
    params = check(Params, yaml.safe_load(text), where=where)
    for name, value in changes(compat, params, stages=stages or STAGES).items():
        text = _with_value(text, name, value)
    check(Params, yaml.safe_load(text), where=f"{where} with --compat {compat}")
    return text


def _with_value(text: str, name: str, value: Value) -> str:
    """The text with one value of a section replaced: `  key: value   # comment` below `section:`."""
    section, key = name.split(".")
    shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    pattern = rf"(?m)(^{section}:.*\n(?:(?:[ #].*)?\n)*?  {key}: )([^#\n]*?)( *(?:#.*)?)$"
    changed, num_changed = re.subn(pattern, lambda found: found[1] + shown + found[3], text)
    if num_changed != 1:
        raise ParamsError(f"{name} stands on no line of its own")
    return changed
