"""The pipeline as its users meet it: dvc repro, edits, kills, real input."""

import json
import os
import signal
import subprocess
import sys
import time

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml
from project import copy_project

STAGES = ["dataset", "manifest", "features", "think", "faithfulness", "detect", "ground", "segment", "score", "report"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small project after one full run; tests leave it as they found it."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    assert project.repro().ran == STAGES
    return project


def test_scores_of_every_split_with_full_coverage(project):
    metrics = json.loads((project.folder / "artifacts/score/metrics.json").read_text())
    assert metrics["protocol"] == "tgs" and set(metrics["splits"]) == {"test_s", "test_u", "mix", "test_n"}
    for split in ("test_s", "test_u"):
        values = metrics["splits"][split]
        assert values["coverage"] == 1 and values["samples"] > 0 and 0 <= values["JF"] <= 1
        assert values["JF"] == pytest.approx((values["J"] + values["F"]) / 2)
    assert metrics["splits"]["test_n"]["coverage"] == 1 and 0 <= metrics["splits"]["test_n"]["S"] <= 1
    seen, unseen, mix = (metrics["splits"][name]["J"] for name in ("test_s", "test_u", "mix"))
    assert mix == pytest.approx((seen + unseen) / 2)


def test_chains_open_in_duckdb(project):
    query = f"select uid, s_object, think from '{project.folder}/artifacts/chains/*.parquet' limit 3"
    rows = duckdb.sql(query).fetchall()
    assert len(rows) == 3 and all(len(row) == 3 for row in rows)


def test_nothing_changed_runs_nothing(project):
    assert project.repro().ran == []


def test_a_threshold_edit_reruns_grounding_onward_and_goes_back_from_cache(project):
    before = (project.folder / "artifacts/boxes/boxes.parquet").read_bytes()
    project.edit("ground.box_threshold", 0.9)  # above the scores of many boxes
    edited = project.repro()
    assert edited.ran == ["ground", "segment", "score", "report"]
    assert "detect" not in edited.computed
    project.edit("ground.box_threshold", 0.5)
    back = project.repro()
    assert back.ran == []
    assert (project.folder / "artifacts/boxes/boxes.parquet").read_bytes() == before


def test_a_module_of_segment_reruns_segment_and_its_unchanged_masks_stop_there(project):
    module = project.folder / "tgs_pipeline/operators/segment.py"
    text = module.read_text()
    module.write_text(text + "\n# a comment\n")
    done = project.repro()
    assert done.ran == ["segment"] and done.computed["segment"] == 0
    module.write_text(text)
    assert project.repro().ran == []


def test_runtime_edits_rerun_nothing(project):
    project.edit("runtime.batch_size.detect", 3)
    project.edit("runtime.num_loaders", 2)
    assert project.repro().ran == []
    project.edit("runtime.batch_size.detect", 8)
    project.edit("runtime.num_loaders", 1)


def test_one_more_clip_computes_only_its_own_rows(project):
    counts = {"train": 1, "val": 0, "test_s": 3, "test_u": 1, "test_n": 1}
    project.edit("dataset.tinyworld.num_clips", counts)
    more = project.repro()
    assert more.ran == STAGES
    assert more.computed["features"] == 1 and more.computed["think"] == 2 and 0 < more.computed["detect"] <= 40
    project.edit("dataset.tinyworld.num_clips", counts | {"test_s": 2})
    assert project.repro().ran == []


def test_a_killed_detect_keeps_its_rows_and_ends_with_the_same_bytes(project):
    artifact = project.folder / "artifacts/candidates/candidates.parquet"
    undisturbed = artifact.read_bytes()
    artifact.unlink()
    project.edit("runtime.flush_rows", 8)
    cache = project.folder / "other_cache"
    command = [sys.executable, "stages/detect.py"]
    child = subprocess.Popen(command, cwd=project.folder, env=project.environment | {"TGS_CACHE": str(cache)})
    deadline = time.monotonic() + 120
    while not list(cache.glob("detect/seg-*")) and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not artifact.exists(), "nothing half-done is published"
    again = project.run(*command, TGS_CACHE=str(cache))
    assert again.returncode == 0, again.stderr
    summary = next(line for line in again.stderr.splitlines() if line.startswith("detect:"))
    total, kept = (int(summary.split()[i]) for i in (1, 3))
    assert 0 < kept < total, summary
    assert artifact.read_bytes() == undisturbed
    project.edit("runtime.flush_rows", 64)


def table_of(path):
    """The masks without score maps, whose last bits may depend on batch mates."""
    return pq.read_table(path, columns=["uid", "row", "frame_index", "rle", "status"])


def test_a_process_for_each_device_computes_its_share_and_the_masks_are_the_same(project):
    masks = project.folder / "artifacts/masks/masks.parquet"
    whole = table_of(masks)
    project.edit("runtime.devices", ["cpu", "cpu"])
    done = project.run(sys.executable, "stages/segment.py", TGS_CACHE=str(project.folder / "sharded"))
    project.edit("runtime.devices", ["cpu"])
    assert done.returncode == 0, done.stderr
    shares, publisher = done.stderr.splitlines()[:-2], done.stderr.splitlines()[-2]
    assert len(shares) == 2 and all(" 0 from the cache" in line for line in shares)
    assert " 0 computed" in publisher
    assert table_of(masks).equals(whole)


def test_command_line_on_a_finished_run(project):
    assert "no problem found" in project.tgs("check").stdout
    table = project.tgs("scores").stdout
    assert "protocol tgs" in table and "test_u" in table and "report" in table
    row = json.loads(project.tgs("chains", "--json").stdout.splitlines()[0])
    assert {"uid", "row", "think", "s_object", "f_object", "status"} <= set(row)
    one = project.tgs("chains", "--uid", row["uid"])
    assert one.stdout.count("s_object") >= 1 and row["reference"] in one.stdout
    missing = project.tgs("chains", "--uid", "nobody")
    assert missing.returncode == 1 and "no chain of uid 'nobody'" in missing.stderr
    stats = {entry["stage"]: entry for entry in json.loads(project.tgs("cache", "stats", "--json").stdout)}
    assert set(stats) == {"features", "think", "faithfulness", "detect", "segment"}
    assert project.tgs("cache", "gc").returncode == 0


def test_faithfulness_of_the_thinker_and_of_another_one(project):
    mine = project.tgs("train", "faithfulness")
    assert mine.returncode == 0, mine.stderr
    assert "true_description     follows" in mine.stdout and "95 % interval" in mine.stdout
    params = yaml.safe_load((project.folder / "params.yaml").read_text())
    params["think"]["max_new_tokens"] -= 1
    params["faithfulness"]["num_samples"] = 1
    (project.folder / "other.yaml").write_text(yaml.safe_dump(params))
    other = project.tgs("train", "faithfulness", "--params", "other.yaml", "--out", "measured")
    assert other.returncode == 0, other.stderr
    assert "true_description     follows" in other.stdout and " of 1\n" in other.stdout
    assert (project.folder / "measured/faithfulness/faithfulness.parquet").is_file()
    refused = project.tgs("train", "faithfulness", "--params", "other.yaml")
    assert refused.returncode == 1 and "DVC reads params.yaml alone; name a folder with --out" in refused.stderr
    assert project.repro().ran == []


def test_dvc_shows_metrics_and_plots(project):
    shown = json.loads(project.run("dvc", "metrics", "show", "--json").stdout)
    assert "test_s" in json.dumps(shown) and "edited_description" in json.dumps(shown)
    done = project.run("dvc", "plots", "show", "-o", "plots")
    assert done.returncode == 0, done.stderr
    assert (project.folder / "plots/index.html").stat().st_size > 1000


def test_check_lists_everything_at_once(project):
    weights = project.folder / "weights/tiny/clip"
    weights.rename(project.folder / "weights/tiny/gone")
    project.edit("dataset.tinyworld", None)
    project.edit("dataset.root", "absent")
    project.edit("detect.weights", "weights/none.pth")
    try:
        done = project.tgs("check", TGS_CACHE="relative")
    finally:
        (project.folder / "weights/tiny/gone").rename(weights)
        copy = copy_of_params()
        (project.folder / "params.yaml").write_text(copy)
        project.edit("dataset.tinyworld.num_clips", {"train": 1, "val": 0, "test_s": 2, "test_u": 1, "test_n": 1})
        project.edit("dataset.tinyworld.references_per_clip", 2)
    assert done.returncode == 1
    for text in ("features.visual.weights", "detect.weights", "absent/metadata.csv: no such file", "TGS_CACHE"):
        assert text in done.stderr


def test_a_sweep_goes_on_where_the_pipeline_ended(project):
    done = project.tgs("sweep", "experiments/box-choice.yaml", "--out", "sweeps/box-choice")
    assert done.returncode == 0, done.stderr
    assert "| first box | tgs |" in done.stdout and "| best box | tgs |" in done.stdout
    assert "detect:" not in done.stderr and "think:" not in done.stderr
    link = project.folder / "sweeps/box-choice/rows/first_box/artifacts/candidates"
    assert link.is_symlink() and link.resolve() == (project.folder / "artifacts/candidates").resolve()
    rows = {row["name"]: row for row in json.loads((project.folder / "sweeps/box-choice/table.json").read_text())}
    metrics = json.loads((project.folder / "artifacts/score/metrics.json").read_text())
    assert rows["best box"]["splits"] == metrics["splits"]
    again = project.tgs("sweep", "experiments/box-choice.yaml", "--out", "sweeps/box-choice")
    assert again.stderr.count("finished before") == 2 and "segment:" not in again.stderr


def copy_of_params() -> str:
    from project import ROOT

    return (ROOT / "params.yaml").read_text()


def use_profile(project, root) -> str:
    """Switch to the benchmark profile on `root`; returns the params to put back."""
    path = project.folder / "params.yaml"
    before = path.read_text()
    path.write_text(project.tgs("profile", "benchmark-tiny").stdout)
    project.edit("dataset.root", str(root))
    return before


def test_the_real_sample_is_refused_or_scored_with_honest_coverage(project, shared_data, tmp_path):
    before = use_profile(project, shared_data / "refavsbench_sample")
    try:
        project.edit("dataset.missing_frames", "error")
        refused = project.run("dvc", "repro")
        assert refused.returncode != 0
        for index in (0, 1, 2, 3, 4, 5, 6, 8, 9):
            assert f"frames/{index}.jpg" in refused.stderr and f"fid_11/{index:05d}.png" in refused.stderr
        assert "frames/7.jpg" not in refused.stderr
        project.edit("dataset.missing_frames", "skip")
        project.repro()
        metrics = json.loads((project.folder / "artifacts/score/metrics.json").read_text())
        assert metrics["splits"]["test_u"]["samples"] == 6
        assert metrics["splits"]["test_u"]["coverage"] == pytest.approx(0.1)
    finally:
        (project.folder / "params.yaml").write_text(before)
    assert project.repro().ran == []


def test_one_real_video(project, shared_data, tmp_path):
    video, out = shared_data / "clips/stage_women.mp4", tmp_path / "out"
    done = project.tgs("run", str(video), "--ref", "the woman on the right", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "chain.json").read_text())["reference"] == "the woman on the right"
    assert len(json.loads((out / "boxes.json").read_text())) == 10
    assert len(list((out / "masks").glob("*.png"))) == 10 and (out / "overlay.png").stat().st_size > 10_000
    again = project.tgs("run", str(video), "--ref", "the woman", "--out", str(out))
    assert again.returncode == 1 and "give --out a new folder" in again.stderr


def test_a_video_that_is_none_is_refused(project, tmp_path):
    (tmp_path / "x.mp4").write_text("no")
    done = project.tgs("run", str(tmp_path / "x.mp4"), "--ref", "a", "--out", str(tmp_path / "o"))
    assert done.returncode == 1 and "x.mp4: cannot be decoded" in done.stderr and "Traceback" not in done.stderr
