"""ground: candidates -> the chosen box of each frame of each sample, or why there is none. No model, seconds.

Inputs: samples, chains, candidates. Output: artifacts/boxes/boxes.parquet, in the order of samples.
Thresholds applied here to the stored candidates give exactly what the detector gives at those thresholds.
"""

import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from tgs_pipeline.artifacts import boxes, candidates, chains, table
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.execution import Execution
from tgs_pipeline.grounding.choice import Choice, choose
from tgs_pipeline.params import Ground, Params
from tgs_pipeline.prompts.caption import CaptionText
from tgs_pipeline.workspace import Workspace

log = logging.getLogger(__name__)

NO_WORDS = frozenset({"[CLS]", "[SEP]", ".", "?"})  # what separates the sub-sentences of a caption


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Write the boxes."""
    statuses: Counter[str] = Counter()
    view = _view(params.ground, workspace, statuses, caption_text=params.detect.caption_text)
    num_rows = table.write_rows(workspace.boxes, boxes.SCHEMA, view)
    log.info("ground: %d frames: %s", num_rows, ", ".join(f"{n} {status}" for status, n in sorted(statuses.items())))


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


def to_pixels(box_xyxy: Sequence[float], *, height: int, width: int) -> np.ndarray:
    """A box relative to the frame -> float32 pixels; it may reach a little outside the frame, as upstream's."""
    return np.asarray(box_xyxy, np.float32) * np.array([width, height, width, height], np.float32)


def phrase(tokens: Sequence[str], token_scores: np.ndarray, *, text_threshold: float) -> str:
    """The words of the caption whose tokens score above the threshold; empty where none does.

    A label only, it decides nothing (trap T22). Word pieces are joined; what only separates is left out.
    """
    kept = [
        token
        for token, score in zip(tokens, token_scores, strict=True)
        if score > np.float32(text_threshold) and token not in NO_WORDS
    ]
    return " ".join(kept).replace(" ##", "")


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
