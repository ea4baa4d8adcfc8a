import subprocess
import sys

import numpy as np
import pytest
from asked_example import chain, sample, workspace_in, write
from project import ROOT

from tgs_pipeline import params as params_file
from tgs_pipeline.artifacts import boxes, candidates, table
from tgs_pipeline.execution import Execution
from tgs_pipeline.grounding.choice import of_frame
from tgs_pipeline.operators import ground
from tgs_pipeline.params import Auto, Ground

AUTO = Auto(fallbacks=["f_object", "reference"], same_place_iou=0.5, rival_share=0.5)
SETTINGS = Ground(prompt="s_object", auto=AUTO, null_threshold=None, clip_threshold=0.0, box_threshold=0.25,
                  text_threshold=0.3, box_select="max",
                  frames="every", selector="score", window=None, mllm=None)  # fmt: skip
FIRST = SETTINGS.model_copy(update={"box_select": "first"})
TOKENS = ["[CLS]", "gui", "##tar", ".", "[SEP]"]


def candidate(frame: str, caption: str, scores: list[float], **changes: object) -> dict:
    """A candidates row: box i is (0.1 i, 0.1 i, 0.1 i + 0.1, 0.1 i + 0.2), query i is 10 i."""
    starts = [0.1 * i for i in range(len(scores))]
    return {
        "key": f"{frame}-{caption}", "frame_hash": frame, "caption": caption,
        "boxes_xyxy": [x for s in starts for x in (s, s, s + 0.1, s + 0.2)], "scores": scores,
        "query_index": [10 * i for i in range(len(scores))], "tokens": TOKENS,
        "token_scores": [x for score in scores for x in (score, score, score / 2, 0.0, 0.0)],
        "status": "ok", "reason": None,
    } | changes  # fmt: skip


def run(workspace, settings=SETTINGS) -> list[dict]:
    params = params_file.load(ROOT / "params.yaml").model_copy(update={"ground": settings})
    execution = Execution(
        cache=workspace.artifacts / "rows",
        batch_size=1,
        num_loaders=1,
        flush_rows=1,
        flush_sec=1,
        max_failure_rate=0,
        device="cpu",
    )
    ground.run(params, workspace, execution)
    return list(table.read_rows(workspace.boxes, boxes.SCHEMA))


def grounded(settings, row, **size):
    return ground.ground(settings, of_frame(settings, row, rule="s_object"), **size)


def test_max_takes_the_best_and_the_first_query_of_a_tie():
    row = candidate("f", "guitar.", [0.2, 0.5, 0.75, 0.75])
    chosen = grounded(SETTINGS, row, height=100, width=200)
    assert (chosen["query_index"], chosen["num_candidates"], float(chosen["score"])) == (20, 3, 0.75)
    assert chosen["box_xyxy_px"].tolist() == pytest.approx([40, 20, 60, 40], abs=1e-4)


def test_first_takes_the_first_query_above_the_threshold():
    chosen = grounded(FIRST, candidate("f", "guitar.", [0.2, 0.5, 0.9]), height=10, width=10)
    assert chosen["query_index"] == 10


def test_without_a_box_there_is_a_reason():
    row = grounded(SETTINGS, candidate("f", "guitar.", [0.2, 0.24]), height=10, width=10)
    assert (row["status"], row["reason"]) == ("no_box", "no candidate above 0.25: the best scores 0.240")
    assert row["box_xyxy_px"] is row["score"] is row["phrase"] is row["query_index"] is None


def test_boxes_may_reach_outside_the_frame():
    box = ground.to_pixels([-0.1, 0.5, 1.5, 1.01], height=10, width=20)
    assert box.dtype == np.float32
    np.testing.assert_allclose(box, [-2, 5, 30, 10.1], rtol=1e-6)


def test_the_phrase_joins_pieces_and_drops_special_tokens():
    def label(*scores: float) -> str:
        return ground.phrase(["[CLS]", "a", "gui", "##tar", ".", "[SEP]"], np.float32(scores), text_threshold=0.25)

    assert label(0.9, 0.9, 0.9, 0.9, 0.9, 0.9) == "a guitar"
    assert label(0.9, 0.25, 0.9, 0.1, 0.9, 0.9) == "gui"
    assert label(0.9, 0, 0, 0, 0.9, 0.9) == ""


def test_text_threshold_filters_no_box():
    row = candidate("f", "guitar.", [0.3])
    strict = SETTINGS.model_copy(update={"text_threshold": 1.0})
    with_label, without = (grounded(s, row, height=10, width=10) for s in (FIRST, strict))
    assert with_label["query_index"] == without["query_index"] == 0


def test_a_row_for_each_frame_of_each_sample(tmp_path):
    workspace = workspace_in(tmp_path)
    write(
        workspace,
        [
            (sample("a", 0, frames=["f0", "f1"]), chain("a", 0, "Guitar")),
            (sample("b", 1, frames=["f0", "f1"]), chain("b", 1, None)),
            (sample("c", 2, frames=["f0"]), chain("c", 2, None, status="truncated", reason="cut")),
            (sample("d", 3, frames=["f0"]), chain("d", 3, None, status="failed", reason="no sound")),
            (sample("e", 4, frames=["f1", "f0"], frame_indices=[3, 7]), chain("e", 4, "guitar.")),
            (sample("f", 5, frames=["f2"]), chain("f", 5, "dog")),
        ],
    )
    stored = [
        candidate("f0", "guitar.", [0.5]),
        candidate("f1", "guitar.", [0.1]),
        candidate("f2", "dog.", [], tokens=[], status="failed", reason="broken frame"),
    ]
    table.write(workspace.candidates, candidates.SCHEMA, [table.from_rows(stored, candidates.SCHEMA)])
    rows = run(workspace)
    assert [(row["uid"], row["frame_index"], row["status"]) for row in rows] == [
        ("a", 0, "ok"),
        ("a", 1, "no_box"),
        ("b", 0, "no_caption"),
        ("b", 1, "no_caption"),
        ("c", 0, "no_answer"),
        ("d", 0, "failed"),
        ("e", 3, "no_box"),
        ("e", 7, "ok"),
        ("f", 0, "failed"),
    ]
    assert rows[0]["box_xyxy_px"] == pytest.approx([0, 0, 9.6, 12.8], abs=1e-5)  # frames are 64 x 96 px
    assert rows[0]["phrase"] == "gui"
    assert {row["rule"] for row in rows} == {"s_object"}
    assert rows[-1]["reason"] == "detect: broken frame"
    assert all(row["box_xyxy_px"] is None for row in rows if row["status"] != "ok")


def test_auto_is_streamed_with_the_rule_of_each_frame(tmp_path):
    workspace = workspace_in(tmp_path)
    frames = ["f0", "f1"]
    write(
        workspace,
        [
            (sample("a", 0, frames=frames), chain("a", 0, "guitar")),
            (sample("b", 1, frames=frames), chain("b", 1, "dog", f_object=None)),
        ],
    )
    stored = [
        candidate("f0", "guitar.", [0.5, 0.5]),
        candidate("f1", "guitar.", [0.75]),
        candidate("f0", "the brown guitar.", [0.0, 0.5]),
        candidate("f1", "the brown guitar.", []),
        *(candidate(frame, "dog.", []) for frame in frames),
        *(candidate(frame, "the guitar.", [0.5]) for frame in frames),
    ]
    table.write(workspace.candidates, candidates.SCHEMA, [table.from_rows(stored, candidates.SCHEMA)])
    rows = run(workspace, SETTINGS.model_copy(update={"prompt": "auto"}))
    assert [(row["uid"], row["rule"], row["query_index"]) for row in rows] == [
        ("a", "f_object_decides", 10),
        ("a", "s_object", 0),
        ("b", "fallback_reference", 0),
        ("b", "fallback_reference", 0),
    ]
    assert {row["rule"] for row in rows} <= set(boxes.RULES)


def test_candidates_of_other_chains_are_refused(tmp_path):
    workspace = workspace_in(tmp_path)
    write(workspace, [(sample("a", 0, frames=["f0"]), chain("a", 0, "Guitar"))])
    table.write(workspace.candidates, candidates.SCHEMA, [candidates.SCHEMA.empty_table()])
    with pytest.raises(ValueError, match=r"no candidates for 'guitar\.' in 1 frame\(s\), the first has hash f0"):
        run(workspace)


def test_needs_no_torch():
    """So that an edited threshold shows its effect in seconds."""
    code = "import sys, tgs_pipeline.operators.ground as g; assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
