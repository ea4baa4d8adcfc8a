import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from project import ROOT

from tgs_pipeline import params as params_file
from tgs_pipeline.artifacts import chains, features, samples
from tgs_pipeline.artifacts.table import from_rows, write
from tgs_pipeline.backends.thinker.base import Reply
from tgs_pipeline.execution import Execution, Shard, StageError
from tgs_pipeline.operators import think
from tgs_pipeline.tinyworld.models.ref_thinker import write_untrained
from tgs_pipeline.workspace import Workspace

REFERENCES = {  # (vid, reference) of each sample
    "a_dog_1": ("a", "The dog."),
    "a_dog_2": ("a", "the DOG."),  # the same prompt, as references are put in lower case
    "a_cat_1": ("a", "the cat"),
    "b_dog_1": ("b", "the dog."),
    "c_dog_1": ("c", "the dog."),  # features failed
    "d_dog_1": ("d", "the dog."),  # the sample failed, and has no features
}


def make_sample(uid, row):
    vid, reference = REFERENCES[uid]
    failed = vid == "d"
    return {
        "uid": uid, "row": row, "vid": vid, "split": "test_s", "reference": reference, "is_null": False,
        "frame_indices": [0], "frame_paths": ["0.jpg"], "frame_hashes": ["0"], "height": 4, "width": 4, "num_frames": 1,
        "audio_path": "audio.wav", "audio_hash": "0", "mask_paths": [None], "mask_hashes": [None],
        "status": "failed" if failed else "ok", "reason": "frame 3 is missing" if failed else None,
    }  # fmt: skip


def make_features(vid, *, seed):
    if vid == "c":
        empty = dict.fromkeys(("visual", "visual_shape", "audio", "audio_shape"))
        return empty | {"vid": vid, "key": "c", "status": "failed", "reason": "audio.wav is no sound file"}
    rng = np.random.default_rng(seed)
    visual, audio = (
        rng.standard_normal((2, 4, 128)).astype(np.float16),
        rng.standard_normal((2, 3, 128)).astype(np.float16),
    )
    return {
        "vid": vid, "key": f"{vid}{seed}", "visual": visual.tobytes(), "visual_shape": visual.shape,
        "audio": audio.tobytes(), "audio_shape": audio.shape, "status": "ok", "reason": None,
    }  # fmt: skip


def write_features(workspace, *, seed=1):
    workspace.features.mkdir(parents=True, exist_ok=True)
    with pa.ipc.new_file(workspace.features / "features-00000.arrow", features.SCHEMA) as writer:
        for vid in ("a", "b", "c"):
            writer.write_batch(pa.RecordBatch.from_pylist([make_features(vid, seed=seed)], schema=features.SCHEMA))


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "ref_thinker"
    write_untrained(folder, words=["the", "dog", "cat"], seed=0)
    return folder


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(artifacts=tmp_path / "artifacts", dataset=tmp_path / "dataset")
    rows = [make_sample(uid, row) for row, uid in enumerate(REFERENCES)]
    write(workspace.samples, samples.SCHEMA, [from_rows(rows, samples.SCHEMA)])
    write_features(workspace)
    return workspace


def make_params(weights, **changes):
    params = params_file.load(ROOT / "params.yaml")
    settings = {"weights": str(weights), "max_new_tokens": 24, **changes}
    return params.model_copy(update={"think": params.think.model_copy(update=settings)})


def make_execution(workspace, **changes):
    settings = {"batch_size": 2, "num_loaders": 1, "flush_rows": 1, "flush_sec": 60.0, "max_failure_rate": 0.0}
    return Execution(cache=workspace.artifacts / "rows", device="cpu", **settings | changes)


def read(workspace):
    table = pq.read_table(workspace.chains)
    assert table.schema.equals(chains.SCHEMA, check_metadata=True)
    return {row["uid"]: row for row in table.to_pylist()}


class Recorder:
    """A thinker that says what the test wants and remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.replies = {}

    def think(self, requests):
        self.asked += [(request.reference, request.visual.shape, request.audio.shape) for request in requests]
        ok = Reply(text="raw", num_tokens=7, think="t", f_object="f", s_object="s", status="ok", reason=None,
                   null_probability=0.25)  # fmt: skip
        return [self.replies.get(request.reference, ok) for request in requests]


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(think, "make_thinker", lambda params, *, device: recorder)
    return recorder


def test_the_whole_stage_with_a_real_model(workspace, weights, caplog):
    caplog.set_level(logging.INFO, logger="tgs_pipeline")
    think.run(make_params(weights), workspace, make_execution(workspace))
    rows = read(workspace)
    assert list(rows) == list(REFERENCES)
    for uid in ("a_dog_1", "a_dog_2", "a_cat_1", "b_dog_1"):
        row = rows[uid]
        assert (row["vid"], row["reference"]) == REFERENCES[uid]  # verbatim
        assert row["status"] == "ok" and row["think"] and row["raw"].startswith("<think>") and row["num_tokens"] > 8
    unasked = {"think": None, "f_object": None, "s_object": None, "raw": None, "num_tokens": 0, "status": "failed"}
    assert rows["c_dog_1"].items() >= (unasked | {"reason": "audio.wav is no sound file"}).items()
    assert rows["d_dog_1"].items() >= (unasked | {"reason": "frame 3 is missing"}).items()
    assert "think: 6 references: 4 ok, 0 null, 0 malformed, 0 truncated, 2 failed" in caplog.messages

    before = workspace.chains.read_bytes()
    think.run(make_params(weights), workspace, make_execution(workspace, batch_size=3))
    assert workspace.chains.read_bytes() == before
    for file in (workspace.artifacts / "rows").rglob("*.parquet"):
        file.unlink()
    think.run(make_params(weights), workspace, make_execution(workspace, batch_size=5))
    assert workspace.chains.read_bytes() == before


def test_equal_prompts_on_a_clip_are_asked_once(workspace, weights, recorder):
    think.run(make_params(weights), workspace, make_execution(workspace))
    assert recorder.asked == [(text, (2, 4, 128), (2, 3, 128)) for text in ("The dog.", "the cat", "the dog.")]
    assert {(row["s_object"], row["null_probability"]) for row in read(workspace).values()} == {
        ("s", 0.25),
        (None, None),
    }


def test_only_what_changed_is_asked_again(workspace, weights, recorder):
    think.run(make_params(weights), workspace, make_execution(workspace))
    recorder.asked.clear()
    think.run(make_params(weights), workspace, make_execution(workspace))
    assert recorder.asked == []
    think.run(make_params(weights, reply_format="free"), workspace, make_execution(workspace))
    assert len(recorder.asked) == 3
    write_features(workspace, seed=2)
    think.run(make_params(weights), workspace, make_execution(workspace))
    assert len(recorder.asked) == 6


def test_failures_are_asked_again_but_results_are_not(workspace, weights, recorder):
    def reply(status, reason):
        return Reply(text="x", num_tokens=1, think=None, f_object=None, s_object=None, status=status, reason=reason)

    recorder.replies = {
        "The dog.": reply("malformed", "no <think>"),
        "the cat": reply("truncated", "cut"),
        "the dog.": reply("failed", "too long"),
    }
    with pytest.raises(StageError, match="too long"):
        think.run(make_params(weights), workspace, make_execution(workspace))
    assert not workspace.chains.exists()
    recorder.asked.clear()
    think.run(make_params(weights), workspace, make_execution(workspace, max_failure_rate=0.5))
    assert [reference for reference, *_ in recorder.asked] == ["the dog."]
    rows = read(workspace)
    assert (rows["a_dog_2"]["status"], rows["a_dog_2"]["reason"], rows["a_dog_2"]["raw"]) == (
        "malformed",
        "no <think>",
        "x",
    )
    assert rows["a_cat_1"]["status"] == "truncated"
    assert (rows["b_dog_1"]["status"], rows["b_dog_1"]["reason"]) == ("failed", "too long")


def test_shards_compute_and_publish_nothing(workspace, weights, recorder):
    for index in range(2):
        think.run(make_params(weights), workspace, make_execution(workspace, shard=Shard(index, 2)))
    assert len(recorder.asked) == 3 and not workspace.chains.exists()
    think.run(make_params(weights), workspace, make_execution(workspace))
    assert len(recorder.asked) == 3 and len(read(workspace)) == 6


def test_pass_through_needs_neither_features_nor_weights(workspace):
    (workspace.features / "features-00000.arrow").unlink()
    workspace.features.rmdir()
    think.run(make_params("nowhere", backend="reference"), workspace, make_execution(workspace))
    rows = read(workspace)
    for uid in list(REFERENCES)[:5]:  # also the one whose features failed
        row = rows[uid]
        assert row["s_object"] == row["f_object"] == row["reference"] == REFERENCES[uid][1]
        assert (row["think"], row["raw"], row["num_tokens"], row["status"]) == (None, None, 0, "ok")
        assert row["null_probability"] is None
    assert (rows["d_dog_1"]["status"], rows["d_dog_1"]["reason"]) == ("failed", "frame 3 is missing")


def test_a_clip_without_sound_is_a_failed_row_for_a_thinker_that_listens(workspace, weights, recorder):
    silent = make_features("a", seed=1) | {"audio": None, "audio_shape": None}
    with pa.ipc.new_file(workspace.features / "features-00000.arrow", features.SCHEMA) as writer:
        for row in (silent, make_features("b", seed=1), make_features("c", seed=1)):
            writer.write_batch(pa.RecordBatch.from_pylist([row], schema=features.SCHEMA))
    think.run(make_params(weights), workspace, make_execution(workspace, max_failure_rate=1.0))
    failed = [row for row in read(workspace).values() if row["vid"] == "a"]
    assert failed and all(
        row["status"] == "failed" and "video a: it has no sound track" in row["reason"] for row in failed
    )
    assert all(audio is not None for _, _, audio in recorder.asked) and recorder.asked


def test_the_pass_through_depends_on_the_reference_alone(weights):
    one, other = make_params(weights, backend="reference"), make_params("x", backend="reference", max_new_tokens=9)
    assert think.make_recipe(one.think) == think.make_recipe(other.think)


def test_missing_weights_and_features_say_what_to_do(workspace, weights, tmp_path):
    with pytest.raises(ValueError, match=r"weights .*nowhere are missing: `git checkout weights/tiny`"):
        think.run(make_params(tmp_path / "nowhere"), workspace, make_execution(workspace))
    (workspace.features / "features-00000.arrow").unlink()
    with pytest.raises(ValueError, match=r"no features of video 'a': run `dvc repro features`"):
        think.run(make_params(weights), workspace, make_execution(workspace))


class BatchRecorder(Recorder):
    """Says how large its batch was, and remembers the references of each."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def think(self, requests):
        self.batches.append([request.reference for request in requests])
        replies = super().think(requests)
        return [replace(reply, text=f"one of {len(requests)}") for reply in replies]


@pytest.fixture
def batch_recorder(monkeypatch):
    recorder = BatchRecorder()
    monkeypatch.setattr(think, "make_thinker", lambda params, *, device: recorder)
    return recorder


def write_many(workspace, *, num, split="test_s"):
    rows = [
        make_sample("a_dog_1", row) | {"uid": f"a_dog_{row}", "reference": f"dog {row}", "split": split}
        for row in range(num)
    ]
    write(workspace.samples, samples.SCHEMA, [from_rows(rows, samples.SCHEMA)])


@pytest.mark.parametrize("batch_size", [3, 8])
def test_padding_that_is_read_is_read_in_batches_of_eight_in_csv_order(workspace, weights, batch_recorder, batch_size):
    write_many(workspace, num=11)
    execution = make_execution(workspace, batch_size=batch_size)
    think.run(make_params(weights, padding="read"), workspace, execution)
    assert batch_recorder.batches == [[f"dog {i}" for i in range(8)], [f"dog {i}" for i in range(8, 11)]]
    assert [row["raw"] for row in read(workspace).values()] == ["one of 8"] * 8 + ["one of 3"] * 3
    think.run(make_params(weights, padding="read"), workspace, execution)
    assert len(batch_recorder.batches) == 2, "a second run asks nothing"


def test_what_cannot_be_asked_is_in_no_batch(workspace, weights, batch_recorder):
    think.run(make_params(weights, padding="read"), workspace, make_execution(workspace))
    assert [len(batch) for batch in batch_recorder.batches] == [4]
    rows = read(workspace)
    assert (rows["c_dog_1"]["status"], rows["d_dog_1"]["reason"]) == ("failed", "frame 3 is missing")


def test_another_batch_mate_is_another_question(workspace, weights, batch_recorder):
    write_many(workspace, num=2)
    think.run(make_params(weights, padding="read"), workspace, make_execution(workspace))
    write_many(workspace, num=3)
    think.run(make_params(weights, padding="read"), workspace, make_execution(workspace))
    assert [len(batch) for batch in batch_recorder.batches] == [2, 3]


def test_both_modes_with_a_real_model_differ_for_padded_prompts_alone(workspace, weights):
    texts = {}
    for padding in ("masked", "read"):
        rows = [
            make_sample("a_dog_1", 0) | {"uid": "short", "reference": "dog"},
            make_sample("a_dog_1", 1) | {"uid": "long", "reference": "the dog the cat the dog the cat"},
        ]
        write(workspace.samples, samples.SCHEMA, [from_rows(rows, samples.SCHEMA)])
        think.run(make_params(weights, padding=padding, reply_format="free"), workspace, make_execution(workspace))
        texts[padding] = {uid: row["raw"] for uid, row in read(workspace).items()}
    assert texts["masked"]["long"] == texts["read"]["long"]
    assert texts["masked"]["short"] != texts["read"]["short"]


def test_settings_of_compat_leave_the_keys_of_the_default_alone(weights):
    def recipe(**changes):
        return think.make_recipe(make_params(weights, **changes).think)

    assert set(recipe().params) == {"backend", "reply_format", "max_new_tokens", "dtype"}
    assert recipe() == recipe(prompt="training")  # the prompt itself is in the key
    assert recipe(padding="read").params["padding"] == "read"


def test_the_prompt_of_training_can_be_asked_with(workspace, weights, recorder):
    think.run(make_params(weights), workspace, make_execution(workspace))
    num_asked = len(recorder.asked)
    think.run(make_params(weights, prompt="training"), workspace, make_execution(workspace))
    assert len(recorder.asked) == 2 * num_asked
