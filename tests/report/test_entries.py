import numpy as np
import pytest
from report.artifacts_example import BOLD_TAG, write_example, write_objects

from tgs_pipeline.metrics import rle
from tgs_pipeline.report import entries
from tgs_pipeline.report.records import read_records


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    workspace = write_example(tmp_path_factory.mktemp("entries"))
    return workspace, list(read_records(workspace))


def answer(example, row):
    return entries.answer(example[1][row], dataset=example[0].dataset, width_px=24)


def video(example, row):
    return entries.video(example[1][row].sample, dataset=example[0].dataset, width_px=24)


def test_boxes_are_relative_and_masks_are_thumbnails(example):
    got = answer(example, 0)
    record = example[1][0]
    assert got["size"] == (16, 24)
    x0, y0, x1, y1 = record.boxes[0]["box_xyxy_px"]
    assert got["frames"][0]["box"]["xyxy"] == [round(v, 4) for v in (x0 / 48, y0 / 32, x1 / 48, y1 / 32)]
    assert (got["frames"][0]["box"]["rule"], answer(example, 4)["frames"][9]["box"]["rule"]) == (
        "s_object",
        "f_object_decides",
    )
    small = rle.decode(got["frames"][0]["mask"]["rle"].encode(), height=16, width=24)
    full = rle.decode(record.masks[0]["rle"], height=32, width=48)
    assert abs(small.mean() - full.mean()) < 0.02
    assert got["frames"][0]["truth"]["rle"] == got["frames"][0]["mask"]["rle"]  # the first sample is exact


def test_a_null_sample_without_files_has_empty_ground_truth(example):
    truth = answer(example, 6)["frames"][0]["truth"]
    assert not rle.decode(truth["rle"].encode(), height=16, width=24).any() and truth["reason"] is None


def test_what_cannot_be_read_says_why_and_names_no_folder_of_this_machine(example):
    frames = answer(example, 8)["frames"]
    assert frames[2]["truth"] == {"rle": None, "reason": "gt_mask/broken/00002.png: no such file"}
    assert frames[1]["truth"]["rle"] is not None
    broken = video(example, 8)
    assert broken["frames"][3]["jpeg"] is None and "media/broken/3.png: not a readable" in broken["frames"][3]["reason"]
    assert broken["frames"][2]["jpeg"] is not None
    assert (broken["mp3"], broken["reason"]) == (None, "This video has no sound track.")
    assert str(example[0].dataset) not in repr((frames, broken))


def test_a_lost_sound_file_says_why(example):
    workspace, records = example
    sample = records[0].sample | {"audio_path": "media/seen/lost.wav"}
    lost = entries.video(sample, dataset=workspace.dataset, width_px=24)
    assert lost["reason"] == "media/seen/lost.wav: no such file; expected a WAV or FLAC file"


def test_failed_masks_are_not_shown_as_empty_ones(example):
    mask = answer(example, 9)["frames"][0]["mask"]
    assert (mask["rle"], mask["status"], mask["reason"]) == (None, "failed", "out of memory")


def test_a_failed_sample_has_its_reasons_and_no_frames(example):
    got = answer(example, 7)
    assert got["frames"] == [] and got["think"] is None
    assert got["stages"][0] == ("manifest", "failed", "media/gone: holds none of the frames")
    assert video(example, 7)["frames"] == []


def test_frames_without_ground_truth_say_so(example):
    workspace, records = example
    sample = records[0].sample | {"mask_paths": [None] * 10}
    record = type(records[0])(**{**vars(records[0]), "sample": sample})
    got = entries.answer(record, dataset=workspace.dataset, width_px=24)
    assert got["frames"][0]["truth"] == {"rle": None, "reason": "no ground truth for this frame"}


def test_sound_has_its_duration(example):
    assert video(example, 0)["duration_sec"] == 10.0
    assert np.isclose(len(video(example, 0)["frames"]), 10)


def test_objects_that_share_a_frame_all_have_their_boxes(tmp_path):
    workspace = write_objects(tmp_path)
    named, plain = [
        entries.answer(record, dataset=workspace.dataset, width_px=24) for record in read_records(workspace)
    ]
    assert [len(frame["boxes"]) for frame in named["frames"]] == [0, 0, 2, 0]
    assert named["frames"][2]["boxes"] == [
        {"name": "guitar", "xyxy": [0.0625, 0.125, 0.5, 0.875], "score": 0.5, "phrase": "guitar"},
        {"name": BOLD_TAG, "xyxy": [0.5, 0.25, 0.9375, 0.9375], "score": 0.25, "phrase": BOLD_TAG},
    ]
    assert named["frames"][2]["box"]["xyxy"] == [0.0625, 0.125, 0.5, 0.875]  # the best of them
    assert (named["unfound"], plain["unfound"]) == ([("dog", "no_answer", "it is empty")], [])
    assert [[box["name"] for box in frame["boxes"]] for frame in plain["frames"]] == [[None]] * 4
