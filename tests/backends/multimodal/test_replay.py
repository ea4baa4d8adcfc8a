import json

import pytest
from recordings import BOXES, OBJECTS, write_recordings

from tgs_pipeline.backends.multimodal.base import BadRequestError, Subject
from tgs_pipeline.backends.multimodal.replay import Replay


def said(replay, task, vid, name=None):
    return replay.ask([], subject=Subject(task, vid, name)).text


def test_what_was_recorded_is_said_in_the_form_that_is_asked_for(tmp_path):
    replay = Replay(write_recordings(tmp_path))
    assert replay.videos() == ["v1", "v2", "v3", "v4"]
    assert said(replay, "objects", "v1") == "['dog': 2, 'man': 1]"
    assert said(replay, "objects", "v3") == "[]"
    assert said(replay, "box", "v1", "dog") == "[2]"
    assert said(replay, "box", "v2", "piano") == "[3]"  # one object: the file does not name it
    assert replay.boxes() == [Subject("box", "v1", "dog"), Subject("box", "v2", None)]


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (Subject("objects", "v9"), "holds no reply for video 'v9': record it, or ask a model"),
        (Subject("box", "v1", "man"), "video 'v1', object 'man'"),
        (Subject("frame", "v1"), "answers objects and box only"),
        (None, "answers objects and box only"),
    ],
)
def test_what_was_not_recorded_is_an_error(tmp_path, subject, reason):
    with pytest.raises(BadRequestError, match=reason):
        Replay(write_recordings(tmp_path)).ask([], subject=subject)


def test_the_digest_changes_with_the_content(tmp_path):
    one = Replay(write_recordings(tmp_path / "a")).digest
    assert one == Replay(write_recordings(tmp_path / "b")).digest
    assert one != Replay(write_recordings(tmp_path / "c", boxes=BOXES | {"v4": "1"})).digest
    assert one != Replay(write_recordings(tmp_path / "d", objects=OBJECTS | {"v5": "{}"})).digest


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"objects": []}, "cot_stage_1_outputs.json: expected an object that maps videos to replies, found list"),
        ({"objects": {"v1": {"dog": 2}}}, "video 'v1': expected a text such as"),
        ({"objects": {"v1": "dog: 2"}}, "video 'v1': expected a text such as"),
        ({"boxes": {"v1": ["1"]}}, "video 'v1': expected a box or boxes by object"),
        ({"boxes": {"v1": {"dog": 1}}}, "video 'v1', dog: expected a number, found 1"),
        ({"boxes": {"v1": "-1"}}, "video 'v1', its object: expected a number, found '-1'"),
        ({"boxes": {"v1": "1" * 5000}}, "expected a number"),
    ],
)
def test_files_of_another_layout_are_refused(tmp_path, files, reason):
    with pytest.raises(ValueError, match=reason):
        Replay(write_recordings(tmp_path, **files))


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"cot_stage_1_outputs\.json: cannot be read"):
        Replay(tmp_path)
    (write_recordings(tmp_path) / "cot_stage_2_outputs.json").write_text(json.dumps(BOXES)[:-4])
    with pytest.raises(ValueError, match=r"cot_stage_2_outputs\.json: not JSON"):
        Replay(tmp_path)
