"""Silence: the masks of an object are emptied in the frames in which it does not sound.

When it sounds is recorded (sounding/recorded.py) or found out (sounding/matching.py), by the clip and by the name of
the object: its own where a sample has several, else the one that the thinker gives the sample's object. Frame t shows
second t, as in AVSBench and Ref-AVSBench. Masks of which nothing is told stay; those of clips that were to be listened
to and could not be are failed.
"""

from collections.abc import Iterator, Mapping

from tgs_pipeline.artifacts import chains, table
from tgs_pipeline.metrics import rle
from tgs_pipeline.sounding.matching import Told
from tgs_pipeline.sounding.recorded import Activity, plain_name, sounds
from tgs_pipeline.sounding.segments import Segment
from tgs_pipeline.workspace import Workspace

# of a sample (uid, row): when its object sounds, or why that is not known
Heard = dict[tuple[str, int], tuple[Segment, ...] | str]


def drop_silent(rows: Iterator[dict], heard: Heard) -> Iterator[dict]:
    """The rows of masks, with those of silent objects emptied: status `silent`.

    Only masks that are there (status ok) can be silent: what failed stays failed.
    """
    for row in rows:
        told = heard.get((row["uid"], row["row"]))
        empty = {"rle": rle.empty(row["height"], row["width"]), "levels": None, "predicted_iou": None}
        if told is None or row["status"] != "ok":
            yield row
        elif isinstance(told, str):
            yield row | empty | {"status": "failed", "reason": f"segment: {told}"}
        elif sounds(told, second=row["frame_index"]):
            yield row
        else:
            reason = f"the object does not sound in second {row['frame_index']}"
            yield row | empty | {"status": "silent", "reason": reason}


def read_heard(workspace: Workspace, told: Told) -> Heard:
    """When the objects of the samples of which something is told sound."""
    found: Heard = {}
    for chain in table.read_rows(workspace.chains, chains.SCHEMA, columns=["uid", "row", "vid", "s_object"]):
        activity = told.activities.get(chain["vid"], {})
        if chain["vid"] in told.failures:
            found[chain["uid"], chain["row"]] = told.failures[chain["vid"]]
        name = plain_name(chain["s_object"] or "")
        if name in activity:
            found[chain["uid"], chain["row"]] = activity[name]
    return found


def object_sounds(activities: Mapping[str, Activity], vid: str, name: str, frame_index: int) -> bool:
    """Whether an object sounds in a frame; it does where the activities do not tell."""
    segments = activities.get(vid, {}).get(plain_name(name))
    return segments is None or sounds(segments, second=frame_index)
