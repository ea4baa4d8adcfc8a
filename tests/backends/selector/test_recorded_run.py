"""The published run of MS3 again, without a model: recorded replies go through row store, questions and readers."""

import ast
import json

import pytest
from choosing_example import candidates, frames, questions

from tgs_pipeline.backends.selector.base import PivotFrame, Window
from tgs_pipeline.backends.selector.mllm import MllmSelector
from tgs_pipeline.backends.thinker.lbru import HeardClip, Lbru
from tgs_pipeline.data.avsbench_classes import CATEGORIES
from tgs_pipeline.params_multimodal import ReplayParams


@pytest.fixture
def recorded(recorded_replies):
    return recorded_replies / "ms3"


def test_ms3(recorded, tmp_path):
    objects = {
        vid: ast.literal_eval(text)
        for vid, text in json.loads((recorded / "cot_stage_1_outputs.json").read_text()).items()
    }
    boxes = json.loads((recorded / "cot_stage_2_outputs.json").read_text())
    asked = questions(tmp_path / "cache", ReplayParams(provider="replay", recordings=str(recorded)))
    files = {vid: frames(tmp_path, vid, num_frames=5) for vid in objects}

    clips = [HeardClip(vid, (), tuple((one.path, one.content_hash) for one in files[vid])) for vid in objects]
    heard = Lbru(asked, categories=CATEGORIES, single=False, compat="corrected").objects(clips)
    assert {one.status for one in heard} == {"ok"} and len(heard) == 64
    named = {clip.vid: {one.name: one.frame for one in each.objects} for clip, each in zip(clips, heard, strict=True)}
    assert named == objects

    pivots, expected = [], []
    for vid, pivot_frames in named.items():
        for name, frame in pivot_frames.items():
            number = boxes.get(vid, {}).get(name)
            found = candidates(*([0.9] if number is None else [0.9, 0.5, 0.4]))
            pivots.append(PivotFrame(Window(vid, vid, name, files[vid]), frame - 1, found))
            expected.append(0 if number is None else int(number) - 1)
    chooser = MllmSelector(asked, about="sounding", max_boxes=3, compat="corrected")
    assert [one.chosen for one in chooser.choose_boxes(pivots)] == expected and len(expected) == 101
