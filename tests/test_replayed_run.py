"""Published runs of S4 and MS3 again, through the stages: recorded replies become objects, frames and boxes.

The videos are recorded, their frames and what the detector finds in them are made here.
"""

import ast
import json
from collections.abc import Iterator

import numpy as np
import pytest
from benchmark_example import NUM_FRAMES, run_stages, tiny_profile, write_ms3, write_s4
from project import ROOT

from tgs_pipeline.artifacts import boxes, candidates, chains, pivots, samples, table
from tgs_pipeline.prompts.caption import caption
from tgs_pipeline.workspace import Workspace

SIZE = (20, 40)
SCORES = (0.2, 0.6, 0.5, 0.4)  # of queries 0 to 3: the first one is below the threshold of the paper and never shown
NUM_VIDEOS = 8  # of each kind


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TGS_CACHE", str(tmp_path / "rows"))


def read(folder) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """What the published code read: frames (from 1) and box numbers (from 1, where asked for), by video and object."""
    told = json.loads((folder / "cot_stage_1_outputs.json").read_text())
    frames = {vid: ast.literal_eval(text) for vid, text in told.items()}
    numbers: dict[str, dict[str, int]] = {}
    for vid, entry in json.loads((folder / "cot_stage_2_outputs.json").read_text()).items():
        named = entry if isinstance(entry, dict) else dict.fromkeys(frames[vid], entry)
        numbers[vid] = {name: int(number) for name, number in named.items()}
    return frames, numbers


def some_videos(frames: dict[str, dict[str, int]], numbers: dict[str, dict[str, int]]) -> list[str]:
    """A few whose objects share a frame, with a box other than the first one, and without a recorded box."""
    kinds = (
        [vid for vid, objects in frames.items() if len(set(objects.values())) < len(objects)],
        [vid for vid, chosen in numbers.items() if max(chosen.values()) > 1],
        [vid for vid in frames if vid not in numbers],
    )
    return sorted({vid for some in kinds for vid in some[:NUM_VIDEOS]})


def box(position: int, query: int) -> list[float]:
    """Another one for each frame and query, relative to the frame."""
    return [0.1 * query, 0.05 * position, 0.1 * query + 0.3, 0.05 * position + 0.5]


def found_in(workspace: Workspace, numbers: dict[str, dict[str, int]]) -> Iterator[dict]:
    """Rows of candidates: where a box was asked for, three above the threshold in each frame, else one."""
    for sample in table.read_rows(workspace.samples, samples.SCHEMA):
        (chain,) = [one for one in table.read_rows(workspace.chains, chains.SCHEMA) if one["uid"] == sample["uid"]]
        for name in json.loads(chain["raw"]):
            num = len(SCORES) if name in numbers.get(sample["vid"], {}) else 2
            for position, frame_hash in enumerate(sample["frame_hashes"]):
                yield {
                    "key": f"{frame_hash}-{name}", "frame_hash": frame_hash, "caption": caption(name),
                    "boxes_xyxy": [x for query in range(num) for x in box(position, query)],
                    "scores": list(SCORES[:num]), "query_index": list(range(num)), "tokens": ["[CLS]", name, "."],
                    "token_scores": [x for score in SCORES[:num] for x in (0.0, score, 0.0)],
                    "status": "ok", "reason": None,
                }  # fmt: skip


@pytest.mark.parametrize("benchmark", ["s4", "ms3"])
def test_the_published_frames_and_boxes_are_chosen(tmp_path, recorded_replies, benchmark):
    frames, numbers = read(recorded_replies / benchmark)
    videos = some_videos(frames, numbers)
    rng = np.random.default_rng(0)
    clips = {vid: rng.integers(0, 255, (NUM_FRAMES, *SIZE, 3), np.uint8) for vid in videos}
    root = tmp_path / "AVSBench"
    root.mkdir()
    if benchmark == "s4":
        write_s4(root, clips, category="thing")
    else:
        write_ms3(root, clips)
    model = {"provider": "replay", "recordings": str(recorded_replies / benchmark)}
    params = tiny_profile(f"al-ref-sam2-{benchmark}", root, model=model)
    workspace = Workspace(artifacts=tmp_path / "artifacts", dataset=root)

    run_stages(params, workspace, ("manifest", "features", "think"))
    told = {row["vid"]: json.loads(row["raw"]) for row in table.read_rows(workspace.chains, chains.SCHEMA)}
    assert told == {vid: {name: frame - 1 for name, frame in frames[vid].items()} for vid in videos}

    table.write_rows(workspace.candidates, candidates.SCHEMA, found_in(workspace, numbers))
    run_stages(params, workspace, ("ground",))
    chosen = {(row["uid"], row["object"]): row for row in table.read_rows(workspace.pivots, pivots.SCHEMA)}
    assert set(chosen) == {(vid, name) for vid in videos for name in frames[vid]}
    for (vid, name), row in chosen.items():
        position, query = frames[vid][name] - 1, numbers.get(vid, {}).get(name, 1)
        assert (row["frame_index"], row["query_index"], row["status"]) == (position, query, "ok"), (vid, name)
        scale = np.array([*SIZE[::-1], *SIZE[::-1]])
        assert row["box_xyxy_px"] == pytest.approx(box(position, query) * scale, abs=1e-4)
    shown = {(row["uid"], row["frame_index"]) for row in table.read_rows(workspace.boxes, boxes.SCHEMA)
             if row["box_xyxy_px"] is not None}  # fmt: skip
    assert shown == {(vid, frame - 1) for vid in videos for frame in frames[vid].values()}
