"""ground: candidates -> the chosen box of each frame of each sample, or why there is none. No model, seconds.

Inputs: samples, chains, candidates. Output: artifacts/boxes/boxes.parquet, in the order of samples.
Thresholds applied here to the stored candidates give exactly what the detector gives at those thresholds.

Where `frames` is not every, a selector chooses one box for each window of a clip, its pivot, and pivots.parquet lies
beside the boxes. The selector `mllm` asks a multimodal model through the row stores pivot_frame and pivot_box. Where it
cannot be asked about one of several objects or windows, the others keep their boxes and the frames are `partial`.
"""

import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from tgs_pipeline.artifacts import boxes, candidates, chains, pivots, table
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.backends.selector.position import PositionSelector
from tgs_pipeline.backends.selector.score import ScoreSelector
from tgs_pipeline.execution import Execution
from tgs_pipeline.grounding.choice import Choice, choose
from tgs_pipeline.grounding.found import phrase, to_pixels
from tgs_pipeline.grounding.pivots import Selectors, boxes_of, choose_pivots
from tgs_pipeline.grounding.targets import Clip, clip_of
from tgs_pipeline.params import Ground, Params
from tgs_pipeline.prompts.caption import CaptionText
from tgs_pipeline.workspace import Workspace

log = logging.getLogger(__name__)

CLIPS_AT_ONCE = 256


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Write the boxes."""
    statuses: Counter[str] = Counter()
    workspace.pivots.unlink(missing_ok=True)  # of other settings, where nobody else removed it
    if params.ground.frames != "every":
        _run_pivots(params, workspace, execution, statuses)
        return
    view = _view(params.ground, workspace, statuses, caption_text=params.detect.caption_text)
    num_rows = table.write_rows(workspace.boxes, boxes.SCHEMA, view)
    _tell(num_rows, statuses)


def _run_pivots(params: Params, workspace: Workspace, execution: Execution, statuses: Counter[str]) -> None:
    """Choose a box for each window; a model is asked about all clips together, since its store counts runs."""
    settings = params.ground
    found: list[dict] = []
    selectors = make_selectors(settings, execution=execution)
    at_once = sys.maxsize if settings.frames == "pivot" and settings.selector == "mllm" else CLIPS_AT_ONCE

    def rows() -> Iterator[dict]:
        for part in table.chunks(_clips(settings, workspace, caption_text=params.detect.caption_text), at_once):
            for clip, chosen in zip(part, choose_pivots(part, selectors, dataset=workspace.dataset), strict=True):
                found.extend(chosen)
                for row in boxes_of(clip, chosen):
                    statuses[row["status"]] += 1
                    yield row

    num_rows = table.write_rows(workspace.boxes, boxes.SCHEMA, rows())
    table.write_rows(workspace.pivots, pivots.SCHEMA, found)
    _tell(num_rows, statuses)
    chosen = Counter(f"{row['rule']} {row['status']}" for row in found)
    log.info("ground: %d windows: %s", len(found), ", ".join(f"{n} {what}" for what, n in sorted(chosen.items())))


def _tell(num_rows: int, statuses: Counter[str]) -> None:
    log.info("ground: %d frames: %s", num_rows, ", ".join(f"{n} {status}" for status, n in sorted(statuses.items())))


def make_selectors(settings: Ground, *, execution: Execution) -> Selectors:
    """Who chooses frames and boxes; the model of `mllm` is not asked yet."""
    if settings.frames in ("first", "middle", "last"):
        by_position = PositionSelector(settings.frames)
        return Selectors(f"pivot_{settings.frames}", by_position, by_position, default_frame=False)
    if settings.selector == "score":
        by_score = ScoreSelector()
        return Selectors("pivot_score", by_score, by_score, default_frame=False)
    from tgs_pipeline.grounding.asking import mllm_selectors

    assert settings.mllm is not None
    return mllm_selectors(settings.mllm, sounding=settings.prompt == "objects", execution=execution)


def _clips(settings: Ground, workspace: Workspace, *, caption_text: CaptionText) -> Iterator[Clip]:
    store = Candidates(workspace)
    for sample, ((chain,),) in read_by_sample(workspace.samples, [Artifact(workspace.chains, chains.SCHEMA)]):
        take = partial(store.take, sample["frame_hashes"])
        yield clip_of(settings, sample, chain, take, caption_text=caption_text)


def _view(
    settings: Ground, workspace: Workspace, statuses: Counter[str], *, caption_text: CaptionText
) -> Iterator[dict]:
    """The artifact, streamed; counts the statuses."""
    store = Candidates(workspace)
    for sample, ((chain,),) in read_by_sample(workspace.samples, [Artifact(workspace.chains, chains.SCHEMA)]):
        take = partial(store.take, sample["frame_hashes"])
        choices = choose(settings, sample, chain, take, caption_text=caption_text)
        for frame_index, choice in zip(sample["frame_indices"], choices, strict=True):
            row = {"uid": sample["uid"], "row": sample["row"], "frame_index": frame_index}
            row |= ground(settings, choice, height=sample["height"], width=sample["width"])
            statuses[row["status"]] += 1
            yield row


def ground(settings: Ground, choice: Choice, *, height: int, width: int) -> dict:
    """The boxes row of one frame without its ids; frame size in pixels."""
    row = {"box_xyxy_px": None, "score": None, "phrase": None, "query_index": None,
           "num_candidates": choice.num_candidates, "rule": choice.rule, "status": choice.status,
           "reason": choice.reason}  # fmt: skip
    if choice.candidates is None or choice.chosen is None:
        return row
    found, chosen = choice.candidates, choice.chosen
    token_scores = np.asarray(found["token_scores"], np.float32).reshape(len(found["scores"]), -1)
    return row | {
        "box_xyxy_px": to_pixels(found["boxes_xyxy"][4 * chosen : 4 * chosen + 4], height=height, width=width),
        "score": found["scores"][chosen],
        "phrase": phrase(found["tokens"], token_scores[chosen], text_threshold=settings.text_threshold),
        "query_index": found["query_index"][chosen],
    }


class Candidates:
    """Rows of the candidates artifact by (frame hash, caption).

    Their key names the detector's weights too, which this stage does not know; so an index (about 200 bytes for a
    row) leads from what it knows to the key. Rows are read in the order of samples, the order of the file.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.path = workspace.candidates
        self.keys: dict[tuple[str, str], str] = {}
        for batch in table.read(self.path, candidates.SCHEMA, columns=["key", "frame_hash", "caption"]):
            for key, frame_hash, caption in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                self.keys[sys.intern(frame_hash), sys.intern(caption)] = key
        self.rows = Lookup([self.path], schema=candidates.SCHEMA)

    def take(self, frame_hashes: Sequence[str], caption: str) -> list[dict]:
        """The rows of some frames for one caption; ValueError where the detector never saw one of them."""
        missing = [frame_hash for frame_hash in frame_hashes if (frame_hash, caption) not in self.keys]
        if missing:
            raise ValueError(
                f"{self.path}: no candidates for {caption!r} in {len(missing)} frame(s), the first has hash "
                f"{missing[0]}; run `dvc repro` to make candidates for these chains"
            )
        return self.rows.take([self.keys[frame_hash, caption] for frame_hash in frame_hashes]).to_pylist()
