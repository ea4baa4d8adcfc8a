import json
import logging

import numpy as np
import pyarrow.parquet as pq
import pytest
from asked_example import sample, workspace_in
from PIL import Image
from project import ROOT

from tgs_pipeline import params as params_file
from tgs_pipeline.artifacts import masks, samples, table
from tgs_pipeline.execution import Execution, Shard
from tgs_pipeline.metrics import levels, rle
from tgs_pipeline.operators import score
from tgs_pipeline.params import Params

SIZE = (32, 32)
SQUARE = np.zeros(SIZE, bool)
SQUARE[8:16, 8:16] = True  # 6.25 %
NOTHING = np.zeros(SIZE, bool)
FLOOR = 0.08125 / 1.01875  # F of an empty prediction of SQUARE
EXECUTION = Execution(
    cache=None, batch_size=1, num_loaders=2, flush_rows=64, flush_sec=20.0, max_failure_rate=0.0, device="cpu"
)


@pytest.fixture
def workspace(tmp_path):
    place = workspace_in(tmp_path)
    place.dataset.mkdir()
    for name, mask in {"square": SQUARE, "nothing": NOTHING}.items():
        Image.fromarray(mask.astype(np.uint8) * 255).save(place.dataset / f"{name}.png")
    return place


def reference(uid: str, row: int, *, gt: list[str | None], **changes: object) -> dict:
    paths = [None if name is None else f"{name}.png" for name in gt]
    return sample(uid, row, frames=[f"f{i}" for i in range(len(gt))], size=SIZE) | {"mask_paths": paths} | changes


def mask(of: dict, frame_index: int, pred: np.ndarray | None, **changes: object) -> dict:
    """A masks row; None is an abstention."""
    shown = NOTHING if pred is None else pred
    scores = np.where(shown[::2, ::2], np.float32(0.9), np.float32(0))
    return {
        "uid": of["uid"], "row": of["row"], "frame_index": frame_index, "height": SIZE[0], "width": SIZE[1],
        "rle": rle.encode(shown), "levels": None if pred is None else levels.compress(scores),
        "levels_size": 16, "predicted_iou": None, "status": "no_box" if pred is None else "ok",
        "reason": "no candidate above 0.1" if pred is None else None,
    } | changes  # fmt: skip


def make_params(**changes: str) -> Params:
    params = params_file.load(ROOT / "params.yaml")
    return params.model_copy(update={"score": params.score.model_copy(update=changes)})


def run(
    workspace,
    pairs: list[tuple[dict, list[dict]]],
    *,
    protocol: str = "tgs",
    gt_resize: str = "nearest",
    **changes: str,
):
    """The scores rows by uid, and metrics.json."""
    table.write(workspace.samples, samples.SCHEMA, [table.from_rows([one for one, _ in pairs], samples.SCHEMA)])
    found = [row for _, rows in pairs for row in rows]
    table.write(workspace.masks, masks.SCHEMA, [table.from_rows(found, masks.SCHEMA)])
    params = make_params(protocol=protocol, gt_resize=gt_resize, **changes)
    score.run(params, workspace, EXECUTION)
    rows = pq.read_table(workspace.scores).to_pylist()
    assert [row["uid"] for row in rows] == [one["uid"] for one, _ in pairs]
    return {row["uid"]: row for row in rows}, json.loads(workspace.metrics.read_text())


def test_protocol_tgs(workspace):
    seen = reference("a_x_1", 0, gt=["square", "nothing"])
    unseen = reference("b_x_1", 1, gt=["square"], split="test_u")
    absent = reference("null_m-a_null_1", 2, gt=[None, None], split="test_n", is_null=True)
    rows, metrics = run(
        workspace,
        [
            (seen, [mask(seen, 0, SQUARE), mask(seen, 1, SQUARE)]),
            (unseen, [mask(unseen, 0, None)]),
            (absent, [mask(absent, 0, SQUARE), mask(absent, 1, None)]),
        ],
    )
    assert rows["a_x_1"]["J"] == pytest.approx((1 + 0.9375) / 2)
    assert rows["a_x_1"]["F"] == pytest.approx(1)
    assert (rows["b_x_1"]["J"], rows["b_x_1"]["F"]) == (0, pytest.approx(FLOOR))  # an abstention is scored
    assert rows["b_x_1"]["status"] == "ok"
    assert (rows["null_m-a_null_1"]["S"], rows["null_m-a_null_1"]["J"]) == (0.125, None)
    assert metrics["protocol"] == "tgs"
    assert list(metrics["splits"]) == ["test_s", "test_u", "mix", "test_n"]
    assert metrics["splits"]["mix"]["J"] == pytest.approx((1 + 0.9375) / 4)
    assert metrics["splits"]["test_n"] == {"S": 0.125, "false_positive_rate": 1.0, "samples": 1, "coverage": 1.0}


def test_protocol_davis_scores_the_mask_at_the_size_of_the_frame(workspace):
    one = reference("a_x_1", 0, gt=["square", "nothing"])
    fine = SQUARE.copy()
    fine[7, 8:16] = True  # one row, which the score map of 16 x 16 does not show
    rows, metrics = run(workspace, [(one, [mask(one, 0, fine), mask(one, 1, None)])], protocol="davis")
    assert rows["a_x_1"]["J"] == pytest.approx((64 / 72 + 1) / 2)
    assert rows["a_x_1"]["F"] == 1  # within the tolerance of one pixel
    assert metrics["protocol"] == "davis"


def test_davis_scores_null_samples_by_their_mask(workspace):
    absent = reference("null_m-a_null_1", 0, gt=[None], split="test_n", is_null=True)
    rows, _ = run(workspace, [(absent, [mask(absent, 0, SQUARE, levels=None)])], protocol="davis")
    assert rows["null_m-a_null_1"]["S"] == 0.25


@pytest.mark.parametrize("protocol", ["tgs", "davis"])
def test_temporal_stability_is_told_beside_the_scores(workspace, protocol):
    """The object rests and is lost in the second of three frames: both pairs turn half of what is there."""
    one = reference("a_x_1", 0, gt=["square"] * 3)
    short = reference("a_x_2", 1, gt=["square"])
    pairs = [(one, [mask(one, at, shown) for at, shown in enumerate((SQUARE, None, SQUARE))])]
    rows, metrics = run(workspace, [*pairs, (short, [mask(short, 0, SQUARE)])], protocol=protocol)
    assert rows["a_x_1"]["temporal_stability"] == 0.5 and rows["a_x_2"]["temporal_stability"] is None
    assert metrics["splits"]["test_s"]["temporal_stability"] == 0.5


def test_samples_whose_object_comes_later_are_counted_once_more(workspace):
    truth = {"a_x_1": ["nothing", "square"], "a_x_2": ["square", "nothing"], "a_x_3": ["nothing", "nothing"]}
    said = {"status": "no_answer", "reason": "think: the reply is truncated"}
    pairs = []
    for row, (uid, gt) in enumerate(truth.items()):
        one = reference(uid, row, gt=gt)
        pairs.append((one, [mask(one, at, SQUARE if shown == "square" else None) for at, shown in enumerate(gt)]))
    unread = reference("a_x_4", 3, gt=["nothing", "square"])
    pairs.append((unread, [mask(unread, at, None, **said) for at in range(2)]))
    rows, metrics = run(workspace, pairs)
    assert {uid: found["enters_late"] for uid, found in rows.items()} == {
        "a_x_1": True, "a_x_2": False, "a_x_3": False, "a_x_4": True
    }  # fmt: skip
    assert metrics["splits"]["test_s"]["JF_late_entrants"] == pytest.approx(rows["a_x_1"]["JF"] / 2)


def test_an_unreadable_reply_is_scored_as_the_worst_and_covered(workspace):
    said = {"status": "no_answer", "reason": "think: the reply is truncated"}
    one = reference("a_x_1", 0, gt=["nothing"])
    absent = reference("null_m-a_null_1", 1, gt=[None], split="test_n", is_null=True)
    rows, metrics = run(workspace, [(one, [mask(one, 0, None, **said)]), (absent, [mask(absent, 0, None, **said)])])
    assert [rows["a_x_1"][name] for name in ("J", "F", "JF", "status")] == [0, 0, 0, "no_answer"]
    assert rows["a_x_1"]["reason"] == "think: the reply is truncated"
    assert (rows["null_m-a_null_1"]["S"], rows["null_m-a_null_1"]["status"]) == (1, "no_answer")
    assert metrics["splits"]["test_s"]["coverage"] == 1
    assert metrics["splits"]["test_n"] == {"S": 1.0, "false_positive_rate": 1.0, "samples": 1, "coverage": 1.0}


def test_what_failed_is_not_scored_and_lowers_coverage(workspace, caplog):
    good = reference("a_x_1", 0, gt=["square"])
    frame = reference("a_x_2", 1, gt=["square", "square"])
    whole = reference("a_x_3", 2, gt=[], status="failed", reason="no frames", num_frames=1)
    absent = reference("null_m-a_null_1", 3, gt=[None], split="test_n", is_null=True)
    broken = {"status": "failed", "reason": "segment: f.jpg is truncated"}
    with caplog.at_level(logging.INFO):
        rows, metrics = run(
            workspace,
            [
                (good, [mask(good, 0, SQUARE)]),
                (frame, [mask(frame, 0, SQUARE), mask(frame, 1, None, **broken)]),
                (whole, []),
                (absent, [mask(absent, 0, None, **broken)]),
            ],
        )
    assert (rows["a_x_2"]["J"], rows["a_x_2"]["status"], rows["a_x_2"]["num_frames"]) == (None, "failed", 0)
    assert rows["a_x_2"]["reason"] == "frame 1: segment: f.jpg is truncated"
    assert rows["a_x_3"]["reason"] == "sample: no frames"
    assert metrics["splits"]["test_s"]["J"] == pytest.approx(1)
    assert (metrics["splits"]["test_s"]["samples"], metrics["splits"]["test_s"]["coverage"]) == (3, 0.25)
    assert metrics["splits"]["test_n"] == {"S": None, "false_positive_rate": None, "samples": 1, "coverage": 0.0}
    assert "3 samples are not scored" in caplog.text
    assert "a_x_2 (row 1): frame 1: segment: f.jpg is truncated" in caplog.text


def test_masks_of_a_part_of_the_objects_are_not_scored_and_lower_coverage(workspace, caplog):
    """Without the object that was not asked about, a sample and a null sample would both score as well as can be."""
    good, part = reference("a_x_1", 0, gt=["square"]), reference("a_x_2", 1, gt=["square"])
    absent = reference("null_m-a_null_1", 2, gt=[None], split="test_n", is_null=True)
    partial = {"status": "partial", "reason": "dog: could not be asked about"}
    rows, metrics = run(
        workspace,
        [
            (good, [mask(good, 0, SQUARE)]),
            (part, [mask(part, 0, SQUARE, **partial)]),
            (absent, [mask(absent, 0, NOTHING, **partial)]),
        ],
    )
    found = rows["a_x_2"]
    assert (found["J"], found["num_frames"], found["status"]) == (None, 0, "partial")
    assert found["reason"] == "dog: could not be asked about" and rows["null_m-a_null_1"]["S"] is None
    assert (metrics["splits"]["test_s"]["J"], metrics["splits"]["test_s"]["coverage"]) == (pytest.approx(1), 0.5)
    assert metrics["splits"]["test_n"]["coverage"] == 0
    assert "a_x_2 (row 1): dog: could not be asked about" in caplog.text


def test_ground_truth_that_cannot_be_used_is_named(workspace):
    (workspace.dataset / "corrupt.png").write_bytes((workspace.dataset / "square.png").read_bytes()[:40])
    Image.fromarray(np.zeros((8, 16), np.uint8)).save(workspace.dataset / "small.png")
    names = ["missing", "corrupt", "small"]
    found = [reference(f"a_x_{row}", row, gt=["square", name]) for row, name in enumerate(names)]
    rows, metrics = run(workspace, [(one, [mask(one, 0, SQUARE), mask(one, 1, SQUARE)]) for one in found])
    for row, what in enumerate(
        ("missing.png: no such file", "corrupt.png: ", "small.png: 16 x 8 px, but frame 1 has 32 x 32 px")
    ):
        assert rows[f"a_x_{row}"]["status"] == "failed"
        assert what in rows[f"a_x_{row}"]["reason"]
    assert metrics["splits"]["test_s"] == {"J": None, "F": None, "JF": None, "samples": 3, "coverage": 0.0}


def test_only_frames_with_ground_truth_are_scored(workspace):
    none = reference("a_x_1", 0, gt=[None, None], split="media")
    some = reference("a_x_2", 1, gt=["square", None], split="media")
    said = {"status": "no_answer", "reason": "think: the reply is malformed"}
    rows, metrics = run(
        workspace,
        [
            (none, [mask(none, 0, None, **said), mask(none, 1, None, **said)]),
            (some, [mask(some, 0, SQUARE), mask(some, 1, None)]),
        ],
    )
    assert rows["a_x_1"]["reason"] == "no ground truth"
    assert (rows["a_x_2"]["num_frames"], rows["a_x_2"]["status"]) == (1, "ok"), "the frame without it is left out"
    assert rows["a_x_2"]["J"] == pytest.approx(1, abs=1e-6)
    assert metrics["splits"]["media"]["samples"] == 2 and metrics["splits"]["media"]["coverage"] == 1 / 4


def test_missing_frames_are_not_scored_and_lower_coverage(workspace):
    one = reference("a_x_1", 0, gt=["square", "square"], frame_indices=[0, 7], num_frames=10)
    rows, metrics = run(workspace, [(one, [mask(one, 0, SQUARE), mask(one, 7, SQUARE)])])
    assert (rows["a_x_1"]["num_frames"], rows["a_x_1"]["num_frames_expected"]) == (2, 10)
    assert metrics["splits"]["test_s"]["J"] == pytest.approx(1)
    assert metrics["splits"]["test_s"]["coverage"] == 0.2


def test_gt_resize_as_upstream_dilates(workspace):
    one = reference("a_x_1", 0, gt=["square"])
    pairs = [(one, [mask(one, 0, SQUARE)])]
    assert run(workspace, pairs)[0]["a_x_1"]["J"] == pytest.approx(1)
    assert run(workspace, pairs, gt_resize="bicubic_bool")[0]["a_x_1"]["J"] < 0.7


def test_outputs_are_the_same_again_and_csv_files_stand_beside_them(workspace):
    one = reference("a_x_1", 0, gt=["square"])
    pairs = [(one, [mask(one, 0, SQUARE)])]
    run(workspace, pairs)
    names = ["curve.csv", "metrics.json", "scores.parquet", "splits.csv"]
    folder = workspace.scores.parent
    assert sorted(path.name for path in folder.iterdir()) == names
    first = [(folder / name).read_bytes() for name in names]
    run(workspace, pairs)
    assert [(folder / name).read_bytes() for name in names] == first
    assert (folder / "splits.csv").read_text().startswith("score,value\ntest_s J,0.99")
    assert (folder / "curve.csv").read_text().startswith("split,share,JF\ntest_s,1.0,0.99")


def test_a_shard_writes_nothing(workspace):
    params = make_params()
    score.run(params, workspace, Execution(**vars(EXECUTION) | {"shard": Shard(0, 2)}))
    assert not workspace.scores.exists()


def test_masks_of_other_samples_are_refused(workspace):
    one = reference("a_x_1", 0, gt=["square"])
    with pytest.raises(ValueError, match=r"masks\.parquet: a_x_1 .* has rows of the frames \[3\], expected \[0\]"):
        run(workspace, [(one, [mask(one, 3, SQUARE)])])
    assert not workspace.scores.exists()


def test_damaged_score_map_fails_its_sample(workspace):
    one = reference("a_x_1", 0, gt=["square"])
    rows, _ = run(workspace, [(one, [mask(one, 0, SQUARE, levels=b"junk")])])
    assert (rows["a_x_1"]["status"], "the score map is damaged" in rows["a_x_1"]["reason"]) == ("failed", True)


def test_scoring_needs_no_torch():
    import subprocess
    import sys

    code = "import sys, tgs_pipeline.operators.score; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("protocol", ["refavs", "avsbench", "alref"])
def test_protocols_of_batches(workspace, protocol):
    found = [reference(f"{row}_x_1", row, gt=["square"]) for row in range(5)]
    said = {"status": "no_answer", "reason": "think: the reply is truncated"}
    absent = reference("null_m-a_null_1", 9, gt=[None], split="test_n", is_null=True)
    pairs = [(one, [mask(one, 0, SQUARE)]) for one in found[:4]]
    pairs += [(found[4], [mask(found[4], 0, None, **said)]), (absent, [mask(absent, 0, SQUARE)])]
    rows, metrics = run(workspace, pairs, protocol=protocol)
    assert rows["0_x_1"]["J"] == pytest.approx(1, abs=0.4) and rows["0_x_1"]["JF"] is not None
    mean = {"refavs": 0.5, "avsbench": 0.5, "alref": 0.8}[
        protocol
    ]  # the fifth sample is a batch of its own, or a frame
    assert metrics["splits"]["test_s"]["J"] == pytest.approx(mean * rows["0_x_1"]["J"])
    assert metrics["splits"]["test_s"]["F"] == pytest.approx(mean)
    both = metrics["splits"]["test_s"]
    assert both["JF"] == pytest.approx((both["J"] + both["F"]) / 2) and both["samples"] == 5
    assert metrics["splits"]["test_n"]["S"] == 0.25


def test_one_object_of_a_png_of_labels_is_the_ground_truth(workspace):
    Image.fromarray(np.where(SQUARE, 2, 1).astype(np.uint8), mode="L").save(workspace.dataset / "labels.png")
    one = reference("a_x_1", 0, gt=["square"]) | {"mask_paths": ["labels.png#2"]}
    rows, _ = run(workspace, [(one, [mask(one, 0, SQUARE)])], protocol="davis")
    assert (rows["a_x_1"]["J"], rows["a_x_1"]["F"]) == (1, 1)
    rows, _ = run(workspace, [(one | {"mask_paths": ["labels.png#3"]}, [mask(one, 0, SQUARE)])], protocol="davis")
    assert rows["a_x_1"]["J"] == 0


def test_a_repeated_uid_is_scored_once_against_its_last_ground_truth_where_asked_for(workspace):
    first, last = reference("a_x_1", 0, gt=["nothing"]), reference("a_x_1", 7, gt=["square"])
    pairs = [(first, [mask(first, 0, SQUARE)]), (last, [mask(last, 0, None)])]
    run(workspace, pairs)
    each = pq.read_table(workspace.scores).to_pylist()
    assert [row["J"] for row in each] == pytest.approx([0.9375, 0])
    assert json.loads(workspace.metrics.read_text())["splits"]["test_s"]["samples"] == 2
    _, metrics = run(workspace, pairs, repeated_uids="first")
    scored, left_out = pq.read_table(workspace.scores).to_pylist()
    assert (scored["J"], scored["status"]) == (pytest.approx(1), "ok")
    assert (left_out["J"], left_out["status"]) == (None, "repeated")
    assert "the uid stands in row 0 already" in left_out["reason"]
    assert metrics["splits"]["test_s"]["samples"] == 1 and metrics["splits"]["test_s"]["J"] == pytest.approx(1)
    assert metrics["splits"]["test_s"]["coverage"] == 1


def test_absence_scores_as_upstream_where_asked_for(workspace):
    bare = reference("a_x_1", 0, gt=[None])
    half = reference("b_x_1", 1, gt=["square", None])
    absent = reference("null_m-a_null_1", 2, gt=[None], split="test_n", is_null=True)
    pairs = [
        (bare, [mask(bare, 0, SQUARE)]),
        (half, [mask(half, 0, SQUARE), mask(half, 1, None)]),
        (absent, [mask(absent, 0, SQUARE)]),
    ]
    rows, _ = run(workspace, pairs)
    assert (rows["a_x_1"]["status"], rows["null_m-a_null_1"]["S"]) == ("failed", 0.25)
    rows, metrics = run(workspace, pairs, missing="scored")
    assert [rows["a_x_1"][name] for name in ("J", "F", "JF", "status")] == [0, 0, 0, "ok"]
    assert rows["b_x_1"]["J"] == pytest.approx(1)
    assert rows["null_m-a_null_1"]["S"] == 0  # perfect, although something is masked
    assert "trap T7" in rows["a_x_1"]["reason"]
    assert metrics["splits"]["test_s"]["J"] == pytest.approx(0.5)
    assert metrics["splits"]["test_s"]["coverage"] == pytest.approx(1 / 3)


def test_metrics_say_how_each_stage_was_made(workspace):
    one = reference("a_x_1", 0, gt=["square"])
    _, metrics = run(workspace, [(one, [mask(one, 0, SQUARE)])], gt_resize="bicubic_bool")
    assert metrics["compat"]["think"] == "corrected"
    assert metrics["compat"]["score"] == "mixed (T28 as upstream)"
