"""The table of a sweep: one line for each row, with every score of every split, its coverage and the protocol."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.report.charts import bars, standalone

NAMES = {
    "JF": "J&F", "J": "J", "F": "F", "S": "S", "false_positive_rate": "false positives", "coverage": "coverage",
    "temporal_stability": "temporal stability", "JF_late_entrants": "J&F of late entrants",
}  # fmt: skip
Value = str | float | None


@dataclass(frozen=True)
class Row:
    """A finished row: its changes of the params, the oracles it had, and the content of its metrics.json."""

    name: str
    changes: Mapping[str, object]
    oracle: Sequence[str]
    metrics: Mapping

    @property
    def label(self) -> str:
        """The name, marked where it is a ceiling and no system."""
        return f"{self.name} (oracle: {' and '.join(self.oracle)})" if self.oracle else self.name


def write(out: Path, rows: Sequence[Row], *, title: str) -> str:
    """Write table.md, table.csv, table.json and chart.html; returns the Markdown."""
    markdown = as_markdown(rows, title=title)
    write_text(out / "table.md", markdown)
    write_text(out / "table.csv", as_csv(rows))
    content = [{"name": row.name, "oracle": list(row.oracle), "changes": row.changes, **row.metrics} for row in rows]
    write_text(out / "table.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    write_text(out / "chart.html", standalone(title, charts(rows), text=markdown))
    return markdown


def as_markdown(rows: Sequence[Row], *, title: str) -> str:
    """Percent, but S from 0 to 1."""
    names = _columns(rows)
    lines = [
        f"**{title}** (all in percent, but S from 0 to 1, lower is better; late entrants: out of view in the first "
        "frame)",
        "",
        "| " + " | ".join(["row", "protocol", *(f"{split} {NAMES[name]}" for split, name in names)]) + " |",
        "|" + "---|" * (len(names) + 2),
    ]
    for row in rows:
        cells = [row.label.replace("|", "\\|"), row.metrics["protocol"]]
        cells += [_cell(name, _value(row, split, name)) for split, name in names]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """The same with unrounded numbers from 0 to 1, and the changes as JSON."""
    names = _columns(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "oracle", "changes", "protocol", *(f"{split} {name}" for split, name in names)])
    for row in rows:
        values = [_value(row, split, name) for split, name in names]
        writer.writerow(
            [row.name, " ".join(row.oracle), json.dumps(row.changes), row.metrics["protocol"]]
            + ["" if value is None else value for value in values]
        )
    return text.getvalue()


def charts(rows: Sequence[Row]) -> list[str]:
    """SVG: J&F of each split, and S of the null splits."""
    drawn = []
    for name in ("JF", "S"):
        points = [
            {"row": row.label, "split": split, "value": _value(row, split, name)}
            for row in rows
            for split, found in _columns(rows)
            if found == name and _value(row, split, name) is not None
        ]
        if points:
            title = f"{NAMES[name]}, protocol {' and '.join(sorted({row.metrics['protocol'] for row in rows}))}"
            drawn.append(bars(points, value="value", label="row", colour="split", title=title))
    return drawn


def _columns(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(split, score) pairs that any row has, splits in the order of metrics.json."""
    splits = dict.fromkeys(split for row in rows for split in row.metrics["splits"])
    return [
        (split, name)
        for split in splits
        for name in NAMES
        if any(name in row.metrics["splits"].get(split, {}) for row in rows)
    ]


def _value(row: Row, split: str, name: str) -> Value:
    return row.metrics["splits"].get(split, {}).get(name)


def _cell(name: str, value: Value) -> str:
    if not isinstance(value, float | int):
        return "-"
    return f"{value:.3f}" if name == "S" else f"{100 * value:.1f}"
