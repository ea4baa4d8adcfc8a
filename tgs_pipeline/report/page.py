"""The page: index.html from its template, with style, script and the table of samples inside it.

Nothing is requested except the shards beside it (shards.py). The content security policy names the hashes of the one
style and the one script; `strict-dynamic` lets that script, and nothing else, load the shards.
Text of the data reaches the page escaped (jinja2 autoescape) or as JSON that the script shows with `textContent`.
"""

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tgs_pipeline.artifacts.boxes import RULES
from tgs_pipeline.artifacts.pivots import BOX_RULES
from tgs_pipeline.compat.traps import summary as compat_summary
from tgs_pipeline.report.charts import histogram
from tgs_pipeline.report.faithfulness import Faithfulness
from tgs_pipeline.report.published import Comparison
from tgs_pipeline.report.records import Record
from tgs_pipeline.report.selection import Selection
from tgs_pipeline.report.shards import script_json
from tgs_pipeline.report.summary import STAGES, Summary

SCRIPTS = ("overlays.js", "sample.js", "page.js")  # joined in this order
SAMPLES_PER_SHARD = 50
VIDEOS_PER_SHARD = 8
SCORE_NAMES = {"JF": "J&F", "S": "S"}
SPLIT_NAMES = {"test_s": "seen", "test_u": "unseen", "test_n": "null", "mix": "seen and unseen"}


@dataclass
class Index:
    """What index.html itself holds of each sample on the page, as columns."""

    columns: dict[str, list] = field(
        default_factory=lambda: {
            name: []
            for name in (
                "uid", "row", "split", "reference", "s_object", "is_null", "outcome", "J", "F", "JF", "S", "vid",
            )
        }
    )  # fmt: skip

    def add(self, record: Record) -> None:
        values = {**record.sample, **record.chain, **record.score, "outcome": record.outcome}
        for name, column in self.columns.items():
            value = values[name]
            column.append(round(value, 4) if isinstance(value, float) else value)


def render(*, title: str, metrics: Mapping[str, Any], comparison: Comparison | None, faithfulness: Faithfulness,
           summary: Summary, index: Index, selection: Selection, videos: Mapping[str, int]) -> str:  # fmt: skip
    """The text of index.html. metrics: content of metrics.json; videos: number of each video in the media shards."""
    style = _part("page.css")
    script = "".join(_part(name) for name in SCRIPTS)
    data = {
        "samples": {**index.columns, "video": [videos[vid] for vid in index.columns["vid"]]},
        "samples_per_shard": SAMPLES_PER_SHARD,
        "videos_per_shard": VIDEOS_PER_SHARD,
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": _percent, "decimal": _decimal}
    return environment.from_string(_part("page.html.jinja")).render(
        title=title,
        policy=_policy(style=style, script=script),
        style=Markup(style),
        script=Markup(script),
        data=Markup(script_json(data)),
        protocol=metrics["protocol"],
        compat=compat_summary(metrics["compat"]),
        splits=metrics["splits"],
        split_names=SPLIT_NAMES,
        metric_names={"J": "J", "F": "F", **SCORE_NAMES},
        comparison=comparison,
        faithfulness=faithfulness,
        stages=[(stage, summary.statuses_of(stage)) for stage in STAGES],
        rules=[(rule, summary.rules[rule], why) for rule, why in (RULES | BOX_RULES).items() if summary.rules[rule]],
        num_abstained=summary.num_abstained,
        charts=[
            (split, SCORE_NAMES[name], Markup(histogram(counts, axis=SCORE_NAMES[name])))
            for (split, name), counts in sorted(
                summary.bins.items(), key=lambda item: item[0][::-1]
            )  # by score, then split
        ],
        selection=selection,
    )


def _policy(*, style: str, script: str) -> str:
    """Content security policy: the inline style and script by their hashes, media from data: addresses, no requests."""
    return (
        "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(style)}; script-src {_hash(script)} 'strict-dynamic'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    return files("tgs_pipeline.report").joinpath(name).read_text(encoding="utf-8")


def _percent(value: float | None) -> str:
    """0.549 -> 54.9; an absent score is a dash."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.1f}"


def _decimal(value: float | None) -> str:
    """0.0351 -> 0.035; an absent score is a dash."""
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"
