"""think with audio_tags and lbru: what is heard and said of each clip becomes the chains of its samples."""

import json

import pyarrow as pa
import pytest
from asked_example import sample, workspace_in, write_frame
from choosing_example import server_params
from multimodal_server import KEY, KEY_NAME, Fail, serve, text_of
from project import ROOT
from recordings import write_recordings

from tgs_pipeline import params as params_file
from tgs_pipeline.artifacts import chains, features, samples, table
from tgs_pipeline.data.media import content_hash
from tgs_pipeline.execution import Execution, Shard, StageError
from tgs_pipeline.operators import detect, think
from tgs_pipeline.params_choosing import Drawing, LbruParams
from tgs_pipeline.params_multimodal import ReplayParams

TAGS = {  # best first, as the stage features writes them; c has no sound, d has no features
    "a": [("Silence", 0.9), ("dog", 0.8), ("car", 0.2)],
    "b": [("car", 0.7), ("dog", 0.6), ("Silence", 0.1)],
    "c": [],
}
PARAMS = params_file.load(ROOT / "params.yaml")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY_NAME, KEY)


@pytest.fixture
def workspace(tmp_path):
    """Two samples of video a, one of b, c and d each."""
    workspace = workspace_in(tmp_path)
    rows = []
    for row, vid in enumerate("aabcd"):
        names = [f"{vid}{index}" for index in range(4)]
        for name in names:
            write_frame(workspace, name)
        hashes = [content_hash(workspace.dataset / f"{name}.png") for name in names]
        changes = {"vid": vid, "frame_paths": [f"{name}.png" for name in names], "frame_indices": [2, 3, 5, 7]}
        rows.append(sample(f"{vid}{row}", row, frames=hashes, **changes))
    table.write_rows(workspace.samples, samples.SCHEMA, rows)
    workspace.features.mkdir(parents=True)
    with pa.ipc.new_file(workspace.features / "features-00000.arrow", features.SCHEMA) as writer:
        for vid in "abcd":
            failed = {"status": "failed", "reason": "audio.wav is no sound file"} if vid == "d" else {}
            row = dict.fromkeys(features.SCHEMA.names) | {"vid": vid, "key": vid, "status": "ok"} | failed
            writer.write_batch(pa.RecordBatch.from_pylist([row], schema=features.SCHEMA))
    tags = [{"vid": vid, "label": label, "score": score} for vid, found in TAGS.items() for label, score in found]
    table.write_rows(workspace.audio_tags, features.AUDIO_TAGS, tags)
    return workspace


def run(workspace, *, max_failure_rate=0.0, shard=None, **changes):
    params = PARAMS.model_copy(update={"think": PARAMS.think.model_copy(update=changes)})
    execution = Execution(
        cache=workspace.artifacts.parent / "rows", batch_size=2, num_loaders=1, flush_rows=1, flush_sec=1,
        max_failure_rate=max_failure_rate, device="cpu", **({} if shard is None else {"shard": shard}),
    )  # fmt: skip
    think.run(params, workspace, execution)
    return {row["uid"]: row for row in table.read_rows(workspace.chains, chains.SCHEMA)} if shard is None else None


def lbru(model, *, compat="corrected", single=False, step=1):
    drawing = Drawing(columns=5, tile_width_px=96, jpeg_quality=80)
    return {
        "backend": "lbru",
        "lbru": LbruParams(
            num_labels=2, categories=["dog", "car"], single=single, step=step, compat=compat, drawing=drawing,
            model=model,
        ),
    }  # fmt: skip


def test_the_best_tag_besides_silence_names_the_object(workspace):
    rows = run(workspace, backend="audio_tags")
    assert [rows[uid]["s_object"] for uid in ("a0", "a1", "b2", "c3")] == ["dog", "dog", "car", None]
    assert (rows["c3"]["status"], rows["d4"]["status"]) == ("ok", "failed")
    assert rows["d4"]["reason"] == "audio.wav is no sound file"


def test_labels_that_are_ids_get_names(workspace, tmp_path):
    names = tmp_path / "labels.csv"
    names.write_text("index,mid,display_name\n0,dog,Bark\n1,car,Engine\n")
    assert run(workspace, backend="audio_tags", label_names=str(names))["a0"]["s_object"] == "Bark"


def test_a_model_names_objects_and_frames_once_for_each_clip(workspace):
    with serve(lambda request: "['dog': 2, 'car': 1]") as server:
        model = server_params(server.base_url)
        rows = run(workspace, **lbru(model, step=2))
        asked = [text_of(request) for request in server.requests]
        before = workspace.chains.read_bytes()
        run(workspace, **lbru(model, step=2))
        run(workspace, shard=Shard(0, 2), **lbru(model, step=2))  # a share of the run asks nothing by itself
        assert len(server.requests) == len(asked) == 3 and workspace.chains.read_bytes() == before
    assert any("car, dog." in text for text in asked) and any("nothing that it knows" in text for text in asked)
    assert json.loads(rows["a0"]["raw"]) == {"dog": 5, "car": 2}  # frames 2 and 5 of the clip were shown
    assert (rows["a1"]["s_object"], rows["a1"]["status"], rows["d4"]["status"]) == ("dog. car", "ok", "failed")


def test_the_model_is_told_the_best_labels_of_both_taggers_in_one_sorted_list(workspace):
    """The union of the best of each, not the best of the union."""
    tags = [("a", "Silence", 0.99), ("a", "train", 0.5), ("a", "bell", 0.4), ("a", "dog", 0.3), ("b", "car", 0.9)]
    rows = [{"vid": vid, "label": label, "score": score} for vid, label, score in tags]
    table.write_rows(workspace.other_audio_tags, features.AUDIO_TAGS, rows)
    with serve(lambda request: "['dog': 2]") as server:
        run(workspace, **lbru(server_params(server.base_url)))
        asked = [text_of(request) for request in server.requests]
    assert any("bell, car, dog, train." in text for text in asked) and any("car, dog." in text for text in asked)
    assert run(workspace, backend="audio_tags")["b2"]["s_object"] == "car"  # the best of the first one


def test_the_detector_is_asked_for_each_object(workspace):
    with serve(lambda request: "['dog': 2, 'car': 1]") as server:
        run(workspace, **lbru(server_params(server.base_url)))
    settings = PARAMS.detect.model_copy(update={"captions": ["objects"]})
    recipe = detect.Recipe(stage="detect", version=1, params={}, weights="")
    found = pa.concat_tables(detect.units(workspace, recipe=recipe, settings=settings))
    assert set(found["caption"].to_pylist()) == {"dog.", "car."} and found.num_rows == 4 * 2 * 4


@pytest.mark.parametrize(
    ("reply", "corrected", "parity"),
    [
        ("[]", ("ok", None), ("ok", None)),
        ("I hear ['dog': 2]", ("malformed", None), ("ok", "dog")),
        ("['dog': 9]", ("malformed", None), ("ok", "dog")),
        ("['../../etc': 1, '<script>': 2]", ("malformed", None), ("ok", "../../etc. <script>")),
        ("{" * 4000, ("malformed", None), ("ok", None)),
        (Fail(500), ("failed", None), ("failed", None)),
    ],
)
def test_adversarial_replies(workspace, tmp_path, reply, corrected, parity):
    for compat, expected in (("corrected", corrected), ("parity", parity)):
        with serve(lambda request: reply) as server:
            model = server_params(server.base_url, max_retries=0, model=compat)
            row = run(workspace, max_failure_rate=1.0, **lbru(model, compat=compat))["a0"]
        assert (row["status"], row["s_object"]) == expected, compat
        assert row["s_object"] or row["reason"]


def test_a_server_that_cannot_be_reached_stops_the_stage(workspace):
    with serve(lambda request: Fail(500)) as server, pytest.raises(StageError, match="500"):
        run(workspace, **lbru(server_params(server.base_url, max_retries=0)))


def test_recorded_replies_give_the_published_objects(workspace, tmp_path):
    objects = {"a": "{'dog': 2}", "b": "{'car': 1, 'dog': 4}", "c": "{}"}
    recorded = write_recordings(tmp_path / "recorded", objects=objects)
    model = ReplayParams(provider="replay", recordings=str(recorded))
    rows = run(workspace, **lbru(model, compat="parity"))
    assert [rows[uid]["raw"] and json.loads(rows[uid]["raw"]) for uid in ("a0", "b2", "c3")] == [
        {"dog": 3},
        {"car": 2, "dog": 7},
        None,
    ]
