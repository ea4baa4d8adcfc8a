import numpy as np
import pyarrow.parquet as pq
import pytest
from asked_example import chain, sample, write_frame
from propagation_example import FRAMES, LEFT, RIGHT, FailingPropagator, area, make, mask, run

from tgs_pipeline.artifacts import boxes, chains, samples, table
from tgs_pipeline.backends.segmenter.base import Prompt
from tgs_pipeline.execution import StageError
from tgs_pipeline.metrics import levels
from tgs_pipeline.operators import segment
from tgs_pipeline.segmenting import propagation

pytestmark = pytest.mark.usefixtures("content_is_the_name")


def test_a_pivot_box_makes_a_mask_in_every_frame(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_1": [None, LEFT, None]})
    rows = run(workspace, tmp_path)
    assert [row["frame_index"] for row in rows] == [0, 1, 2]
    assert [(row["status"], row["reason"], row["predicted_iou"]) for row in rows] == [("ok", None, None)] * 3
    assert [mask(row).sum() for row in rows] == [area(LEFT)] * 3
    for row in rows:
        shown = levels.foreground(levels.decompress(row["levels"], size=row["levels_size"]))
        assert (shown == mask(row)[::2, ::3]).mean() > 0.9
    surest = [levels.decompress(row["levels"], size=32).max() for row in rows]
    assert surest[0] == surest[2] < surest[1]


def test_work_is_done_once_for_each_clip_and_prompts(tmp_path, fake):
    prompts = {"a_x_1": [None, LEFT, None], "a_x_2": [RIGHT, None, None], "a_x_3": [None, LEFT, None]}
    workspace = make(tmp_path, prompts)
    rows = run(workspace, tmp_path)
    assert fake.clips == 2
    first, second, third = rows[:3], rows[3:6], rows[6:]
    assert [row["rle"] for row in first] == [row["rle"] for row in third] != [row["rle"] for row in second]
    written = workspace.masks.read_bytes()
    run(workspace, tmp_path)
    assert fake.clips == 2 and workspace.masks.read_bytes() == written


def test_no_box_at_all_is_an_empty_mask_and_asks_nobody(tmp_path, fake):
    rows = run(make(tmp_path, {"a_x_1": [None, None, None]}), tmp_path)
    assert fake.clips == 0
    assert [(row["status"], row["reason"], row["levels"]) for row in rows] == [
        ("no_box", "no candidate above 0.1", None)
    ] * 3
    assert not any(mask(row).any() for row in rows)


def test_every_box_is_a_prompt(tmp_path, fake, monkeypatch):
    asked = []
    monkeypatch.setattr(fake, "propagate", lambda frames, prompts: asked.extend(prompts) or iter(()))
    with pytest.raises(IndexError):
        run(make(tmp_path, {"a_x_1": [LEFT, None, RIGHT]}), tmp_path)
    [[first, second]] = asked
    assert isinstance(first, Prompt) and (first.position, second.position) == (0, 2)
    assert (first.box_xyxy_px.dtype, second.box_xyxy_px.tolist()) == (np.float32, RIGHT)


def test_a_clip_that_fails_is_a_row_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(segment, "make_propagator", lambda *_, **__: FailingPropagator())
    workspace = make(tmp_path, {"a_x_1": [None, LEFT, None], "a_x_2": [None, None, LEFT]})
    with pytest.raises(StageError, match="clip vid: broken weights"):
        run(workspace, tmp_path)
    rows = run(workspace, tmp_path, max_failure_rate=1.0)
    assert [row["status"] for row in rows] == ["ok"] * 3 + ["failed"] * 3
    assert rows[5]["reason"] == "segment: clip vid: broken weights" and not mask(rows[5]).any()


@pytest.mark.parametrize("damage", ["content", "size"])
def test_a_frame_that_cannot_be_used_fails_its_clip(tmp_path, fake, damage):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, None]})
    if damage == "size":
        write_frame(workspace, "f2", size=(32, 96))
    else:
        (workspace.dataset / "f2.png").write_bytes(b"no image")
    with pytest.raises(StageError, match=r"f2\.png: "):
        run(workspace, tmp_path)


def test_a_frame_that_failed_before_stays_failed(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, None]})
    found = pq.read_table(workspace.boxes).to_pylist()
    found[2] |= {"status": "failed", "reason": "detect: no such file"}
    table.write(workspace.boxes, boxes.SCHEMA, [table.from_rows(found, boxes.SCHEMA)])
    assert [row["status"] for row in run(workspace, tmp_path)] == ["ok", "ok", "failed"]


def test_objects_of_a_clip_share_its_pixels(tmp_path, fake):
    """Two objects, each in the words of two annotators: samples 0 and 2 are of the first annotator."""
    prompts = {
        "a_x_0": [LEFT, None, None], "a_x_1": [None, LEFT, None],
        "a_x_2": [None, None, RIGHT], "a_x_3": [None, None, None],
    }  # fmt: skip
    workspace = make(tmp_path, prompts)
    shared = {"background_logit": -1.0, "num_annotations": 2}
    rows = run(workspace, tmp_path, exclusive=shared)
    assert fake.clips == 2
    assert [row["uid"] for row in rows[::3]] == list(prompts)
    left, alone, right, none = rows[:3], rows[3:6], rows[6:9], rows[9:]
    overlap = (slice(8, 56), slice(32, 40))
    for at, owner in enumerate((left, left, right)):  # logits 4 - |frame - pivot|; of equal ones the first object
        assert mask(owner[at])[overlap].all()
        assert not (mask(left[at]) & mask(right[at])).any()
        assert (mask(left[at]) | mask(right[at])).sum() == 80 * 48
    assert [mask(row).sum() for row in alone] == [area(LEFT)] * 3
    assert [row["status"] for row in none] == ["no_box"] * 3
    assert levels.decompress(left[2]["levels"], size=32)[16, 12] == 0  # the other object's in the score map too


def test_a_sample_that_failed_is_no_object_of_its_clip(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_0": [None] * 3, "a_x_1": [LEFT, None, None]})
    failed = sample("a_x_0", 0, frames=[], height=0, width=0, status="failed", reason="no ground truth")
    rows = [failed, sample("a_x_1", 1, frames=FRAMES)]
    table.write(workspace.samples, samples.SCHEMA, [table.from_rows(rows, samples.SCHEMA)])
    found = pq.read_table(workspace.boxes).to_pylist()[3:]
    table.write(workspace.boxes, boxes.SCHEMA, [table.from_rows(found, boxes.SCHEMA)])
    masks = run(workspace, tmp_path, exclusive={"background_logit": -1.0, "num_annotations": 1})
    assert [(row["uid"], row["status"]) for row in masks] == [("a_x_1", "ok")] * 3


def test_the_key_is_of_clip_prompts_and_settings(tmp_path):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, None], "a_x_2": [None, LEFT, None]})
    recipe = segment.Recipe(stage="propagate", version=1, params={}, weights="w")
    [first], [second] = propagation.clips(workspace, num_annotations=None)
    assert first.key(recipe) == recipe.key(FRAMES, [[(0, LEFT)]]) != second.key(recipe)
    [units] = propagation.units(iter([[first], [second]]), recipe=recipe)
    assert units["key"].to_pylist() == [first.key(recipe), second.key(recipe)]
    assert units["prompts"].to_pylist()[0] == [[{"position": 0, "box_xyxy_px": LEFT}]]


def test_silent_frames_are_dropped_where_the_file_tells(tmp_path, fake):
    uids = ["a_x_1", "a_x_2", "a_x_3"]
    workspace = make(tmp_path, {uid: [None, LEFT, None] for uid in uids})
    said = [chain(uid, row, name) for row, (uid, name) in enumerate(zip(uids, ["Dog", "cat", None], strict=True))]
    table.write(workspace.chains, chains.SCHEMA, [table.from_rows(said, chains.SCHEMA)])
    recorded = tmp_path / "sounding.json"
    recorded.write_text('{"vid": {"dog": [[1, 2]]}, "other": {"cat": []}}')
    rows = run(workspace, tmp_path, silent_frames="drop", sounding=str(recorded))
    assert [row["status"] for row in rows] == ["silent", "ok", "silent"] + ["ok"] * 6
    assert [bool(mask(row).any()) for row in rows[:3]] == [False, True, False]
    assert (rows[0]["reason"], rows[0]["levels"]) == ("the object does not sound in second 0", None)


def test_an_unusable_recording_stops_the_stage_before_it_computes(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, None]})
    with pytest.raises(ValueError, match="cannot be read"):
        run(workspace, tmp_path, silent_frames="drop", sounding=str(tmp_path / "none.json"))
    assert fake.clips == 0
