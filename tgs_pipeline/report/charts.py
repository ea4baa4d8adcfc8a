"""Charts as static SVG, drawn when the page is written: the page needs no script and no request for them."""

import html
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import altair as alt


def histogram(counts: Sequence[int], *, axis: str) -> str:
    """SVG of counts in equal bins over 0..1. Its colours are `currentColor`, so that it follows the page's theme.

    axis: name of the score; must be a constant of ours, not text of the dataset.
    """
    import altair as alt  # slow to import

    top = max(counts)
    width = 1 / len(counts)
    bins = [{"low": i * width, "high": (i + 1) * width, "count": count} for i, count in enumerate(counts)]
    chart = (
        alt.Chart(alt.Data(values=bins))
        .mark_bar(color="currentColor")
        .encode(
            x=alt.X(
                "low:Q", bin="binned", title=axis, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(values=[0, 0.5, 1])
            ),
            x2="high:Q",
            y=alt.Y("count:Q", title=None, axis=alt.Axis(values=sorted({0, top // 2, top}), format=",d")),
        )
        .properties(width=230, height=90)
    )
    return _svg(chart)


def curves(rows: Sequence[Mapping], *, x: str, y: str, colour: str, marks: Sequence[Mapping] = ()) -> str:
    """SVG of a line for each value of `colour` through the rows, which have the keys x, y (0..1) and colour.

    marks: rows that are drawn as points. The names are constants of ours, as those of `histogram`.
    """
    import altair as alt

    scale = alt.Scale(domain=[0, 1])
    axes = {"x": alt.X(f"{x}:Q", scale=scale), "y": alt.Y(f"{y}:Q", scale=scale), "color": alt.Color(f"{colour}:N")}
    line = alt.Chart(alt.Data(values=list(rows))).mark_line().encode(**axes)
    points = alt.Chart(alt.Data(values=list(marks))).mark_point(size=80, filled=True).encode(**axes)
    return _svg((line + points).properties(width=420, height=300))


def bars(rows: Sequence[Mapping], *, value: str, label: str, colour: str, title: str) -> str:
    """SVG of horizontal bars, one for each row, in their order; bars of one label stand together, told by `colour`."""
    import altair as alt

    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_bar()
        .encode(
            x=alt.X(f"{value}:Q", title=title, scale=alt.Scale(domain=[0, 1])),
            y=alt.Y(f"{label}:N", title=None, sort=None, axis=alt.Axis(labelLimit=320)),
            yOffset=alt.YOffset(f"{colour}:N", sort=None),
            color=alt.Color(f"{colour}:N", title=None, sort=None),
        )
    )
    # Room on the left: browsers' fonts are up to a tenth wider than the one that the labels are measured with.
    room = {"left": 40, "right": 5, "top": 5, "bottom": 5}
    return _svg(chart.properties(width=420, height=alt.Step(12), padding=room))


def standalone(title: str, svgs: Sequence[str], *, body: str) -> str:
    """A page of charts, and HTML below them, that needs nothing besides itself."""
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">\n'
        f"<title>{html.escape(title)}</title>\n<body style='font-family: sans-serif; margin: 2em'>\n"
        f"<h1>{html.escape(title)}</h1>\n{chr(10).join(svgs)}\n{body}\n</body></html>\n"
    )


def _svg(chart: "alt.Chart | alt.LayerChart") -> str:
    """The chart in the colours of the page that holds it."""
    buffer = io.StringIO()
    chart.properties(background="transparent").configure_view(stroke=None).configure_axis(
        labelColor="currentColor",
        titleColor="currentColor",
        titleFontWeight="normal",
        domainColor="currentColor",
        tickColor="currentColor",
        gridColor="currentColor",
        gridOpacity=0.15,
    ).configure_legend(labelColor="currentColor", titleColor="currentColor").save(buffer, format="svg")
    return buffer.getvalue()
