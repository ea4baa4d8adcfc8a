"""The table of a sweep: one line for each row, with every score of every split, its coverage and the protocol."""

import csv
import html
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
UNITS = "all in percent, but S from 0 to 1, lower is better; late entrants: out of view in the first frame"
STYLE = (
    "<style>div { overflow-x: auto } table { border-collapse: collapse; font-size: .85em } "
    "th, td { padding: .3em .6em; border-bottom: 1px solid #8884; text-align: right } "
    "tr > th:first-child { text-align: left; white-space: nowrap }</style>"
)
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
    write_text(out / "chart.html", standalone(title, charts(rows), body=as_html(rows)))
    return markdown


def as_markdown(rows: Sequence[Row], *, title: str) -> str:
    """Percent, but S from 0 to 1."""
    head, *body = ([cell.replace("|", "\\|") for cell in cells] for cells in _cells(rows))
    lines = [f"| {' | '.join(cells)} |" for cells in body]
    lines = [f"**{title}** ({UNITS})", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines]
    return "\n".join(lines) + "\n"


def as_html(rows: Sequence[Row]) -> str:
    """The same as a table of a page."""
    head, *body = ([html.escape(cell) for cell in cells] for cells in _cells(rows))
    lines = ["<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"]
    lines += [f"<tr><th>{name}</th>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" for name, *cells in body]
    return f"{STYLE}\n<p>{html.escape(UNITS)}</p>\n<div><table>\n{chr(10).join(lines)}\n</table></div>"


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


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    """The head and the lines of the table."""
    names = _columns(rows)
    lines = [["row", "protocol", *(f"{split} {NAMES[name]}" for split, name in names)]]
    for row in rows:
        values = [_cell(name, _value(row, split, name)) for split, name in names]
        lines.append([row.label, row.metrics["protocol"], *values])
    return lines


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
