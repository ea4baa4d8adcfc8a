"""faithfulness.json as a table, for the page and for the terminal."""

import json
from dataclasses import dataclass
from pathlib import Path

from tgs_pipeline.metrics.faithfulness import MEASURES


@dataclass(frozen=True)
class Line:
    """One measure: rate, low and high (of its 95 % interval) are 0..1."""

    intervention: str
    measure: str
    explanation: str
    rate: float
    low: float
    high: float
    hits: int
    cases: int
    unreadable: int


@dataclass(frozen=True)
class Faithfulness:
    """What was measured: nothing where the stage is switched off, or no sample allowed an intervention."""

    num_samples: int
    num_failed: int
    lines: tuple[Line, ...]


def read_faithfulness(path: Path) -> Faithfulness:
    """Read artifacts/faithfulness.json; ValueError where it is missing or not what the stage writes."""
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        rates = metrics["rates"]
        unknown = {(name, what) for name, measures in rates.items() for what in measures} - set(MEASURES)
        if unknown:
            raise ValueError(f"it holds unknown measures {sorted(unknown)}")
        lines = tuple(
            Line(intervention, measure, explanation, **rates[intervention][measure])
            for (intervention, measure), explanation in MEASURES.items()
            if measure in rates.get(intervention, {})
        )
        return Faithfulness(metrics["num_samples"], metrics["failed"], lines)
    except FileNotFoundError:
        raise ValueError(f"{path} is missing: run `dvc repro` to make faithfulness") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path}: not what the stage faithfulness writes ({error!r}); run `dvc repro` to make it again"
        ) from None


def as_text(found: Faithfulness) -> str:
    """The table for a terminal."""
    if found.num_samples == 0:
        return "faithfulness is not measured: faithfulness.num_samples is 0"
    if not found.lines:
        return "faithfulness: no sample allowed an intervention"
    lines = [f"{'intervention':20} {'measure':28} {'rate':>6}  {'95 % interval':13}  {'cases':>11}"]
    for line in found.lines:
        interval = f"{line.low:.3f}..{line.high:.3f}"
        cases = f"{line.hits} of {line.cases}"
        lines.append(f"{line.intervention:20} {line.measure:28} {line.rate:6.3f}  {interval:13}  {cases:>11}")
        lines.append(f"    {line.explanation}" + (f" {line.unreadable} unreadable." if line.unreadable else ""))
    if found.num_failed:
        lines.append(f"{found.num_failed} cases failed and are counted in no rate: see artifacts/faithfulness")
    return "\n".join(lines)
