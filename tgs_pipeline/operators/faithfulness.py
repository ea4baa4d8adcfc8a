"""faithfulness: interferes with chains, sound and frames, asks the thinker again, and counts whether answers follow.

Inputs: artifacts/samples, artifacts/chains, artifacts/features, weights. Outputs: artifacts/faithfulness, one row for
each case, and artifacts/faithfulness.json, the rate of each measure with its 95 % interval.

Interventions on chains that the thinker wrote work for any dataset. Where the samples are those of the tiny world, the
descriptions that open chains are interfered with too, and it is known whether a swapped medium should change the
answer. A sample takes part if its chain has status ok.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from tgs_pipeline.artifacts import chains, faithfulness, table
from tgs_pipeline.artifacts.features_reader import FeatureReader, with_features
from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.execution import WHOLE, Execution
from tgs_pipeline.faithfulness.cases import Case, Sample, chain_cases, swap_cases
from tgs_pipeline.faithfulness.described import Describer, situations
from tgs_pipeline.metrics.faithfulness import MEASURES, NULL, Outcome, Rate, measure
from tgs_pipeline.operators.think import PAYLOAD, ThinkOperator, make_thinker
from tgs_pipeline.params import Params, Think
from tgs_pipeline.prompts.ref_thinker import PROMPTS, Wording
from tgs_pipeline.rows import Recipe, compute
from tgs_pipeline.weights import digest
from tgs_pipeline.workspace import Workspace

VERSION = 3  # raise when the meaning of a row changes

_CHAIN_COLUMNS = ["uid", "row", "vid", "split", "reference", "s_object", "raw", "status"]

log = logging.getLogger(__name__)


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Compute what is missing and write cases and rates, unless this is one shard of several."""
    cases: list[Case] = []
    replies: list[dict] = []
    if params.faithfulness.num_samples:
        if params.think.backend != "ref_thinker":
            raise ValueError(
                f"think.backend is {params.think.backend!r}, which writes no chain: set faithfulness.num_samples to 0"
            )
        reader = FeatureReader(workspace.features)
        cases = plan(params, read_samples(workspace.chains, splits=params.faithfulness.splits, reader=reader))
        replies = _ask(cases, params=params.think, reader=reader, execution=execution)
    if execution.shard != WHOLE:
        return
    rows = [_row(case, reply) for case, reply in zip(cases, replies, strict=True)]
    table.write_rows(workspace.faithfulness, faithfulness.SCHEMA, rows)
    metrics = summarize(rows, num_samples=params.faithfulness.num_samples)
    write_text(workspace.faithfulness_metrics, json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    counts = Counter(row["intervention"] for row in rows)
    shown = ", ".join(f"{count} {name}" for name, count in counts.items())
    if not shown:
        shown = "no case found" if params.faithfulness.num_samples else "switched off, nothing is measured"
    log.info("faithfulness: %s", shown)


def read_samples(path: Path, *, splits: Sequence[str] | None, reader: FeatureReader) -> list[Sample]:
    """The samples of `splits` (None: of all) that can take part: the answer was read, and the clip has sound."""
    return [
        Sample(
            uid=row["uid"],
            row=row["row"],
            vid=row["vid"],
            split=row["split"],
            reference=row["reference"],
            answer=NULL if row["s_object"] is None else row["s_object"],
            raw=row["raw"] or "",
        )
        for row in table.read_rows(path, chains.SCHEMA, columns=_CHAIN_COLUMNS)
        if row["status"] == "ok"
        and (splits is None or row["split"] in splits)
        and reader.get(row["vid"]).audio is not None
    ]


def plan(params: Params, samples: Sequence[Sample]) -> list[Case]:
    """The cases of all interventions that the dataset allows, in the order of the table."""
    settings = params.faithfulness
    known = {}
    if params.dataset.tinyworld is not None:
        found = situations(params.dataset.tinyworld, splits={sample.split for sample in samples})
        keys = {sample.row: (sample.uid, sample.reference) for sample in samples}
        known = {row: found[key] for row, key in keys.items() if key in found}
    cases = chain_cases(samples, seed=settings.seed, number=settings.num_samples)
    if known:
        cases += Describer(samples, known, seed=settings.seed).cases(number=settings.num_samples)
    else:
        cases += swap_cases(samples, seed=settings.seed, number=settings.num_samples)
    order = [intervention for intervention, _ in MEASURES]
    return sorted(cases, key=lambda case: (order.index(case.intervention), case.sample.row))


def make_recipe(params: Think) -> Recipe:
    """What decides a reply besides the features, the prompt and the forced text."""
    unsaid = {"weights", "prompt", "padding"}  # the key holds the prompt; padding is masked wherever this stage asks
    semantic = params.model_dump(exclude=unsaid)
    return Recipe(stage="faithfulness", version=VERSION, params=semantic, weights=digest(Path(params.weights)))


def summarize(rows: Iterable[Mapping], *, num_samples: int) -> dict:
    """The content of faithfulness.json: {"num_samples", "failed", "rates": {intervention: {measure: rate}}}."""
    rows = list(rows)
    rates: dict[str, dict[str, dict]] = {}
    for (intervention, name), rate in _measure(rows).items():
        rates.setdefault(intervention, {})[name] = rate.to_json()
    return {"num_samples": num_samples, "failed": sum(row["status"] == "failed" for row in rows), "rates": rates}


def _measure(rows: Iterable[Mapping]) -> dict[tuple[str, str], Rate]:
    names = ("intervention", "original", "expected", "should_change", "answer")
    return measure(Outcome(**{name: row[name] for name in names}) for row in rows if row["status"] != "failed")


def _ask(cases: Sequence[Case], *, params: Think, reader: FeatureReader, execution: Execution) -> list[dict]:
    """The reply to each case, from the store or the thinker; none where this is one shard of several."""
    recipe = make_recipe(params)
    units = list(_units(cases, recipe=recipe, reader=reader, prompt=params.prompt))
    found = compute(
        [pa.Table.from_pylist(units)] if units else [],
        recipe=recipe,
        payload=PAYLOAD,
        load=partial(_load, reader=reader),
        make_operator=lambda: ThinkOperator(make_thinker(params, device=execution.device)),
        execution=execution,
    )
    if execution.shard != WHOLE:
        return []
    return found.take([unit["key"] for unit in units]).to_pylist()


def _units(cases: Iterable[Case], *, recipe: Recipe, reader: FeatureReader, prompt: Wording) -> Iterator[dict]:
    for case in cases:
        media = (reader.get(case.visual_vid).key, reader.get(case.audio_vid).key)
        yield {
            "key": recipe.key(*media, PROMPTS[prompt](case.sample.reference), case.forced),
            "vid": case.visual_vid,
            "audio_vid": case.audio_vid,
            "reference": case.sample.reference,
            "forced": case.forced,
        }


def _load(units: pa.Table, *, reader: FeatureReader) -> pa.Table:
    vids, audio_vids = units["vid"].to_pylist(), units["audio_vid"].to_pylist()
    return with_features(units, reader=reader, visual_vids=vids, audio_vids=audio_vids)


def _row(case: Case, reply: Mapping) -> dict:
    """A row of the artifact."""
    answer = None
    if reply["status"] == "ok":
        answer = NULL if reply["s_object"] is None else reply["s_object"]
    outcome = Outcome(case.intervention, case.sample.answer, case.expected, case.should_change, answer)
    return {
        **{name: getattr(case.sample, name) for name in ("uid", "row", "vid", "split", "reference")},
        **{name: getattr(case, name) for name in ("intervention", "detail", "forced", "visual_vid", "audio_vid")},
        **{name: getattr(outcome, name) for name in ("original", "expected", "should_change", "answer")},
        "follows": outcome.follows,
        "changes": outcome.changes,
        **{name: reply[name] for name in ("raw", "status", "reason")},
    }
