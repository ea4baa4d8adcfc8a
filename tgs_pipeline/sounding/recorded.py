"""Recorded activity: a file that says when the objects of clips sound, {vid: {object: [[start, end], ...]}}.

Seconds are whole, `end` is the first one of silence; [] is an object that never sounds. Of clips and objects that it
does not name the file says nothing. Objects go by the names that the thinker gives them (s_object), in any case.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from tgs_pipeline.sounding.segments import MAX_SEC, Segment, read_json

Activity = Mapping[str, tuple[Segment, ...]]  # when each object of a clip sounds; names in lower case


def read_activity(path: Path) -> dict[str, Activity]:
    """The activity in each video; ValueError names the file and the entry that is not of this layout."""
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(objects, dict) for objects in content.values()):
        raise ValueError(f"{path}: expected {{vid: {{object: [[start, end], ...]}}}}")
    found: dict[str, Activity] = {}
    for vid, objects in content.items():
        names = [plain_name(name) for name in objects]
        if len(set(names)) < len(names):
            raise ValueError(f"{path}, video {vid!r}: an object stands twice: {sorted(objects)}")
        heard = [_segments(entry, where=f"{path}, video {vid!r}, {name!r}") for name, entry in objects.items()]
        found[vid] = dict(zip(names, heard, strict=True))
    return found


def plain_name(name: str) -> str:
    """A name as activities are looked up by."""
    return " ".join(name.lower().split())


def sounds(segments: tuple[Segment, ...], *, second: int) -> bool:
    """Whether an object that sounds in these segments sounds in a second of the clip, counted from 0."""
    return any(segment.start_sec <= second < segment.end_sec for segment in segments)


def _segments(entry: object, *, where: str) -> tuple[Segment, ...]:
    if not isinstance(entry, list):
        raise ValueError(f"{where}: expected a list of [start, end] in whole seconds, found {entry!r:.80}")
    found = []
    for pair in entry:
        if not (isinstance(pair, list) and [type(second) for second in pair] == [int, int]):
            raise ValueError(f"{where}: expected [start, end] in whole seconds, found {pair!r:.80}")
        found.append(Segment(*pair))
    apart = all(one.end_sec <= other.start_sec for one, other in pairwise(found))
    if not apart or any(not 0 <= one.start_sec < one.end_sec <= MAX_SEC for one in found):
        raise ValueError(
            f"{where}: expected segments in order, without overlap and within {MAX_SEC} s, found {entry!r:.80}"
        )
    return tuple(found)
