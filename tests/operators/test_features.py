import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from dataset_example import NULL_VID, VID, write_dataset
from project import ROOT

from tgs_pipeline import params as params_file
from tgs_pipeline.artifacts.features_reader import FeatureReader
from tgs_pipeline.backends.encoder.beats import BeatsEncoder
from tgs_pipeline.backends.encoder.clip import ClipEncoder, resize
from tgs_pipeline.data import fbank, media
from tgs_pipeline.execution import WHOLE, Execution, Shard, StageError
from tgs_pipeline.operators import features, manifest
from tgs_pipeline.tinyworld.models import beats, clip
from tgs_pipeline.workspace import Workspace


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    clip.write(folder / "clip", seed=1)
    beats.write(folder / "beats.safetensors", seed=1)
    return folder


@pytest.fixture
def workspace(tmp_path):
    write_dataset(tmp_path / "dataset")
    return Workspace(artifacts=tmp_path / "artifacts", dataset=tmp_path / "dataset")


def execution(workspace, *, max_failure_rate=0.0, batch_size=4, shard=WHOLE):
    return Execution(
        cache=workspace.artifacts / "rows",
        batch_size=batch_size,
        num_loaders=2,
        flush_rows=64,
        flush_sec=20,
        max_failure_rate=max_failure_rate,
        device="cpu",
        shard=shard,
    )


def make_params(weights, **changes):
    loaded = params_file.load(ROOT / "profiles" / "tiny.yaml").model_dump()
    loaded["dataset"] |= {"tinyworld": None, "splits": ["test_s", "test_n"]}
    loaded["features"] |= {
        "visual": {"weights": str(weights / "clip"), "layer": -2},
        "audio": {"weights": str(weights / "beats.safetensors"), "outputs": "features_and_tags"},
    }
    for section, values in changes.items():
        loaded[section] |= values
    return params_file.Params.model_validate(loaded)


def run(weights, workspace, *, max_failure_rate=0.0, batch_size=4, shard=WHOLE, **changes):
    settings = make_params(weights, **changes)
    manifest.run(settings, workspace, execution(workspace))
    features.run(
        settings, workspace, execution(workspace, max_failure_rate=max_failure_rate, batch_size=batch_size, shard=shard)
    )


def content(workspace):
    return {path.name: path.read_bytes() for path in sorted(workspace.features.iterdir())}


def keys_of(workspace):
    reader = FeatureReader(workspace.features)
    return {vid: reader.get(vid).key for vid in (VID, NULL_VID)}


def segments_of(workspace):
    return sorted((workspace.artifacts / "rows" / "features").glob("seg-*"))


def test_features_are_what_the_encoders_give(weights, workspace):
    run(weights, workspace)
    found = FeatureReader(workspace.features).get(VID)
    images = [media.read_image(workspace.dataset / f"media/{VID}/frames/{index}.jpg") for index in range(10)]
    frames = np.stack([resize(image, side_px=112) for image in images])
    visual = ClipEncoder(weights / "clip", layer=-2, device="cpu", dtype="float32").encode(frames)
    assert np.array_equal(found.visual, visual.astype(np.float16)) and found.visual.shape == (10, 49, 128)
    sound = media.read_audio(workspace.dataset / f"media/{VID}/audio.wav", sample_rate_hz=16000)
    encoder = BeatsEncoder(weights / "beats.safetensors", device="cpu", dtype="float32")
    audio = encoder.encode(fbank.segment_log_mels(sound))
    assert np.array_equal(found.audio, audio.astype(np.float16)) and found.audio.shape == (10, 48, 128)

    tags = pq.read_table(workspace.audio_tags).to_pylist()
    assert [tag["vid"] for tag in tags] == [VID] * 5 + [NULL_VID] * 5
    scores = encoder.classify(fbank.log_mel(sound))
    best = np.argsort(-scores)[:5]
    assert [tag["label"] for tag in tags[:5]] == [encoder.labels[index] for index in best]
    assert [tag["score"] for tag in tags[:5]] == scores[best].tolist()


def test_the_same_inputs_give_the_same_bytes_and_edits_recompute_little(weights, workspace):
    run(weights, workspace)
    first = content(workspace)
    assert list(first) == ["audio_tags.parquet", "features-00000.arrow"]
    assert len(segments_of(workspace)) == 1
    run(weights, workspace)
    assert content(workspace) == first
    for path in segments_of(workspace):
        path.unlink()
    run(weights, workspace, batch_size=1)
    assert content(workspace) == first
    run(weights, workspace, features={"num_tags": 2})
    assert pq.read_table(workspace.audio_tags).num_rows == 4
    assert len(segments_of(workspace)) == 1, "the number of tags must not recompute features"


def test_the_order_is_that_of_the_samples_and_old_shards_go(weights, workspace, monkeypatch):
    monkeypatch.setattr(features, "VIDEOS_PER_SHARD", 1)
    run(weights, workspace)
    assert list(content(workspace)) == ["audio_tags.parquet", "features-00000.arrow", "features-00001.arrow"]
    run(weights, workspace, dataset={"splits": ["test_n"]})
    assert list(content(workspace)) == ["audio_tags.parquet", "features-00000.arrow"]
    reader = FeatureReader(workspace.features)
    assert reader.get(NULL_VID).status == "ok"
    with pytest.raises(ValueError, match="holds no features"):
        reader.get(VID)
    assert not list(workspace.artifacts.glob(".*"))


def test_the_key_changes_with_the_media_and_the_settings(weights, workspace, tmp_path):
    run(weights, workspace)
    before = keys_of(workspace)
    edited = replace(workspace, dataset=Path(shutil.copytree(workspace.dataset, tmp_path / "edited")))
    frames = edited.dataset / "media" / VID / "frames"
    shutil.copy(frames / "4.jpg", frames / "3.jpg")
    run(weights, edited)
    after = keys_of(edited)
    assert before[VID] != after[VID] and before[NULL_VID] == after[NULL_VID]
    settings = make_params(weights).features
    keys = {features.make_recipe(settings).key("x")}
    keys.add(features.make_recipe(settings.model_copy(update={"dtype": "bfloat16"})).key("x"))
    other = settings.audio.model_copy(update={"weights": settings.visual.weights})
    keys.add(features.make_recipe(settings.model_copy(update={"audio": other})).key("x"))
    assert len(keys) == 3


def test_missing_frames_give_fewer_features(weights, workspace):
    (workspace.dataset / f"media/{VID}/frames/2.jpg").unlink()
    run(weights, workspace, dataset={"missing_frames": "skip"})
    assert FeatureReader(workspace.features).get(VID).visual.shape == (9, 49, 128)


def break_image(path):
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("frames/5.jpg", break_image, r"frames/5\.jpg: the image is truncated or corrupt"),
        ("audio.wav", lambda path: path.write_bytes(b""), r"audio\.wav: .*sound file"),
        ("audio.wav", lambda path: path.write_bytes(b"RIFF" + bytes(90)), r"audio\.wav: not a readable sound file"),
        (
            "audio.wav",
            lambda path: soundfile.write(path, np.zeros(48_000), 16_000),
            r"audio\.wav: 3\.00 s of sound, expected 10 s",
        ),
        (
            "audio.wav",
            lambda path: soundfile.write(path, np.zeros(0), 16_000),
            r"audio\.wav: the sound file is empty \(0 samples\)",
        ),
    ],
)
def test_a_broken_file_fails_its_video_only(weights, workspace, name, damage, message):
    damage(workspace.dataset / "media" / VID / name)
    with pytest.raises(StageError, match=rf"(?s)1 of 2 units failed.*video {VID}: .*{message}"):
        run(weights, workspace)
    assert not workspace.features.exists()
    run(weights, workspace, max_failure_rate=0.5)
    reader = FeatureReader(workspace.features)
    failed = reader.get(VID)
    assert failed.status == "failed" and failed.visual is None and VID in failed.reason
    assert reader.get(NULL_VID).status == "ok"
    assert {tag["vid"] for tag in pq.read_table(workspace.audio_tags).to_pylist()} == {NULL_VID}


def test_a_video_without_sound_has_visual_features_only(weights, workspace):
    (workspace.dataset / "media" / VID / "audio.wav").unlink()
    run(weights, workspace)
    found = FeatureReader(workspace.features).get(VID)
    assert found.status == "ok" and found.visual.shape == (10, 49, 128) and found.audio is None
    assert {tag["vid"] for tag in pq.read_table(workspace.audio_tags).to_pylist()} == {NULL_VID}


def test_tags_alone_need_no_ten_seconds(weights, workspace):
    soundfile.write(workspace.dataset / "media" / VID / "audio.wav", np.zeros(48_000), 16_000)
    audio = {"weights": str(weights / "beats.safetensors"), "outputs": "tags"}
    thinkers = {"think": {"backend": "reference"}, "faithfulness": {"num_samples": 0}}
    run(weights, workspace, features={"audio": audio}, **thinkers)
    found = FeatureReader(workspace.features).get(VID)
    assert found.status == "ok" and found.visual.shape == (10, 49, 128) and found.audio is None
    assert [tag["vid"] for tag in pq.read_table(workspace.audio_tags).to_pylist()] == [VID] * 5 + [NULL_VID] * 5


def test_another_tagger_and_the_seconds_are_tagged_beside_the_clip(weights, workspace):
    run(weights, workspace)
    first, (segment,) = content(workspace), segments_of(workspace)
    beats.write(weights / "other.safetensors", seed=2)
    wanted = {"other_tagger": str(weights / "other.safetensors"), "num_tags": 3, "num_second_tags": 14}
    run(weights, workspace, features=wanted)
    assert segments_of(workspace) == [segment], "features must not be computed again"
    found = content(workspace)
    assert list(found) == [
        "audio_tags.parquet", "features-00000.arrow", "other_audio_tags.parquet", "second_tags.parquet"
    ]  # fmt: skip
    assert found["features-00000.arrow"] == first["features-00000.arrow"]

    sound = media.read_audio(workspace.dataset / f"media/{VID}/audio.wav", sample_rate_hz=16000)
    other = BeatsEncoder(weights / "other.safetensors", device="cpu", dtype="float32")
    scores = other.classify(fbank.log_mel(sound))
    expected = [(VID, other.labels[index], scores[index]) for index in np.argsort(-scores)[:3]]
    tags = pq.read_table(workspace.other_audio_tags).to_pylist()
    assert [tuple(tag.values()) for tag in tags[:3]] == expected and len(tags) == 6

    encoder = BeatsEncoder(weights / "beats.safetensors", device="cpu", dtype="float32")
    tags = pq.read_table(workspace.second_tags).to_pylist()
    assert [tag["second"] for tag in tags] == [second for second in range(10) for _ in range(14)] * 2
    of_fourth = {tag["label"]: tag["score"] for tag in tags if (tag["vid"], tag["second"]) == (VID, 3)}
    scores = encoder.classify(fbank.log_mel(sound[48_000:64_000]))
    assert of_fourth == dict(zip(encoder.labels, scores.tolist(), strict=True))

    run(weights, workspace)  # tags that are asked for no longer go
    assert content(workspace) == first


def test_a_failed_sound_has_no_tags_of_its_seconds(weights, workspace):
    soundfile.write(workspace.dataset / "media" / VID / "audio.wav", np.zeros(200), 16_000)
    thinkers = {"think": {"backend": "reference"}, "faithfulness": {"num_samples": 0}}
    audio = {"weights": str(weights / "beats.safetensors"), "outputs": "tags"}
    wanted = {"audio": audio, "num_second_tags": 2}
    with pytest.raises(StageError, match=rf"video {VID}: 200 samples of sound are too short"):
        run(weights, workspace, features=wanted, **thinkers)
    run(weights, workspace, features=wanted, max_failure_rate=0.5, **thinkers)
    assert {tag["vid"] for tag in pq.read_table(workspace.second_tags).to_pylist()} == {NULL_VID}


def test_values_beyond_float16_fail_the_video(weights, workspace, monkeypatch):
    monkeypatch.setattr(ClipEncoder, "encode", lambda self, frames: np.full((10, 49, 128), 1e6, np.float32))
    with pytest.raises(StageError, match=rf"video {VID}: the encoders gave values that float16 cannot hold"):
        run(weights, workspace)


def test_a_shard_computes_its_part_and_publishes_nothing(weights, workspace):
    run(weights, workspace, shard=Shard(0, 2))
    run(weights, workspace, shard=Shard(1, 2))
    assert not workspace.features.exists()
    computed = sum(pq.read_table(path).num_rows for path in segments_of(workspace))
    assert computed == 2
    run(weights, workspace)
    assert len(keys_of(workspace)) == 2
    assert sum(pq.read_table(path).num_rows for path in segments_of(workspace)) == computed


def test_equal_scores_are_ordered_by_label():
    tags = features.top_tags("v", ["b", "a", "c"], [0.5, 0.5, 0.9], num_tags=2)
    assert tags == [{"vid": "v", "label": "c", "score": 0.9}, {"vid": "v", "label": "a", "score": 0.5}]
