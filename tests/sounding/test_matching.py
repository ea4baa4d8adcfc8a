"""Who sounds when, found out from sounds of the tiny world by the stage's own code, against what the world knows."""

import json
from pathlib import Path

import languagebind_example
import numpy as np
import pytest
import soundfile
from asked_example import chain, sample, workspace_in, write
from project import ROOT

from tgs_pipeline.artifacts import table
from tgs_pipeline.data.media import content_hash, read_audio
from tgs_pipeline.execution import Execution, StageError
from tgs_pipeline.params_choosing import AudioTextMatching, TagMatching
from tgs_pipeline.sounding import comparing, tagging
from tgs_pipeline.sounding.comparing import make_audio_text
from tgs_pipeline.sounding.matching import match
from tgs_pipeline.sounding.objects import combinations
from tgs_pipeline.sounding.recorded import plain_name
from tgs_pipeline.sounding.segments import Segment
from tgs_pipeline.sounding.tagging import Sound, Tagger
from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.scene import Scene
from tgs_pipeline.tinyworld.sound import render_sound

NUM_CLIPS, NUM_SEC, RATE_HZ = 8, 10, 16_000
BY_TAGS = TagMatching(by="tags", similarity=0.5, rival_share=0.5, min_score=0.05)


def execution(workspace, *, max_failure_rate: float = 0.0) -> Execution:
    return Execution(
        cache=workspace.artifacts.parent / "rows", batch_size=2, num_loaders=1, flush_rows=8, flush_sec=5,
        max_failure_rate=max_failure_rate, device="cpu",
    )  # fmt: skip


def scenes() -> list[Scene]:
    """Some with two or more sounding objects."""
    found = (plan_clip(20, "test_s", index).scene for index in range(200))
    return [scene for scene in found if len(scene.sounding()) > 1][:NUM_CLIPS]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A sample for each sounding object of each clip, whose thinker has named it; the seconds are tagged."""
    place = workspace_in(tmp_path_factory.mktemp("matching"))
    place.dataset.mkdir(parents=True)
    pairs, sounds = [], []
    for number, scene in enumerate(scenes()):
        path = place.dataset / f"{number}.wav"
        waveform = render_sound(scene, sample_rate_hz=RATE_HZ, rng=np.random.default_rng(number))
        soundfile.write(path, waveform, RATE_HZ)
        sounds.append(Sound(f"v{number}", path.name, content_hash(path)))
        media = {"vid": f"v{number}", "audio_path": path.name, "audio_hash": sounds[-1].content_hash}
        for item in scene.sounding():
            uid, row = f"v{number}_{item.category}_1", len(pairs)
            name = f"the {item.color} {item.category}"
            frames = [f"{number}-{second}" for second in range(NUM_SEC)]
            pairs.append((sample(uid, row, frames=frames, **media), chain(uid, row, name, vid=f"v{number}")))
    write(place, pairs)
    tagger = Tagger(ROOT / "weights/tiny/beats.safetensors", spans="seconds", dtype="float32", num_tags=14)
    found = tagging.compute(sounds, tagger, dataset=place.dataset, execution=execution(place))
    table.write_rows(place.second_tags, tagger.schema, tagging.tag_rows(sounds, tagger, found=found))
    return place


def share_right(told) -> tuple[float, float]:
    """The share of pairs (object, second) that are told right, and the share of those in which the object sounds."""
    right, truth = [], []
    for number, scene in enumerate(scenes()):
        for item in scene.sounding():
            segments = told.activities[f"v{number}"][plain_name(f"the {item.color} {item.category}")]
            heard = {second for segment in segments for second in range(*segment)}
            for second in range(NUM_SEC):
                sounds = any(one.onset_sec < second + 1 and one.offset_sec > second for one in item.voice.events)
                right.append((second in heard) == sounds)
                truth.append(sounds)
    return np.mean(right), np.mean(truth)


@pytest.mark.parametrize(("similarity", "least"), [(0.5, 0.7), (0.9, 0.95)])
def test_tags_tell_when_objects_of_the_tiny_world_sound(workspace, similarity, least):
    settings = BY_TAGS.model_copy(update={"similarity": similarity})
    told = match(settings, workspace, execution(workspace), recorded={}, label_names=None)
    right, always = share_right(told)
    assert not told.failures and right > least > always


def test_recorded_segments_are_kept_to(workspace):
    recorded = {"v0": (Segment(0, 4),)}  # the last one goes on where the recording ends
    told = match(BY_TAGS, workspace, execution(workspace), recorded=recorded, label_names=None)
    for segments in told.activities["v0"].values():
        assert segments in ((), tuple(Segment(second, second + 1) for second in range(NUM_SEC)))


def test_clips_with_one_object_are_not_listened_to(tmp_path):
    place = workspace_in(tmp_path)
    two = json.dumps({"Dog": 0, "train": 3})
    write(
        place,
        [
            (sample("a", 0, frames=["a"], vid="a"), chain("a", 0, "dog", vid="a")),
            (sample("b", 1, frames=["b"], vid="b"), chain("b", 1, None, vid="b", raw=two)),
            (sample("c", 2, frames=["c"], vid="c"), chain("c", 2, "dog. train", vid="c", raw=two)),
        ],
    )
    table.write_rows(place.second_tags, tagging.features.SECOND_TAGS, [])
    with pytest.raises(StageError, match=r"1 of 1 clips cannot be listened to .*\n  video c: it has no sound track"):
        match(BY_TAGS, place, execution(place), recorded={}, label_names=None)
    told = match(BY_TAGS, place, execution(place, max_failure_rate=1), recorded={}, label_names=None)
    assert not told.activities and list(told.failures) == ["c"]


def test_what_is_missing_is_named(workspace, tmp_path):
    place = workspace_in(tmp_path)
    write(place, [(sample("c", 2, frames=["c"]), chain("c", 2, "dog. train", raw=json.dumps({"dog": 0, "train": 3})))])
    with pytest.raises(ValueError, match=r"second_tags.parquet is missing.*set features.num_second_tags"):
        match(BY_TAGS, place, execution(place), recorded={}, label_names=None)
    names = tmp_path / "labels.csv"
    names.write_text("index,mid,display_name\n0,dog,Bark\n")
    with pytest.raises(ValueError, match="the sound class 'bird' has no name"):
        match(BY_TAGS, workspace, execution(workspace), recorded={}, label_names=names)


def by_audio_text(folder: Path, separator: str = ", ") -> AudioTextMatching:
    return AudioTextMatching(by="audio_text", similarity=0.5, weights=str(folder), separator=separator)


def test_an_audio_text_model_compares_every_combination_in_each_segment(workspace, tmp_path):
    settings = by_audio_text(languagebind_example.write(tmp_path / "ft"))
    segments = (Segment(0, 3), Segment(3, 9), Segment(9, 10))
    recorded = {f"v{number}": segments for number in range(NUM_CLIPS)}
    told = match(settings, workspace, execution(workspace), recorded=recorded, label_names=None)
    model = make_audio_text(settings, device="cpu")
    for number in range(NUM_CLIPS):
        names = list(told.activities[f"v{number}"])
        found = combinations(names, separator=", ")
        sound = read_audio(workspace.dataset / f"{number}.wav", sample_rate_hz=RATE_HZ)
        cut = [sound[start * RATE_HZ : stop * RATE_HZ] for start, stop in segments]
        best = model.similarity([one.text for one in found], cut).argmax(axis=0)
        for name, seconds in told.activities[f"v{number}"].items():
            heard = [segment for segment, at in zip(segments, best, strict=True) if name in found[at].names]
            assert {one.start_sec for one in seconds} == {second for one in heard for second in range(*one)}


def test_answers_are_kept_and_sounds_that_cannot_be_cut_fail_alone(workspace, tmp_path, monkeypatch):
    settings = by_audio_text(languagebind_example.write(tmp_path / "ft"))
    recorded = {f"v{number}": (Segment(0, 5), Segment(5, 10)) for number in range(1, NUM_CLIPS)}
    recorded["v0"] = (Segment(0, 12), Segment(12, 14))
    run = execution(workspace, max_failure_rate=0.2)
    told = match(settings, workspace, run, recorded=recorded, label_names=None)
    assert list(told.failures) == ["v0"] and len(told.activities) == NUM_CLIPS - 1
    assert "0.wav: 10.00 s of sound, but the segment [12, 14] begins after its end" in told.failures["v0"]
    monkeypatch.setattr(comparing, "make_audio_text", lambda *_, **__: pytest.fail("a model was loaded"))
    assert match(settings, workspace, run, recorded=recorded, label_names=None) == told
