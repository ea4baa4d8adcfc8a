"""Silence: the masks of an object are emptied in the frames in which it does not sound.

When it sounds is read from a recorded file (sounding/recorded.py) by the clip and by the name of the object: its own
where a sample has several, else the one that the thinker gives the sample's object. Frame t shows second t, as in
AVSBench and Ref-AVSBench. Masks of which the file says nothing stay.
"""

from collections.abc import Iterator, Mapping

from tgs_pipeline.artifacts import chains, table
from tgs_pipeline.metrics import rle
from tgs_pipeline.sounding.recorded import Activity, plain_name, sounds
from tgs_pipeline.sounding.segments import Segment
from tgs_pipeline.workspace import Workspace

Heard = dict[tuple[str, int], tuple[Segment, ...]]  # when the object of a sample (uid, row) sounds


def drop_silent(rows: Iterator[dict], heard: Heard) -> Iterator[dict]:
    """The rows of masks, with those of silent objects emptied: status `silent`.

    Only masks that are there (status ok) can be silent: what failed stays failed.
    """
    for row in rows:
        segments = heard.get((row["uid"], row["row"]))
        if segments is None or row["status"] != "ok" or sounds(segments, second=row["frame_index"]):
            yield row
            continue
        reason = f"the object does not sound in second {row['frame_index']}"
        empty = {"rle": rle.empty(row["height"], row["width"]), "levels": None, "predicted_iou": None}
        yield row | empty | {"status": "silent", "reason": reason}


def read_heard(workspace: Workspace, activities: Mapping[str, Activity]) -> Heard:
    """When the objects of the samples of which the activities (by video) tell sound."""
    found: Heard = {}
    for chain in table.read_rows(workspace.chains, chains.SCHEMA, columns=["uid", "row", "vid", "s_object"]):
        activity = activities.get(chain["vid"], {})
        name = plain_name(chain["s_object"] or "")
        if name in activity:
            found[chain["uid"], chain["row"]] = activity[name]
    return found


def object_sounds(activities: Mapping[str, Activity], vid: str, name: str, frame_index: int) -> bool:
    """Whether an object sounds in a frame; it does where the activities do not tell."""
    segments = activities.get(vid, {}).get(plain_name(name))
    return segments is None or sounds(segments, second=frame_index)
