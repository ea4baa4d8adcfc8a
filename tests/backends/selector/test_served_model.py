"""Two-step selection by a real vision-language model behind `transformers serve`; faults are scripted in test_mllm.py.

The model is random: what it writes is nonsense, and a choice where it can say nothing but numbers.
"""

import pyarrow.parquet as pq
import pytest
import served_model
from asked_example import workspace_in
from choosing_example import server_params
from grounding_example import DRAWING, asking, pivots_of, run, settings, write_clip

from tgs_pipeline.prompts import pivot
from tgs_pipeline.prompts.visible_boxes import VisibleBox

SCORES = {"guitar.": [[0.5, 0.3], [0.9, 0.4], [0.6, 0.7], [0.3, 0.8]]}
LAYOUT = {"num_frames": 4, "columns": DRAWING.columns}
FRAME_QUESTION = pivot.frame_question("guitar", **LAYOUT)


def box_question(frame):
    boxes = [VisibleBox((0.0, 0.0, 1.0, 1.0), "guitar")] * 2
    return pivot.box_question("guitar", frame=frame, boxes=boxes, **LAYOUT)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    texts = [FRAME_QUESTION, box_question(1)]
    with served_model.serve(tmp_path_factory.mktemp("served"), texts=texts) as model:
        yield model


@pytest.fixture
def workspace(tmp_path):
    made = workspace_in(tmp_path)
    write_clip(made, SCORES)
    return made


def asking_for(name, served, **changes):
    """The params of ground; concurrency 1, since the server's seed is of all its threads."""
    sampling = {"temperature": 1.0, "seed": 7, "max_tokens": 100} | changes
    model = server_params(
        served.base_url, model=name, api_key_env=None, sampling=sampling, timeout_sec=120.0, concurrency=1
    )
    return settings(**asking(model))


def stored(workspace, store):
    (segment,) = (workspace.artifacts.parent / "rows" / store).glob("seg-*.parquet")
    return pq.read_table(segment).to_pylist()


def test_a_real_model_chooses_a_frame_and_a_box_and_is_asked_once(workspace, served):
    before = served.num_requests
    rows = run(workspace, asking_for("numbers", served))
    assert served.num_requests - before == 2
    (frame,), (box,) = stored(workspace, "pivot_frame"), stored(workspace, "pivot_box")
    number, choice = (int(one["replies"][0].strip("[]")) for one in (frame, box))
    (chosen,) = pivots_of(workspace)
    assert (chosen["rule"], chosen["status"], chosen["frame_index"]) == ("pivot_mllm", "ok", number - 1)
    assert chosen["query_index"] == [0, 10][choice - 1]  # frames 1 and 2 have their best candidate first
    assert [row["frame_index"] for row in rows if row["status"] == "ok"] == [number - 1]
    assert frame["prompt_tokens"] == served.num_tokens(FRAME_QUESTION)  # with those of one picture
    assert box["prompt_tokens"] == served.num_tokens(box_question(number))
    assert [(one["status"], one["num_attempts"], one["completion_tokens"]) for one in (frame, box)] == [
        ("ok", 1, 1)
    ] * 2
    files = workspace.boxes.read_bytes(), workspace.pivots.read_bytes()
    run(workspace, asking_for("numbers", served))
    assert served.num_requests - before == 2
    assert (workspace.boxes.read_bytes(), workspace.pivots.read_bytes()) == files


def test_nonsense_of_a_real_model_is_no_choice(workspace, served):
    before = served.num_requests
    rows = run(workspace, asking_for("nonsense", served))
    (frame,) = stored(workspace, "pivot_frame")
    assert (frame["status"], frame["reason"]) == ("rejected", "it has no number in square brackets")
    assert frame["num_attempts"] == len(frame["replies"]) == served.num_requests - before == 2
    assert set(served.tokenizer.tokenize(" ".join(frame["replies"]))) <= set(served.tokenizer.get_vocab())
    assert frame["completion_tokens"] == len(served.tokenizer.tokenize(" ".join(frame["replies"]))) > 0
    assert frame["prompt_tokens"] > 2 * served.num_tokens(FRAME_QUESTION)  # the second time with what was wrong
    assert {(row["status"], row["reason"]) for row in rows} == {("no_answer", frame["reason"])}
    assert not (workspace.artifacts.parent / "rows" / "pivot_box").exists()
    assert run(workspace, asking_for("nonsense", served)) == rows and served.num_requests - before == 2


def test_a_reply_of_a_real_model_that_is_cut_says_so(workspace, served):
    rows = run(workspace, asking_for("endless", served, max_tokens=3))
    (frame,) = stored(workspace, "pivot_frame")
    assert {row["reason"] for row in rows} == {"the reply was cut at the token limit"} == {frame["reason"]}
    assert (frame["num_attempts"], frame["completion_tokens"]) == (2, 2 * 3)
