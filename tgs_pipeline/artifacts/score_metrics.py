"""score/metrics.json, as the stage score writes it."""

import json
from pathlib import Path

_KEYS = {"protocol", "compat", "splits"}


def read(path: Path) -> dict:
    """The metrics of a run; ValueError names the file where it is missing or not what the stage score writes."""
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} is missing: run `dvc repro` to make score") from None
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON ({error}); run `dvc repro` to make score again") from None
    if not isinstance(metrics, dict) or not metrics.keys() >= _KEYS:
        raise ValueError(f"{path}: lacks one of {sorted(_KEYS)}; run `dvc repro` to make score again")
    return metrics
