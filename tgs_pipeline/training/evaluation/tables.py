"""Markdown tables of shares."""

from collections.abc import Sequence


def percent(share: float | None) -> str:
    """A share in per cent, `-` where there is none."""
    return "-" if share is None else f"{100 * share:.1f}"


def interval(bounds: tuple[float, float] | None) -> str:
    """An interval of a share in per cent, `-` where there is none."""
    return "-" if bounds is None else " to ".join(map(percent, bounds))


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns, numbers to the right; the first row is its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for row in (rows[0], rule, *rows[1:]):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("| " + " | ".join([row[0].ljust(widths[0]), *cells]) + " |")
    return "\n".join(lines)
