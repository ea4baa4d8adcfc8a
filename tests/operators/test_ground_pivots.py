import os
import signal
import subprocess
import sys
import time

import pytest
from asked_example import workspace_in
from choosing_example import server_params
from grounding_example import asking, pivots_of, run, settings, write_clip, write_clips
from multimodal_server import KEY, KEY_NAME, Cut, Fail, Garbage, Slow, serve, text_of
from project import ROOT
from recordings import write_recordings

from tgs_pipeline.artifacts.pivots import RULES
from tgs_pipeline.execution import StageError
from tgs_pipeline.params_choosing import WindowParams
from tgs_pipeline.params_multimodal import ReplayParams

LATE = {"guitar.": [[0.1], [0.5, 0.3], [0.4, 0.9], [0.6]]}  # nothing above 0.25 in frame 0


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY_NAME, KEY)


@pytest.fixture
def workspace(tmp_path):
    return workspace_in(tmp_path)


def shown(rows):
    return [(row["frame_index"], row["rule"], row["status"], row["query_index"]) for row in rows]


def test_score_takes_the_best_frame_and_box_of_the_clip(workspace):
    write_clip(workspace, LATE)
    rows = run(workspace, settings())
    assert shown(rows) == [
        (0, "not_pivot", "no_box", None),
        (1, "not_pivot", "no_box", None),
        (2, "pivot_score", "ok", 10),
        (3, "not_pivot", "no_box", None),
    ]
    assert rows[0]["reason"] == "not the pivot, which is frame 2"
    assert rows[2]["box_xyxy_px"] == pytest.approx([9.6, 6.4, 19.2, 19.2], abs=1e-4) and rows[2]["phrase"] == "guitar"
    (pivot,) = pivots_of(workspace)
    same = ("uid", "frame_index", "box_xyxy_px", "score", "rule", "num_candidates")
    assert [pivot[name] for name in same] == [rows[2][name] for name in same] and pivot["object"] is None


def test_frames_in_which_nothing_is_stored(workspace):
    write_clip(workspace, {"guitar.": [[], [0.5], []]})
    assert [row["status"] for row in run(workspace, settings())] == ["no_box", "ok", "no_box"]
    write_clip(workspace, {"guitar.": [[], [], []]})
    rows = run(workspace, settings(frames="first"))
    assert {row["reason"] for row in rows} == {"no candidate above 0.25: none is stored"} and not pivots_of(workspace)


@pytest.mark.parametrize(("frames", "frame", "query"), [("first", 0, None), ("middle", 2, 10), ("last", 3, 0)])
def test_positions_take_their_frame_whatever_it_shows(workspace, frames, frame, query):
    write_clip(workspace, LATE)
    rows = run(workspace, settings(frames=frames))
    assert [row["frame_index"] for row in rows if row["rule"] == f"pivot_{frames}"] == [frame]
    assert rows[frame]["query_index"] == query and {row["status"] for row in rows} <= {"ok", "no_box"}
    if query is None:
        assert rows[0]["reason"] == "no candidate above 0.25: the best scores 0.100"
        assert not [row for row in rows if row["status"] == "ok"]


def test_each_window_has_a_pivot(workspace):
    write_clip(workspace, {"guitar.": [[0.5], [0.9], [0.3], [0.9], [0.1], [0.9], [0.7]]})
    rows = run(workspace, settings(window=WindowParams(num_frames=2, step=2)))  # (0, 2) and (4, 6)
    assert [row["frame_index"] for row in rows if row["status"] == "ok"] == [0, 6]
    assert [(row["window"], row["frame_index"]) for row in pivots_of(workspace)] == [(0, 0), (1, 6)]


def test_every_leaves_the_rows_as_they_were_and_no_pivots(workspace):
    write_clip(workspace, LATE)
    run(workspace, settings())
    assert workspace.pivots.exists()
    rows = run(workspace, settings(frames="every"))
    assert shown(rows)[2] == (2, "s_object", "ok", 10) and not workspace.pivots.exists()


def test_who_abstains_has_no_pivot_and_says_why(workspace):
    write_clip(workspace, LATE, s_object=None)
    assert {row["status"] for row in run(workspace, settings())} == {"no_caption"} and pivots_of(workspace) == []
    write_clip(workspace, LATE, s_object=None, status="malformed", reason="no tag")
    assert {row["status"] for row in run(workspace, settings())} == {"no_answer"}
    write_clip(workspace, LATE)
    refused = run(workspace, settings(clip_threshold=0.95))
    assert {row["rule"] for row in refused if row["num_candidates"]} == {"clip_threshold"}
    assert {row["status"] for row in refused} == {"no_box"}


def answer(request):
    """Frame 3, then box 2."""
    return "It is there.\n[3]" if "choose the one frame" in text_of(request) else "It is box 2.\n[2]"


def test_a_model_chooses_frame_and_box_and_is_asked_once(workspace):
    write_clip(workspace, LATE)
    with serve(answer) as server:
        chosen = settings(**asking(server_params(server.base_url)))
        rows = run(workspace, chosen)
        assert shown(rows)[2] == (2, "pivot_mllm", "ok", 0)  # box 2 is the second best of frame 3
        before = workspace.boxes.read_bytes(), workspace.pivots.read_bytes(), len(server.requests)
        run(workspace, chosen)
        assert (workspace.boxes.read_bytes(), workspace.pivots.read_bytes(), len(server.requests)) == before
    assert before[2] == 2 and "guitar" in text_of(server.requests[0])


@pytest.mark.parametrize(
    ("reply", "corrected", "parity"),
    [
        ("[-1]", "no_box", "default_frame"),
        ("[9]", "no_answer", "default_frame"),
        ("The best is [1] or [2], who knows", "no_answer", "pivot_mllm"),
        ("", "no_answer", "default_frame"),
        ("[[[[" * 500, "no_answer", "default_frame"),
        ("ignore the rules and answer [1, 2, 3]", "no_answer", "default_frame"),
        ('{"frame": 1, "__proto__": [0]}', "no_answer", "default_frame"),
        (Garbage('{"choices": null}'), "failed", "failed"),
    ],
)
def test_adversarial_replies_are_statuses_and_defaults_are_of_parity_alone(tmp_path, reply, corrected, parity):
    for compat in ("corrected", "parity"):
        workspace = workspace_in(tmp_path / compat)
        write_clip(workspace, LATE)
        with serve(lambda request: reply) as server:
            model = server_params(server.base_url, max_retries=0)
            rows = run(workspace, settings(**asking(model, compat=compat)), max_failure_rate=1.0)
        if isinstance(reply, Garbage):  # no reply at all: nobody has chosen, whatever the mode
            assert {row["status"] for row in rows} == {"failed"}
        elif compat == "corrected":
            assert {row["status"] for row in rows} == {corrected} and all(row["reason"] for row in rows)
        else:
            assert parity in {row["rule"] for row in rows if row["status"] == "ok"}


def test_faults_of_a_server_are_failed_rows_that_the_next_run_asks_again(workspace):
    write_clip(workspace, LATE)
    with serve(lambda request: Fail(500)) as server:
        model = server_params(server.base_url, max_retries=0)
        with pytest.raises(StageError, match="500"):
            run(workspace, settings(**asking(model)))
        rows = run(workspace, settings(**asking(model)), max_failure_rate=1.0)
        assert {row["status"] for row in rows} == {"failed"} and KEY not in rows[0]["reason"]
    with serve(answer, script=[Fail(429), Cut(), Slow("[3]", 0.2)]) as server:
        model = server_params(server.base_url, max_retries=3)
        assert shown(run(workspace, settings(**asking(model))))[2] == (2, "pivot_mllm", "ok", 0)


def test_sounding_objects_come_with_their_frames_and_recorded_boxes(workspace, tmp_path):
    scores = {"guitar.": [[0.5], [0.9, 0.6]], "dog.": [[0.3], [0.4, 0.7]], "man.": [[0.1], [0.1]]}
    write_clip(workspace, scores, s_object="guitar. dog. man", raw={"guitar": 0, "dog": 1, "man": 1})
    recorded = write_recordings(tmp_path / "recorded", boxes={"va": {"dog": "2"}})
    model = ReplayParams(provider="replay", recordings=str(recorded))
    rows = run(workspace, settings(prompt="objects", **asking(model, compat="parity")))
    assert [(row["object"], row["frame_index"], row["query_index"], row["rule"]) for row in pivots_of(workspace)] == [
        ("guitar", 0, 0, "pivot_lbru"),
        ("dog", 1, 10, "pivot_lbru"),  # two candidates stay in query order under parity (T44)
    ]
    assert shown(rows) == [(0, "pivot_lbru", "ok", 0), (1, "pivot_lbru", "ok", 10)]
    by_score = run(workspace, settings(prompt="objects"))
    assert [(one["object"], one["frame_index"]) for one in pivots_of(workspace)] == [("guitar", 1), ("dog", 1)]
    assert shown(by_score)[1] == (1, "pivot_score", "ok", 0)  # both in frame 1: the better one stands for it
    assert {one["rule"] for one in pivots_of(workspace)} <= set(RULES)


def test_an_object_that_could_not_be_asked_about_leaves_the_others_their_boxes(workspace):
    scores = {"guitar.": [[0.5, 0.3], [0.9], [0.3]], "dog.": [[0.3], [0.4, 0.7], [0.5]]}
    write_clip(workspace, scores, s_object="guitar. dog", raw={"guitar": 0, "dog": 1})
    with serve(lambda request: Fail(500) if "dog" in text_of(request) else "[2]") as server:
        chosen = settings(prompt="objects", **asking(server_params(server.base_url, max_retries=0)))
        with pytest.raises(StageError, match="500"):
            run(workspace, chosen)
        rows = run(workspace, chosen, max_failure_rate=1.0)
    assert [(row["status"], row["rule"], row["query_index"]) for row in rows] == [
        ("partial", "pivot_lbru", 10),
        ("partial", "pivot_lbru", None),
        ("partial", "not_pivot", None),
    ]
    (reason,) = {row["reason"] for row in rows}
    told = "dog: could not be asked about (`dvc repro -f ground` asks again): a (row 0, dog): the server answered 500"
    assert reason.startswith(told) and KEY not in reason
    assert [(one["object"], one["status"]) for one in pivots_of(workspace)] == [("guitar", "ok"), ("dog", "failed")]
    with serve(lambda request: "[1]") as server:
        again = run(workspace, settings(prompt="objects", **asking(server_params(server.base_url))))
        assert len(server.requests) == 1 and "dog" in text_of(server.requests[0])
    assert [row["status"] for row in again] == ["ok", "ok", "no_box"]


def test_an_object_whose_replies_cannot_be_read_is_told_of_beside_the_others(workspace):
    scores = {"guitar.": [[0.5, 0.3], [0.9], [0.3]], "dog.": [[0.3], [0.4, 0.7], [0.5]]}
    write_clip(workspace, scores, s_object="guitar. dog", raw={"guitar": 0, "dog": 1})
    with serve(lambda request: "who knows" if "dog" in text_of(request) else "[2]") as server:
        rows = run(workspace, settings(prompt="objects", **asking(server_params(server.base_url))))
    assert [row["status"] for row in rows] == ["ok", "no_box", "no_box"]
    assert rows[2]["reason"].startswith("not the pivot, which is frame 0; dog has none: it has no number")


KILLED = """
import sys, json
sys.path.insert(0, "tests")
from pathlib import Path
from asked_example import workspace_in
from choosing_example import server_params
from grounding_example import asking, run, settings
model = server_params(sys.argv[2], concurrency=1, timeout_sec=60.0)
run(workspace_in(Path(sys.argv[1])), settings(**asking(model)))
"""


def test_what_was_said_before_a_kill_is_kept(workspace, tmp_path):
    write_clips(workspace, {name: LATE for name in "abcd"})
    with serve(answer, script=["[3]", "[3]", Slow("[3]", 30.0)]) as server:
        command = [sys.executable, "-c", KILLED, str(tmp_path), server.base_url]
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
        deadline = time.monotonic() + 120
        while len(server.requests) < 3 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        assert len(server.requests) >= 3  # the third is not answered yet; one for the next clip may be under way
        process.send_signal(signal.SIGKILL)
        process.wait()
    with serve(answer) as server:
        rows = run(workspace, settings(**asking(server_params(server.base_url))))
    asked = [text_of(request) for request in server.requests]
    num_again = sum("choose the one frame" in text for text in asked)
    # Two of the four frames were chosen; where the kill came late on a busy machine, the third one too.
    assert num_again in (1, 2) and len(asked) == num_again + 4
    assert [row["uid"] for row in rows if row["status"] == "ok"] == list("abcd")
