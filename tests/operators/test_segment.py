from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from asked_example import box, chain, sample, workspace_in, write_frame
from project import ROOT

from tgs_pipeline import params as params_file
from tgs_pipeline.artifacts import boxes, chains, features, masks, object_masks, samples, table
from tgs_pipeline.backends.segmenter.base import Segmentation
from tgs_pipeline.data.media import load_frames
from tgs_pipeline.execution import Execution, Shard, StageError
from tgs_pipeline.metrics import levels, rle
from tgs_pipeline.operators import segment
from tgs_pipeline.params import Params, Segment
from tgs_pipeline.params_choosing import TagMatching
from tgs_pipeline.rows import Recipe
from tgs_pipeline.tinyworld.models import sam2 as tiny

pytestmark = pytest.mark.usefixtures("content_is_the_name")

RECIPE = Recipe(stage="segment", version=1, params={}, weights="w")
THINK = params_file.load(ROOT / "params.yaml").think
SMALL, LARGE = [8.0, 8.0, 24.0, 24.0], [8.0, 8.0, 72.0, 56.0]


class FakeSegmenter:
    """Fills each box; remembers what it was asked."""

    def __init__(self):
        self.calls: list[list[int]] = []

    def segment(self, images, boxes_xyxy_px):
        self.calls.append([len(found) for found in boxes_xyxy_px])
        return [[self._fill(image, box) for box in found] for image, found in zip(images, boxes_xyxy_px, strict=True)]

    def _fill(self, image, box):
        mask = np.zeros(image.shape[:2], bool)
        x0, y0, x1, y1 = box.astype(int)
        mask[y0:y1, x0:x1] = True
        logits = np.where(mask, 4.0, -4.0).astype(np.float32)
        return Segmentation(mask, logits, 0.5)


def write_inputs(workspace, sample_rows: list[dict], box_rows: list[dict]) -> None:
    table.write(workspace.samples, samples.SCHEMA, [table.from_rows(sample_rows, samples.SCHEMA)])
    table.write(workspace.boxes, boxes.SCHEMA, [table.from_rows(box_rows, boxes.SCHEMA)])


@pytest.fixture
def workspace(tmp_path):
    """Two references to one clip of two frames and a third one without an answer."""
    place = workspace_in(tmp_path)
    for name in ("f0", "f1"):
        write_frame(place, name)
    write_inputs(
        place,
        [sample(uid, row, frames=["f0", "f1"]) for row, uid in enumerate(("a_x_1", "a_x_2", "a_x_3"))],
        [
            box("a_x_1", 0, 0, SMALL),
            box("a_x_1", 0, 1, LARGE),
            box("a_x_2", 1, 0, LARGE),
            box("a_x_2", 1, 1, None),
            box("a_x_3", 2, 0, SMALL),
            box("a_x_3", 2, 1, LARGE),
        ],
    )
    return place


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sam2")
    tiny.write(folder, seed=0)
    return folder


def params(weights: Path, **changes: object) -> Params:
    """The one section that the stage reads."""
    settings = {
        "backend": "sam2", "weights": str(weights / "sam2.safetensors"), "config": str(weights / "sam2.yaml"),
        "mode": "frame", "exclusive": None, "silent_frames": "keep", "matching": None,
        "sounding": "profiles/sounding/none.json", "input_size_px": None, "swap_channels": False, "levels_size_px": 64,
        "dtype": "float32",
    }  # fmt: skip
    return Params.model_construct(segment=Segment(**settings | changes))


def execution(workspace, **changes: object) -> Execution:
    options = {
        "cache": workspace.artifacts / "rows", "batch_size": 3, "num_loaders": 2, "flush_rows": 64, "flush_sec": 20.0,
        "max_failure_rate": 0.0, "device": "cpu",
    }  # fmt: skip
    return Execution(**options | changes)


def test_units_of_one_frame_stand_together(workspace):
    (units,) = segment.units(workspace, recipe=RECIPE)
    assert units["frame_hash"].to_pylist() == ["f0", "f0", "f0", "f1", "f1"]
    assert units["box_xyxy_px"].to_pylist() == [SMALL, LARGE, SMALL, LARGE, LARGE]
    keys = units["key"].to_pylist()
    assert keys[0] == keys[2] != keys[1]
    assert keys[3] == keys[4]
    assert keys[0] == RECIPE.key("f0", SMALL)


def test_a_frame_is_given_once_with_all_its_boxes(workspace):
    (units,) = segment.units(workspace, recipe=RECIPE)
    loaded = load_frames(units, root=workspace.dataset)
    assert loaded["reason"].to_pylist() == [None] * 5
    fake = FakeSegmenter()
    rows = segment.SegmentOperator(fake, levels_size_px=32)(loaded.drop_columns("reason")).to_pylist()
    assert fake.calls == [[3, 2]]
    assert [row["key"] for row in rows] == units["key"].to_pylist()
    for row, xyxy in zip(rows, units["box_xyxy_px"].to_pylist(), strict=True):
        mask = rle.decode(row["rle"], height=64, width=96)
        assert mask.sum() == (xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1])
        assert (row["height"], row["width"], row["predicted_iou"], row["status"]) == (64, 96, 0.5, "ok")
        shown = levels.foreground(levels.decompress(row["levels"], size=32))
        assert (shown == mask[::2, ::3]).mean() > 0.9


def test_run_writes_a_row_for_each_box_in_order(workspace, weights):
    segment.run(params(weights), workspace, execution(workspace))
    rows = pq.read_table(workspace.masks).to_pylist()
    asked = pq.read_table(workspace.boxes).to_pylist()
    identity = ("uid", "row", "frame_index")
    assert [[row[name] for name in identity] for row in rows] == [[row[name] for name in identity] for row in asked]
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "no_box", "ok", "ok"]
    assert rows[3]["reason"] == "no candidate above 0.1"
    assert rows[3]["levels"] is None
    assert not rle.decode(rows[3]["rle"], height=64, width=96).any()
    assert all((row["height"], row["width"], row["levels_size"]) == (64, 96, 64) for row in rows)
    same = {name: value for name, value in rows[4].items() if name not in identity}
    assert same == {name: value for name, value in rows[0].items() if name not in identity}
    assert rows[0]["levels"] != rows[2]["levels"]
    store = workspace.artifacts / "rows" / "segment"
    stored = pa.concat_tables(pq.read_table(path) for path in store.glob("seg-*.parquet"))
    assert stored.num_rows == 3  # (f0, SMALL), (f0, LARGE), (f1, LARGE)


def test_run_again_computes_nothing_and_gives_the_same_bytes(workspace, weights, monkeypatch):
    segment.run(params(weights), workspace, execution(workspace))
    first = workspace.masks.read_bytes()
    workspace.masks.unlink()
    object_masks.path_of(workspace).write_bytes(b"of mode propagate")
    monkeypatch.setattr(segment, "make_segmenter", lambda *_, **__: pytest.fail("a model was loaded"))
    segment.run(params(weights), workspace, execution(workspace))
    assert workspace.masks.read_bytes() == first and not object_masks.path_of(workspace).exists()


def test_batch_size_changes_no_mask(workspace, weights, tmp_path):
    segment.run(params(weights), workspace, execution(workspace))
    first = pq.read_table(workspace.masks)
    segment.run(params(weights), workspace, execution(workspace, batch_size=1, cache=tmp_path / "other"))
    again = pq.read_table(workspace.masks)
    assert again["rle"].to_pylist() == first["rle"].to_pylist()


def test_the_recipe_follows_settings_and_files_and_nothing_else(weights, tmp_path):
    first = segment.make_recipe(params(weights).segment)
    assert first.key() != segment.make_recipe(params(weights, swap_channels=True).segment).key()
    (tmp_path / "other.yaml").write_text((weights / "sam2.yaml").read_text() + "\n")
    assert first.key() != segment.make_recipe(params(weights, config=str(tmp_path / "other.yaml")).segment).key()
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("sam2.safetensors", "sam2.yaml"):
        (moved / name).write_bytes((weights / name).read_bytes())
    assert first.key() == segment.make_recipe(params(moved).segment).key()


def test_rows_of_single_frames_have_the_keys_they_had_before_there_was_propagation(weights):
    frame = segment.make_recipe(params(weights).segment)
    assert (frame.stage, frame.version) == ("segment", 2)
    assert frame.params == {
        "backend": "sam2", "input_size_px": None, "swap_channels": False, "levels_size_px": 64, "dtype": "float32"
    }  # fmt: skip
    assert segment.make_recipe(params(weights, silent_frames="drop", sounding="x.json").segment) == frame


def test_propagation_has_a_store_of_its_own(weights):
    tracked = segment.make_recipe(params(weights, mode="propagate").segment)
    assert tracked.stage == "propagate"
    shared = {"background_logit": -1.0, "num_annotations": 4}
    assert segment.make_recipe(params(weights, mode="propagate", exclusive=shared).segment).key() != tracked.key()


def test_a_run_by_propagation_through_the_real_network(workspace, weights):
    """The one box of a_x_2 is in the first frame; it gets a mask in both. The others are tracked from two boxes."""
    segment.run(params(weights, mode="propagate"), workspace, execution(workspace))
    rows = pq.read_table(workspace.masks).to_pylist()
    assert [row["status"] for row in rows] == ["ok"] * 6
    assert [row["frame_index"] for row in rows] == [0, 1] * 3
    assert rows[0]["rle"] == rows[4]["rle"] and rows[0]["levels"] == rows[4]["levels"]
    assert {row["predicted_iou"] for row in rows} == {None}
    segments = (workspace.artifacts / "rows" / "propagate").glob("seg-*.parquet")
    assert sum(pq.read_metadata(path).num_rows for path in segments) == 2


def test_a_shard_publishes_nothing(workspace, weights):
    segment.run(params(weights), workspace, execution(workspace, shard=Shard(0, 2)))
    assert not workspace.masks.exists()


def test_a_frame_that_cannot_be_read_fails_its_rows_alone(workspace, weights):
    (workspace.dataset / "f1.png").write_bytes(b"no image")
    with pytest.raises(StageError, match=r"f1\.png: not a readable JPEG or PNG image"):
        segment.run(params(weights), workspace, execution(workspace))
    segment.run(params(weights), workspace, execution(workspace, max_failure_rate=1.0))
    rows = pq.read_table(workspace.masks).to_pylist()
    assert [row["status"] for row in rows] == ["ok", "failed", "ok", "no_box", "ok", "failed"]
    assert rows[1]["reason"].startswith("segment: ")
    assert "f1.png" in rows[1]["reason"]
    assert not rle.decode(rows[1]["rle"], height=64, width=96).any()
    assert masks.SCHEMA.equals(pq.read_schema(workspace.masks))


def test_who_is_silent_is_found_out_by_the_tags_of_seconds(workspace, weights, tmp_path):
    """Frame 0 shows the second in which the dog barks, frame 1 that of the train."""
    heard = [("dog", 0.9, 0.1), ("train", 0.1, 0.8)]
    named = [("a_x_1", "the brown dog"), ("a_x_2", "train"), ("a_x_3", None)]
    table.write_rows(workspace.chains, chains.SCHEMA, [chain(uid, row, name) for row, (uid, name) in enumerate(named)])
    sound = {"audio_path": "vid.wav", "audio_hash": "vid"}
    sampled = [sample(uid, row, frames=["f0", "f1"], **sound) for row, (uid, _) in enumerate(named)]
    table.write_rows(workspace.samples, samples.SCHEMA, sampled)
    tags = [
        {"vid": "vid", "second": second, "label": label, "score": scores[second]}
        for second in (0, 1)
        for label, *scores in heard
    ]
    table.write_rows(workspace.second_tags, features.SECOND_TAGS, tags)
    recorded = tmp_path / "segments.json"
    recorded.write_text("{}")
    matching = TagMatching(by="tags", similarity=0.5, rival_share=0.5, min_score=0.05)
    wanted = params(weights, silent_frames="drop", matching=matching, sounding=str(recorded))
    wanted = wanted.model_copy(update={"think": THINK})
    segment.run(wanted, workspace, execution(workspace))
    rows = pq.read_table(workspace.masks).to_pylist()
    assert [row["status"] for row in rows] == ["ok", "silent", "silent", "no_box", "ok", "ok"]
    assert rows[1]["reason"] == "the object does not sound in second 1"

    recorded.write_text('{"vid": [[0, 2]]}')  # one segment, in which both are heard
    segment.run(wanted, workspace, execution(workspace))
    assert [row["status"] for row in pq.read_table(workspace.masks).to_pylist()] == ["ok"] * 3 + ["no_box"] + ["ok"] * 2

    table.write_rows(workspace.second_tags, features.SECOND_TAGS, [])
    with pytest.raises(StageError, match="1 of 1 clips cannot be listened to"):
        segment.run(wanted, workspace, execution(workspace))
    segment.run(wanted, workspace, execution(workspace, max_failure_rate=1.0))
    rows = pq.read_table(workspace.masks).to_pylist()
    assert [row["status"] for row in rows] == ["failed"] * 3 + ["no_box"] + ["failed"] * 2
    assert rows[0]["reason"] == "segment: video vid: it has no tags of its seconds, see the stage features"


def test_a_failed_sample_has_no_frames_and_no_masks(workspace, weights):
    failed = sample("b_x_1", 0, frames=[], height=0, width=0, status="failed", reason="no such file")
    write_inputs(workspace, [failed, sample("a_x_1", 1, frames=["f0"])], [box("a_x_1", 1, 0, SMALL)])
    segment.run(params(weights), workspace, execution(workspace))
    assert [row["uid"] for row in pq.read_table(workspace.masks).to_pylist()] == ["a_x_1"]


def test_boxes_of_other_samples_are_refused(workspace):
    write_inputs(workspace, [sample("a_x_1", 0, frames=["f0"])], [box("a_x_1", 0, 7, SMALL)])
    with pytest.raises(ValueError, match=r"boxes\.parquet: a_x_1 .* has rows of the frames \[7\], expected \[0\]"):
        list(segment.units(workspace, recipe=RECIPE))
