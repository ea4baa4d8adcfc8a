"""Data seeds that an evaluation is asked for."""

from collections.abc import Sequence


def check_seeds(seeds: Sequence[int]) -> None:
    """ValueError where there is none, or one twice: its clips would count double."""
    if len(set(seeds)) != len(seeds) or not seeds:
        raise ValueError(f"seeds must be different and at least one: got {list(seeds)}")
