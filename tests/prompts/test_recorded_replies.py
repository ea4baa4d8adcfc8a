"""All published replies of AL-Ref-SAM 2, through the replay provider and both readers.

What the published code goes on with, in words of ours: of each video the literal dictionary (a repeated name keeps its
last frame), a frame out of range becomes 1, S4 takes the first object; of each box the integer (UPSTREAM_FACTS 6.1).
"""

import ast
import json

import pytest

from tgs_pipeline.backends.multimodal.base import Subject
from tgs_pipeline.backends.multimodal.replay import Replay
from tgs_pipeline.prompts import lbru

NUM_VIDEOS = {"s4": 740, "ms3": 64, "v2_binary": 750, "avss": 1554}
NUM_BOXES = {"s4": 280, "ms3": 46, "v2_binary": 520, "avss": 910}
# Everything that strict reading does not take: (subset, video) -> status. The rest it reads as the published code does.
REFUSED = {
    ("v2_binary", "8-C4_FsA2NQ_8000_18000"): "none",
    ("v2_binary", "gBgVH390Tvg_0_10000"): "none",
    ("v2_binary", "sj7fRTSeJ6M_44000_54000"): "none",
    ("avss", "8-C4_FsA2NQ_8000_18000"): "none",
    ("avss", "sj7fRTSeJ6M_44000_54000"): "none",
    ("avss", "g8bdycR6YnI_0_10000"): "repeated",  # {'emergency-car': 3, 'emergency-car': 4}
}


@pytest.fixture(params=sorted(NUM_VIDEOS))
def subset(request, recorded_replies):
    folder = recorded_replies / request.param
    return request.param, folder, Replay(folder)


def published_objects(folder, *, num_frames, single):
    recorded = json.loads((folder / "cot_stage_1_outputs.json").read_text())
    for vid, text in recorded.items():
        frames = [(name, at if 1 <= at <= num_frames(vid) else 1) for name, at in ast.literal_eval(text).items()]
        yield vid, frames[:1] if single else frames


def num_frames_of(name, shared_data):
    """Frames of a video: 10 of V2, 5 of S4 and MS3; AVSS holds videos of all three."""
    long = json.loads((shared_data / "al_ref_sam2/audio_segment/v2_binary_audio_segment.json").read_text())
    return lambda vid: 10 if name != "s4" and name != "ms3" and vid in long else 5


def test_all_recorded_objects_and_frames_are_those_of_the_published_code(subset, shared_data):
    name, folder, replay = subset
    num_frames, single = num_frames_of(name, shared_data), name == "s4"
    expected = dict(published_objects(folder, num_frames=num_frames, single=single))
    assert replay.videos() == list(expected) and len(expected) == NUM_VIDEOS[name]
    refused = {}
    for vid, objects in expected.items():
        reply = replay.ask([], subject=Subject("objects", vid)).text
        asked = {"num_frames": num_frames(vid), "single": single}
        parity = lbru.read_objects(reply, compat="parity", **asked)
        assert [(one.name, one.frame) for one in parity.objects] == objects, vid
        strict = lbru.read_objects(reply, compat="corrected", **asked)
        if strict.status == "ok":
            assert strict.objects == parity.objects, vid
        else:
            refused[name, vid] = strict.status
    assert refused == {key: status for key, status in REFUSED.items() if key[0] == name}


def test_all_recorded_boxes_are_those_of_the_published_code(subset):
    name, folder, replay = subset
    recorded = json.loads((folder / "cot_stage_2_outputs.json").read_text())
    expected = {
        (vid, label): int(number)
        for vid, entry in recorded.items()
        for label, number in (entry.items() if isinstance(entry, dict) else [(None, entry)])
    }
    assert [(one.vid, one.object_name) for one in replay.boxes()] == list(expected)
    assert len(expected) == NUM_BOXES[name]
    for (vid, label), number in expected.items():
        reply = replay.ask([], subject=Subject("box", vid, label)).text
        for compat in ("parity", "corrected"):
            assert lbru.read_box(reply, num_boxes=3, compat=compat).value == number, (vid, label)
