"""Charts as static SVG, drawn when the page is written: the page needs no script and no request for them."""

import io
from collections.abc import Sequence


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
        .properties(width=230, height=90, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="currentColor",
            titleColor="currentColor",
            titleFontWeight="normal",
            domainColor="currentColor",
            tickColor="currentColor",
            gridColor="currentColor",
            gridOpacity=0.15,
        )
    )
    buffer = io.StringIO()
    chart.save(buffer, format="svg")
    return buffer.getvalue()
