"""Silence: the masks of an object are emptied in the frames in which it does not sound.

When it sounds is read from a recorded file (sounding/recorded.py) by the clip and by the name that the thinker gives
the sample's object. Frame t shows second t, as in AVSBench and Ref-AVSBench. Masks of which the file says nothing stay.
"""

from collections.abc import Iterator
from pathlib import Path

from tgs_pipeline.artifacts import chains, table
from tgs_pipeline.metrics import rle
from tgs_pipeline.sounding.recorded import plain_name, read_activity, sounds
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


def read_heard(workspace: Workspace, *, recorded: Path) -> Heard:
    """When the objects of the samples of which the file tells sound; ValueError where it is unusable."""
    activities = read_activity(recorded)
    found: Heard = {}
    for chain in table.read_rows(workspace.chains, chains.SCHEMA, columns=["uid", "row", "vid", "s_object"]):
        activity = activities.get(chain["vid"], {})
        name = plain_name(chain["s_object"] or "")
        if name in activity:
            found[chain["uid"], chain["row"]] = activity[name]
    return found
