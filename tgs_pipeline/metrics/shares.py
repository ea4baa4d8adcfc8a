"""Intervals of shares: how far a rate that was counted on few cases may be from the true one."""

import math

Z_95 = 1.959963984540054  # normal quantile of a two-sided interval of 95 %


def wilson_interval(num: int, total: int) -> tuple[float, float]:
    """The score interval of 95 % (Wilson 1927) of `num` of `total` > 0 cases, as if all cases were independent.

    0 <= low <= num / total <= high <= 1. ValueError for counts that are no share.
    """
    if not 0 <= num <= total or total == 0:
        raise ValueError(f"a share needs 0 <= num <= total and total > 0: got {num} of {total}")
    share, weight = num / total, Z_95**2 / total
    center = (share + weight / 2) / (1 + weight)
    half = Z_95 / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return (max(0.0, center - half) if num else 0.0, min(1.0, center + half) if num < total else 1.0)
