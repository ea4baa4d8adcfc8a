import json

import pytest
from typer.testing import CliRunner

from tgs_pipeline.artifacts import chains, masks, scores, table
from tgs_pipeline.cli import app
from tgs_pipeline.compare import compare
from tgs_pipeline.workspace import Workspace

COMPAT = {"think": "corrected", "ground": "corrected"}


def score_row(uid: str, row: int, value: float | None, *, split: str = "test_s") -> dict:
    is_null = split == "test_n"
    return {
        "uid": uid, "row": row, "vid": "v", "split": split, "is_null": is_null,
        "J": None if is_null else value, "F": None if is_null else value, "JF": None if is_null else value,
        "S": value if is_null else None, "temporal_stability": None, "num_frames": 1, "num_frames_expected": 1,
        "enters_late": False, "status": "failed" if value is None else "ok", "reason": None,
    }  # fmt: skip


def chain_row(uid: str, row: int, s_object: str) -> dict:
    said = dict.fromkeys(("think", "f_object", "null_probability", "raw", "reason"))
    return said | {"uid": uid, "row": row, "vid": "v", "split": "test_s", "reference": "r", "s_object": s_object,
                   "num_tokens": 0, "status": "ok"}  # fmt: skip


def mask_row(uid: str, row: int, rle: bytes) -> dict:
    return {"uid": uid, "row": row, "frame_index": 0, "height": 4, "width": 4, "rle": rle, "levels": None,
            "levels_size": 4, "predicted_iou": None, "status": "ok", "reason": None}  # fmt: skip


def write_run(folder, rows: list[dict], *, protocol: str = "tgs", compat: dict = COMPAT, splits: dict | None = None):
    run = Workspace(artifacts=folder, dataset=folder)
    table.write(run.scores, scores.SCHEMA, [table.from_rows(rows, scores.SCHEMA)])
    splits = {"test_s": {"JF": 0.5, "samples": 2}} if splits is None else splits
    run.metrics.write_text(json.dumps({"protocol": protocol, "compat": compat, "splits": splits}))
    return run


@pytest.fixture
def runs(tmp_path):
    """Two runs: a_1 is thought about otherwise, a_2 is masked otherwise, a_3 stays, a_4 is scored by one run alone."""
    values = {"a": (0.5, 0.2, 0.7, None, 0.1), "b": (0.4, 0.9, 0.7, 0.3, 0.1)}
    for name, found in values.items():
        rows = [score_row(f"a_{i + 1}", i, value) for i, value in enumerate(found[:4])]
        rows.append(score_row("null_m-a_1", 4, found[4], split="test_n"))
        splits = {
            "test_s": {"JF": found[0], "samples": 4, "coverage": 1.0},
            "test_n": {"S": None if name == "a" else 0.1},
        }
        run = write_run(
            tmp_path / name, rows, splits=splits, compat=COMPAT | ({"ground": "parity"} if name == "a" else {})
        )
        said = [chain_row(row["uid"], row["row"], "dog" if row["row"] or name == "a" else "cat") for row in rows]
        table.write(run.chains, chains.SCHEMA, [table.from_rows(said, chains.SCHEMA)])
        shown = [mask_row(row["uid"], row["row"], b"x" if row["row"] > 1 else name.encode()) for row in rows]
        table.write(run.masks, masks.SCHEMA, [table.from_rows(shown, masks.SCHEMA)])
    return tmp_path / "a", tmp_path / "b"


def test_splits_side_by_side_and_samples_that_moved_most_first(runs):
    found = compare(*runs)
    assert found.protocol == "tgs" and found.num_samples == 5
    assert found.splits["test_s"]["JF"] == {"a": 0.5, "b": 0.4, "change": pytest.approx(-0.1)}
    assert found.splits["test_s"]["samples"] == {"a": 4, "b": 4, "change": 0}
    assert found.splits["test_n"]["S"] == {"a": None, "b": 0.1, "change": None}
    assert [(one.uid, one.metric, one.since) for one in found.moved] == [
        ("a_4", "JF", "score"),  # one run alone could score it
        ("a_2", "JF", "segment"),
        ("a_1", "JF", "think"),
    ]
    assert found.moved[1].change == pytest.approx(0.7)


def test_a_run_without_the_other_artifacts_is_compared_by_its_scores(tmp_path):
    write_run(tmp_path / "a", [score_row("a_1", 0, 0.5)])
    write_run(tmp_path / "b" / "artifacts", [score_row("a_1", 0, 0.6)])  # the folder of a project does as well
    assert [one.since for one in compare(tmp_path / "a", tmp_path / "b").moved] == ["score"]


def test_the_command_prints_a_table_or_json(runs):
    a, b = map(str, runs)
    text = CliRunner().invoke(app, ["compare", a, b, "--top", "1"]).output
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "protocol tgs"
    assert lines[1].endswith("/a, compat think corrected, ground parity") and lines[2].endswith("/b, compat corrected")
    assert "test_s JF 0.5000 0.4000 -0.1000" in lines and "test_n S - 0.1000 -" in lines
    assert lines[-3:] == [
        "3 of 5 samples moved:", "JF - -> 0.3000 - a_4 (row 3, test_s), differs since score",
        "... and 2 more (--top, --json)",
    ]  # fmt: skip
    data = json.loads(CliRunner().invoke(app, ["compare", a, b, "--json"]).output)
    assert (
        data["compat"]["a"]["ground"] == "parity" and len(data["moved"]) == 3 and data["moved"][2]["since"] == "think"
    )


def test_a_run_equals_itself(runs):
    assert compare(runs[0], runs[0]).moved == []


def test_other_protocols_samples_and_splits_are_refused(tmp_path):
    write_run(tmp_path / "a", [score_row("a_1", 0, 0.5), score_row("a_2", 1, 0.5)])
    write_run(tmp_path / "davis", [score_row("a_1", 0, 0.5)], protocol="davis")
    write_run(tmp_path / "other", [score_row("a_1", 0, 0.5), score_row("a_3", 1, 0.5)])
    write_run(tmp_path / "moved", [score_row("a_1", 0, 0.5), score_row("a_2", 1, 0.5, split="test_u")])
    with pytest.raises(ValueError, match=r"protocol 'tgs', .*davis by 'davis': scores of different protocols"):
        compare(tmp_path / "a", tmp_path / "davis")
    with pytest.raises(ValueError, match=r"1 only in .*/a: a_2 \(row 1\); 1 only in .*/other: a_3 \(row 1\)"):
        compare(tmp_path / "a", tmp_path / "other")
    with pytest.raises(ValueError, match=r"a_2 \(row 1\) is of test_s in .*/a and of test_u in .*/moved"):
        compare(tmp_path / "a", tmp_path / "moved")


def test_folders_without_scores_are_named(tmp_path):
    write_run(tmp_path / "a", [score_row("a_1", 0, 0.5)])
    with pytest.raises(ValueError, match=r"nowhere/score/metrics\.json is missing: run `dvc repro`"):
        compare(tmp_path / "a", tmp_path / "nowhere")
    (tmp_path / "a/score/metrics.json").write_text('{"protocol": "tgs"}')
    with pytest.raises(ValueError, match=r"lacks one of .*compat.*protocol.*splits"):
        compare(tmp_path / "a", tmp_path / "a")
