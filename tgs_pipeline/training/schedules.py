"""Learning-rate schedules as factors of the peak, by the number of optimizer steps taken (0 before the first)."""

import math
from collections.abc import Callable
from typing import Literal

Schedule = Literal["upstream", "cosine"]


def make_schedule(name: Schedule, *, warmup_steps: int, total_steps: int) -> Callable[[int], float]:
    """The factor for each step.

    upstream: DeepSpeed's WarmupDecayLR with its logarithmic warm-up, ln(i + 1) / ln(warmup_steps), then linear to 0.
    Its configuration file overrides the cosine that upstream's command line asks for (trap T9).
    cosine: linear warm-up, then half a cosine to 0.
    """
    match name:
        case "upstream":
            return lambda step: _upstream(step, warmup=max(2, warmup_steps), total=total_steps)
        case "cosine":
            return lambda step: _cosine(step, warmup=warmup_steps, total=total_steps)


def _upstream(step: int, *, warmup: int, total: int) -> float:
    if step < warmup:
        return math.log(step + 1) / math.log(warmup)
    return max(0.0, (total - step) / max(1, total - warmup))


def _cosine(step: int, *, warmup: int, total: int) -> float:
    if step < warmup:
        return step / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return 0.5 * (1 + math.cos(math.pi * progress))
