"""Sound-event segments: the stretches of a clip within which the same objects sound, in whole seconds.

They come from a library or from a recorded file {vid: [[start, end], ...]} as AL-Ref-SAM 2 publishes for MS3, V2 and
AVSS (UPSTREAM_FACTS 6.1, step 8). Which objects sound in each is decided elsewhere (sounding/objects.py).
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

MAX_FILE_BYTES = 64 * 2**20
MAX_SEC = 3600

Value = TypeVar("Value")


class Segment(NamedTuple):
    """From the beginning of second `start_sec` to the beginning of second `end_sec`."""

    start_sec: int
    end_sec: int


def read_json(path: Path) -> object:
    """What a recorded file holds; ValueError where it cannot be read, is too large or no JSON."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"{path}: larger than {MAX_FILE_BYTES} bytes, which no record of sounds is")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error})") from None


def read_segments(path: Path) -> dict[str, tuple[Segment, ...]]:
    """The segments of each video of a recorded file.

    ValueError where the file is not of this layout: segments are pairs of whole seconds that begin at 0 and follow one
    another without gap or overlap.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected an object that maps videos to segments, found {type(content).__name__}")
    return {vid: _segments(entry, where=f"{path}, video {vid!r}") for vid, entry in content.items()}


def find_segments(tags_SK: np.ndarray, *, similarity: float) -> tuple[Segment, ...]:
    """Segments of neighbouring seconds that sound alike: agglomerative clustering by average cosine distance.

    tags_SK: probabilities float (S seconds, K sound classes), each second with one above 0. similarity: cosine 0..1
    below which neighbours stay apart; upstream's segments are of .5, by a detector that it does not publish. ValueError
    where a second has no class.
    """
    if not (tags_SK.any(axis=1).all() and len(tags_SK)):
        raise ValueError(f"tags {tags_SK.shape} of seconds: expected one second or more, each with a sound class")
    if len(tags_SK) == 1:
        return (Segment(0, 1),)
    from scipy.sparse import diags_array
    from sklearn.cluster import AgglomerativeClustering

    neighbours = diags_array([1.0, 1.0], offsets=[-1, 1], shape=(len(tags_SK), len(tags_SK)))
    clustering = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", connectivity=neighbours, distance_threshold=1 - similarity
    )
    clusters = clustering.fit_predict(tags_SK)
    starts = [0, *(np.flatnonzero(np.diff(clusters)) + 1).tolist(), len(tags_SK)]
    return tuple(Segment(start, stop) for start, stop in pairwise(starts))


def expand(segments: Sequence[Segment], values: Sequence[Value], *, num_sec: int) -> list[Value]:
    """What holds in each of the first `num_sec` seconds, given what holds in each segment.

    Where the segments end earlier (a sound track may be a little shorter than its video) the last one goes on, as
    upstream; seconds after `num_sec` are left out, which upstream never looks at.
    """
    if not segments or len(segments) != len(values):
        raise ValueError(f"{len(segments)} segments and {len(values)} values: expected as many of both, and some")
    seconds = [
        value
        for segment, value in zip(segments, values, strict=True)
        for _ in range(segment.start_sec, min(segment.end_sec, num_sec))
    ]
    return seconds + [values[-1]] * (num_sec - len(seconds))


def activity(
    names: Sequence[str], segments: Sequence[Segment], heard: Sequence[Sequence[str]], *, num_sec: int
) -> list[list[str]]:
    """The objects that sound in each second.

    names: the sounding objects of the clip. heard: those that sound in each segment. A single object is taken to sound
    all the time and without any there is silence, whatever was heard, as upstream; neither needs segments.
    """
    if len(names) < 2:
        return [list(names)] * num_sec
    strange = sorted({name for some in heard for name in some} - set(names))
    if strange:
        raise ValueError(f"{strange} are heard, but the clip has {list(names)}")
    return expand(segments, [[name for name in names if name in some] for some in heard], num_sec=num_sec)


def _segments(entry: object, *, where: str) -> tuple[Segment, ...]:
    if not isinstance(entry, list) or not entry:
        raise ValueError(f"{where}: expected a list of segments, found {entry!r:.80}")
    found = []
    for pair in entry:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(second) is int for second in pair)):
            raise ValueError(f"{where}: expected [start, end] in whole seconds, found {pair!r:.80}")
        found.append(Segment(*pair))
    follow = all(one.end_sec == other.start_sec for one, other in pairwise(found))
    if found[0].start_sec != 0 or not follow or any(one.start_sec >= one.end_sec for one in found):
        raise ValueError(f"{where}: expected segments that begin at 0 and follow one another, found {entry!r:.80}")
    if found[-1].end_sec > MAX_SEC:
        raise ValueError(f"{where}: it ends after {found[-1].end_sec} s, the limit is {MAX_SEC} s")
    return tuple(found)
