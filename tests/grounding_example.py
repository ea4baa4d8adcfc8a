"""Clips whose candidates are known, and the stage ground run on them, for the tests of pivots."""

import json
from collections.abc import Mapping, Sequence

from asked_example import chain, sample, write, write_frame
from project import ROOT

from tgs_pipeline import params as params_file
from tgs_pipeline.artifacts import boxes, candidates, pivots, table
from tgs_pipeline.data.media import content_hash
from tgs_pipeline.execution import Execution
from tgs_pipeline.operators import ground
from tgs_pipeline.params import Ground
from tgs_pipeline.params_choosing import Drawing, MllmParams
from tgs_pipeline.workspace import Workspace

PARAMS = params_file.load(ROOT / "params.yaml")
DRAWING = Drawing(columns=5, tile_width_px=96, jpeg_quality=80)


def settings(**changes: object) -> Ground:
    base = {"frames": "pivot", "selector": "score", "prompt": "s_object", "box_threshold": 0.25, "text_threshold": 0.3}
    return PARAMS.ground.model_copy(update=base | changes)


def asking(model: object, *, compat: str = "corrected", frame_model: object = None) -> dict:
    """Changes of `settings` that let a multimodal model choose, both steps unless frame_model is said."""
    mllm = MllmParams(max_boxes=3, compat=compat, drawing=DRAWING, frame_model=frame_model or model, box_model=model)
    return {"selector": "mllm", "mllm": mllm}


def write_clip(workspace: Workspace, scores: Mapping[str, Sequence[Sequence[float]]], **changes: object) -> None:
    """One sample, `a`, with the candidates of each caption in each frame: box i is (0.1 i, 0.1 i, 0.1 i + 0.1, ...).

    changes: of its chain.
    """
    write_clips(workspace, {"a": scores}, **changes)


def write_clips(
    workspace: Workspace, clips: Mapping[str, Mapping[str, Sequence[Sequence[float]]]], **changes: object
) -> None:
    """The same for several samples with frames of their own."""
    pairs, stored = [], []
    for row, (uid, scores) in enumerate(clips.items()):
        num_frames = len(next(iter(scores.values())))
        names = [f"{uid}{index}" for index in range(num_frames)]
        for name in names:
            write_frame(workspace, name)
        hashes = [content_hash(workspace.dataset / f"{name}.png") for name in names]
        paths = [f"{name}.png" for name in names]
        made = sample(uid, row, frames=hashes, frame_paths=paths, vid=f"v{uid}", reference=f"the Guitar of {uid}")
        spoken = {"s_object": "guitar"} | changes
        if isinstance(spoken.get("raw"), dict):
            spoken["raw"] = json.dumps(spoken["raw"])
        pairs.append((made, chain(uid, row, None) | {"vid": f"v{uid}"} | spoken))
        stored += [
            _candidates(frame, caption, found)
            for caption, frames in scores.items()
            for frame, found in zip(hashes, frames, strict=True)
        ]
    write(workspace, pairs)
    table.write(workspace.candidates, candidates.SCHEMA, [table.from_rows(stored, candidates.SCHEMA)])


def run(workspace: Workspace, chosen: Ground, *, max_failure_rate: float = 0.0) -> list[dict]:
    """The rows of boxes after the stage."""
    execution = Execution(
        cache=workspace.artifacts.parent / "rows",
        batch_size=1,
        num_loaders=1,
        flush_rows=1,
        flush_sec=1,
        max_failure_rate=max_failure_rate,
        device="cpu",
    )
    ground.run(PARAMS.model_copy(update={"ground": chosen}), workspace, execution)
    return list(table.read_rows(workspace.boxes, boxes.SCHEMA))


def pivots_of(workspace: Workspace) -> list[dict]:
    return list(table.read_rows(workspace.pivots, pivots.SCHEMA))


def _candidates(frame: str, caption: str, scores: Sequence[float]) -> dict:
    starts = [0.1 * i for i in range(len(scores))]
    return {
        "key": f"{frame}-{caption}", "frame_hash": frame, "caption": caption,
        "boxes_xyxy": [x for s in starts for x in (s, s, s + 0.1, s + 0.2)], "scores": list(scores),
        "query_index": [10 * i for i in range(len(scores))], "tokens": ["[CLS]", "gui", "##tar", ".", "[SEP]"],
        "token_scores": [x for score in scores for x in (score, score, score, 0.0, 0.0)],
        "status": "ok", "reason": None,
    }  # fmt: skip
