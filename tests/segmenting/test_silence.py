import numpy as np

from tgs_pipeline.metrics import rle
from tgs_pipeline.segmenting.silence import drop_silent, object_sounds
from tgs_pipeline.sounding.segments import Segment

ACTIVITIES = {"v": {"the dog": (Segment(1, 3),), "cat": ()}}


def row(frame_index: int, **changes: object) -> dict:
    full = {"uid": "v_x_1", "row": 4, "frame_index": frame_index, "height": 2, "width": 3, "levels": b"x"}
    shown = {"rle": rle.encode(np.ones((2, 3), bool)), "predicted_iou": 0.5, "status": "ok", "reason": None}
    return full | shown | changes


def test_masks_of_silent_seconds_are_emptied_and_say_so():
    rows = [row(frame_index) for frame_index in range(4)]
    found = list(drop_silent(iter(rows), {("v_x_1", 4): (Segment(1, 3),)}))
    assert found[1:3] == rows[1:3]
    for frame_index in (0, 3):
        empty = found[frame_index]
        assert not rle.decode(empty["rle"], height=2, width=3).any()
        assert (empty["levels"], empty["predicted_iou"], empty["status"]) == (None, None, "silent")
        assert empty["reason"] == f"the object does not sound in second {frame_index}"


def test_what_has_no_mask_and_what_nothing_is_known_of_stays():
    failed, other = row(0, status="failed", reason="segment: broken"), row(0, row=5)
    assert list(drop_silent(iter([failed, other]), {("v_x_1", 4): ()})) == [failed, other]


def test_objects_of_which_nothing_is_told_sound():
    heard = [object_sounds(ACTIVITIES, "v", "The Dog", second) for second in range(4)]
    assert heard == [False, True, True, False]
    assert not object_sounds(ACTIVITIES, "v", "cat", 1)
    assert object_sounds(ACTIVITIES, "v", "bird", 1) and object_sounds(ACTIVITIES, "w", "cat", 1)


def test_clips_that_could_not_be_listened_to_have_failed_rows():
    rows = [row(0), row(1, status="no_box", reason="no candidate")]
    failed, other = drop_silent(iter(rows), {("v_x_1", 4): "video v: it has no sound track"})
    assert (failed["status"], failed["reason"]) == ("failed", "segment: video v: it has no sound track")
    assert not rle.decode(failed["rle"], height=2, width=3).any() and other == rows[1]
