from dataclasses import replace

import pytest
from report.artifacts_example import Example, write_example

from tgs_pipeline.artifacts import chains, table
from tgs_pipeline.report.records import read_records


@pytest.fixture
def workspace(tmp_path):
    return write_example(tmp_path)


def rewrite(path, schema, change):
    rows = change(list(table.read_rows(path, schema)))
    table.write(path, schema, [table.from_rows(rows, schema)])


def test_each_sample_meets_its_own_rows(workspace):
    records = list(read_records(workspace))
    assert [record.sample["row"] for record in records] == list(range(10))
    for record in records:
        assert record.chain["row"] == record.score["row"] == record.sample["row"]
        assert list(record.boxes) == list(record.masks) == record.sample["frame_indices"]
        assert {row["uid"] for row in record.boxes.values()} <= {record.sample["uid"]}
    assert "levels" not in records[0].masks[0]


def test_outcome_is_the_first_stage_without_a_full_answer(workspace):
    assert [record.outcome for record in read_records(workspace)] == [
        "ok", "ok", "think: truncated", "ground: no_box", "ok", "ground: no_caption", "ok", "manifest: failed", "ok",
        "segment: failed",
    ]  # fmt: skip


def test_one_frame_without_a_box_is_no_failure_but_one_failed_frame_is(workspace):
    record = next(iter(read_records(workspace)))
    partial = {index: row | {"status": "partial"} for index, row in record.boxes.items()}
    assert replace(record, boxes=partial).outcome == "ground: partial"
    assert replace(record, boxes={**record.boxes, 3: record.boxes[3] | {"status": "no_box"}}).outcome == "ok"
    assert (
        replace(record, boxes={**record.boxes, 3: record.boxes[3] | {"status": "failed"}}).outcome == "ground: failed"
    )
    assert replace(record, score=record.score | {"status": "no_answer"}).outcome == "score: no_answer"


def test_equal_uids_are_told_apart_by_row(tmp_path):
    example = Example(tmp_path, num_frames=2)
    example.add_video("seen", sound_sec=None)
    for s_object in ("dog", "cat"):
        example.add("seen", uid="seen_dog_1", chain={"s_object": s_object})
    records = list(read_records(example.write()))
    assert [record.chain["s_object"] for record in records] == ["dog", "cat"]
    assert [len(record.masks) for record in records] == [2, 2]


def test_artifacts_of_other_samples_are_refused(workspace):
    rewrite(workspace.chains, chains.SCHEMA, lambda rows: rows[1:])
    with pytest.raises(ValueError, match=r"chains.parquet: seen_dog_0 \(row 0\) has 0 rows, expected 1.*dvc repro"):
        list(read_records(workspace))
