"""report: writes one offline page of every sample and score.

Inputs: samples, chains, boxes, masks, scores, metrics.json, faithfulness.json and the media of the dataset.
Output: the folder artifacts/report, written beside it and renamed when it is whole.
"""

import logging
from pathlib import Path

from tqdm import tqdm

from tgs_pipeline.artifacts import score_metrics
from tgs_pipeline.artifacts.publish import replacing
from tgs_pipeline.execution import WHOLE, Execution
from tgs_pipeline.params import Params, Report
from tgs_pipeline.report import entries, page
from tgs_pipeline.report.faithfulness import read_faithfulness
from tgs_pipeline.report.published import Fingerprints, compare, read_published
from tgs_pipeline.report.records import read_records
from tgs_pipeline.report.selection import select
from tgs_pipeline.report.shards import ShardWriter
from tgs_pipeline.report.summary import Summary
from tgs_pipeline.workspace import Workspace

log = logging.getLogger(__name__)


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Write the page; one share of several has nothing to compute. ValueError where artifacts do not fit together."""
    if execution.shard != WHOLE:
        return
    with replacing(workspace.report) as part:
        part.mkdir()
        _write(part, params.report, workspace)
    log.info("report: open %s in a browser", (workspace.report / "index.html").absolute().as_uri())


def _write(folder: Path, report: Report, workspace: Workspace) -> None:
    """Fill `folder` with index.html and its shards, in one pass over the artifacts."""
    metrics = score_metrics.read(workspace.metrics)
    faithfulness = read_faithfulness(workspace.faithfulness_metrics)
    selection = select(workspace.samples, max_samples=report.max_samples)
    summary, index, found = Summary(), page.Index(), Fingerprints()
    videos: dict[str, int] = {}
    with (
        ShardWriter(folder, "samples", size=page.SAMPLES_PER_SHARD) as answers,
        ShardWriter(folder, "media", size=page.VIDEOS_PER_SHARD) as media,
    ):
        for record in tqdm(read_records(workspace), desc="report", total=selection.num_total, disable=None):
            sample = record.sample
            summary.add(record)
            found.add(record)
            if sample["row"] not in selection.rows:
                continue
            index.add(record)
            answers.add(entries.answer(record, dataset=workspace.dataset, width_px=report.frame_width_px))
            if selection.media_rows[sample["vid"]] == sample["row"]:
                videos[sample["vid"]] = media.num_entries
                media.add(entries.video(sample, dataset=workspace.dataset, width_px=report.frame_width_px))
    html = page.render(
        title=report.title,
        metrics=metrics,
        comparison=compare(read_published(), metrics, found),
        faithfulness=faithfulness,
        summary=summary,
        index=index,
        selection=selection,
        videos=videos,
    )
    (folder / "index.html").write_text(html, encoding="utf-8")
