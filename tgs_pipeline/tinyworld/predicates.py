"""The solver: what a reference demands, as a conjunction of atoms judged on the symbolic scene.

An atom is judged for each object as YES, NO, or UNSURE where the margin is too small to be perceived reliably. A
reference is good only if exactly one object is YES and all others are NO; it has no referent only if all are NO.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from tgs_pipeline.tinyworld.categories import CATEGORIES, categories_with_function
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene, SceneObject

MIN_SIDE_GAP = 0.12  # difference in x, in frame sides, from which one object is left of another
MIN_ONSET_GAP_SEC = 1.0
MIN_DURATION_GAP_SEC = 2.0
MIN_RHYTHM_RATIO = 1.9
MIN_SIZE_RATIO = 1.25
MIN_NEARNESS_RATIO = 1.5
_MIN_SHARED_FRAMES = 3


class Verdict(Enum):
    """Whether an object satisfies a demand."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Atom:
    """One demand: the name of a predicate and its argument (a category, a colour, a phrase), empty if it has none."""

    name: str
    value: str = ""


Predicate = Callable[[Scene, SceneObject, str], Verdict]


def judge(scene: Scene, item: SceneObject, atoms: Sequence[Atom]) -> Verdict:
    """Judge a conjunction of atoms for one object. Raises ValueError for an unknown atom."""
    verdicts = []
    for atom in atoms:
        if atom.name not in PREDICATES:
            raise ValueError(f"unknown atom: got {atom.name!r}, expected one of {sorted(PREDICATES)}")
        verdicts.append(PREDICATES[atom.name](scene, item, atom.value))
    if Verdict.NO in verdicts:
        return Verdict.NO
    return Verdict.UNSURE if Verdict.UNSURE in verdicts else Verdict.YES


def solve(scene: Scene, atoms: Sequence[Atom]) -> int | None:
    """Return the index of the object that alone satisfies all atoms, None unless all others clearly fail."""
    verdicts = [judge(scene, item, atoms) for item in scene.objects]
    if verdicts.count(Verdict.YES) != 1 or Verdict.UNSURE in verdicts:
        return None
    return verdicts.index(Verdict.YES)


def is_unsatisfied(scene: Scene, atoms: Sequence[Atom]) -> bool:
    """Tell whether every object clearly fails, that is whether the reference is null."""
    return all(judge(scene, item, atoms) is Verdict.NO for item in scene.objects)


def _truth(condition: bool) -> Verdict:
    return Verdict.YES if condition else Verdict.NO


def _compare(own: float, others: Sequence[float], margin: float) -> Verdict:
    """YES if `own` exceeds all others by `margin`, NO if some other exceeds it by as much."""
    if all(own >= other + margin for other in others):
        return Verdict.YES
    return Verdict.NO if any(other >= own + margin for other in others) else Verdict.UNSURE


def _category(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _truth(item.category == value)


def _family(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _truth(CATEGORIES[item.category].family == value)


def _function(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _truth(item.category in categories_with_function(value))


def _color(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _truth(item.color == value)


def _sounding(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _truth(item.voice is not None)


def _silent(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _truth(item.voice is None)


def _loudest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    if item.voice is None:
        return Verdict.NO
    return _compare(item.voice.loudness, [voice.loudness for voice in _other_voices(scene, item)], 1)


def _quietest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    if item.voice is None:
        return Verdict.NO
    return _compare(-item.voice.loudness, [-voice.loudness for voice in _other_voices(scene, item)], 1)


def _first(scene: Scene, item: SceneObject, value: str) -> Verdict:
    if item.voice is None:
        return Verdict.NO
    return _compare(
        -item.voice.onset_sec, [-voice.onset_sec for voice in _other_voices(scene, item)], MIN_ONSET_GAP_SEC
    )


def _last(scene: Scene, item: SceneObject, value: str) -> Verdict:
    """Judge who begins last; an object that also ends before another does is not a clear case."""
    if item.voice is None:
        return Verdict.NO
    others = _other_voices(scene, item)
    verdict = _compare(item.voice.onset_sec, [voice.onset_sec for voice in others], MIN_ONSET_GAP_SEC)
    if verdict is Verdict.YES and any(voice.offset_sec > item.voice.offset_sec for voice in others):
        return Verdict.UNSURE
    return verdict


def _longest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    if item.voice is None:
        return Verdict.NO
    durations = [voice.duration_sec for voice in _other_voices(scene, item)]
    return _compare(item.voice.duration_sec, durations, MIN_DURATION_GAP_SEC)


def _shortest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    if item.voice is None:
        return Verdict.NO
    durations = [-voice.duration_sec for voice in _other_voices(scene, item)]
    return _compare(-item.voice.duration_sec, durations, MIN_DURATION_GAP_SEC)


def _always(scene: Scene, item: SceneObject, value: str) -> Verdict:
    if item.voice is None or item.voice.duration_sec <= NUM_FRAMES - MIN_DURATION_GAP_SEC:
        return Verdict.NO
    return Verdict.YES if item.voice.duration_sec == NUM_FRAMES else Verdict.UNSURE


def _fastest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _rhythm(scene, item, 1)


def _slowest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _rhythm(scene, item, -1)


def _rhythm(scene: Scene, item: SceneObject, sign: int) -> Verdict:
    """Compare pulses per second; among sounds without pulses rhythm is not a clear notion."""
    if item.voice is None:
        return Verdict.NO
    if item.voice.pulse_hz is None:
        return Verdict.UNSURE
    rates = [voice.pulse_hz for voice in _other_voices(scene, item)]
    if not rates or None in rates:
        return Verdict.UNSURE
    ratios = [(item.voice.pulse_hz / rate) ** sign for rate in rates if rate]
    if all(ratio >= MIN_RHYTHM_RATIO for ratio in ratios):
        return Verdict.YES
    return Verdict.NO if any(ratio <= 1 / MIN_RHYTHM_RATIO for ratio in ratios) else Verdict.UNSURE


def _other_voices(scene: Scene, item: SceneObject) -> list:
    return [other.voice for other in scene.sounding() if other.index != item.index and other.voice is not None]


def _louder_than(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _against_anchor(scene, item, value, lambda own, other: own.loudness - other.loudness, 1)


def _quieter_than(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _against_anchor(scene, item, value, lambda own, other: other.loudness - own.loudness, 1)


def _before(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _against_anchor(scene, item, value, lambda own, other: other.onset_sec - own.onset_sec, MIN_ONSET_GAP_SEC)


def _after(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _against_anchor(scene, item, value, lambda own, other: own.onset_sec - other.onset_sec, MIN_ONSET_GAP_SEC)


def _against_anchor(scene: Scene, item: SceneObject, value: str, difference: Callable, margin: float) -> Verdict:
    """Compare an object's voice with the anchor's. Only a single, sounding anchor makes the comparison clear."""
    anchors = [other for other in scene.of_category(value) if other.voice is not None]
    if len(anchors) != 1 or len(scene.of_category(value)) != 1:
        return Verdict.UNSURE
    if item.voice is None or item.category == value:
        return Verdict.NO
    return _compare(difference(item.voice, anchors[0].voice), [0.0], margin)


def _left_of(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _beside_anchor(scene, item, value, -1)


def _right_of(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _beside_anchor(scene, item, value, 1)


def _beside_anchor(scene: Scene, item: SceneObject, value: str, sign: int) -> Verdict:
    """Judge the side of the anchor, which must hold in every frame that shows both. No anchor: nobody is beside it."""
    anchors = scene.of_category(value)
    if item.category == value or not anchors:
        return Verdict.NO
    if len(anchors) > 1:
        return Verdict.UNSURE
    return _side(item, anchors[0], sign)


def _side(item: SceneObject, anchor: SceneObject, sign: int) -> Verdict:
    shared = [frame for frame in range(NUM_FRAMES) if item.visible[frame] and anchor.visible[frame]]
    if len(shared) < _MIN_SHARED_FRAMES:
        return Verdict.UNSURE
    gaps = [sign * (item.centers[frame][0] - anchor.centers[frame][0]) for frame in shared]
    if min(gaps) >= MIN_SIDE_GAP:
        return Verdict.YES
    return Verdict.NO if max(gaps) <= -MIN_SIDE_GAP else Verdict.UNSURE


def _leftmost(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _extreme(scene, item, value, -1)


def _rightmost(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _extreme(scene, item, value, 1)


def _extreme(scene: Scene, item: SceneObject, value: str, sign: int) -> Verdict:
    """Judge who is farthest to one side, among the objects of category `value` or, if it is empty, among all."""
    rivals = [other for other in scene.objects if not value or other.category == value]
    if item not in rivals:
        return Verdict.NO
    sides = [_side(item, other, sign) for other in rivals if other.index != item.index]
    if Verdict.NO in sides:
        return Verdict.NO
    return Verdict.UNSURE if Verdict.UNSURE in sides else Verdict.YES


def _between(scene: Scene, item: SceneObject, value: str) -> Verdict:
    """Judge being between two anchors, `value` = "first,second"."""
    first, second = value.split(",")
    options = []
    for left, right in ((first, second), (second, first)):
        pair = (_beside_anchor(scene, item, left, 1), _beside_anchor(scene, item, right, -1))
        options.append(Verdict.NO if Verdict.NO in pair else Verdict.UNSURE if Verdict.UNSURE in pair else Verdict.YES)
    if Verdict.YES in options:
        return Verdict.YES
    return Verdict.UNSURE if Verdict.UNSURE in options else Verdict.NO


def _moving(scene: Scene, item: SceneObject, value: str) -> Verdict:
    """Judge moving at all, or to the side `value`; what only crosses the edge once is not a clear case."""
    if item.motion == "still":
        return Verdict.NO if all(item.visible) else Verdict.UNSURE
    return _truth(not value or item.motion == value)


def _stationary(scene: Scene, item: SceneObject, value: str) -> Verdict:
    if item.motion != "still":
        return Verdict.NO
    return Verdict.YES if all(item.visible) else Verdict.UNSURE


def _whole(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _truth(all(item.visible))


def _enters(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _truth(item.first_frame > 0)


def _leaves(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _truth(item.last_frame < NUM_FRAMES - 1)


def _biggest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _size(scene, item, value, 1)


def _smallest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _size(scene, item, value, -1)


def _size(scene: Scene, item: SceneObject, value: str, sign: int) -> Verdict:
    """Compare the sizes of the objects of category `value`, of which there must be two or more."""
    if item.category != value:
        return Verdict.NO
    ratios = [(item.size / other.size) ** sign for other in scene.of_category(value) if other.index != item.index]
    if not ratios:
        return Verdict.UNSURE
    if all(ratio >= MIN_SIZE_RATIO for ratio in ratios):
        return Verdict.YES
    return Verdict.NO if any(ratio <= 1 / MIN_SIZE_RATIO for ratio in ratios) else Verdict.UNSURE


def _played(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _truth(item.player is not None)


def _playing(scene: Scene, item: SceneObject, value: str) -> Verdict:
    """Judge playing an instrument of category `value`, or any if it is empty."""
    instruments = [other for other in scene.objects if other.player == item.index]
    return _truth(any(not value or other.category == value for other in instruments))


def _beside_source(scene: Scene, item: SceneObject, value: str) -> Verdict:
    """Judge being the nearest neighbour of the sounding object of category `value`, by a clear margin."""
    sources = scene.of_category(value)
    if len(sources) != 1 or sources[0].voice is None:
        return Verdict.UNSURE
    if item.category == value:
        return Verdict.NO
    distances = {
        other.index: _distance(other, sources[0]) for other in scene.objects if other.index != sources[0].index
    }
    own = distances.pop(item.index)
    if all(other >= own * MIN_NEARNESS_RATIO for other in distances.values()):
        return Verdict.YES
    return Verdict.NO if any(own >= other * MIN_NEARNESS_RATIO for other in distances.values()) else Verdict.UNSURE


def _distance(item: SceneObject, other: SceneObject) -> float:
    """The mean distance of the centres in the frames that show both; far if there are none."""
    shared = [frame for frame in range(NUM_FRAMES) if item.visible[frame] and other.visible[frame]]
    if not shared:
        return 2.0
    total = 0.0
    for frame in shared:
        (x, y), (other_x, other_y) = item.centers[frame], other.centers[frame]
        total += ((x - other_x) ** 2 + (y - other_y) ** 2) ** 0.5
    return total / len(shared)


PREDICATES: Mapping[str, Predicate] = MappingProxyType(
    {
        "after": _after,
        "always": _always,
        "before": _before,
        "beside_source": _beside_source,
        "between": _between,
        "biggest": _biggest,
        "category": _category,
        "color": _color,
        "enters": _enters,
        "family": _family,
        "fastest": _fastest,
        "first": _first,
        "function": _function,
        "last": _last,
        "leaves": _leaves,
        "left_of": _left_of,
        "leftmost": _leftmost,
        "longest": _longest,
        "loudest": _loudest,
        "louder_than": _louder_than,
        "moving": _moving,
        "played": _played,
        "playing": _playing,
        "quieter_than": _quieter_than,
        "quietest": _quietest,
        "right_of": _right_of,
        "rightmost": _rightmost,
        "shortest": _shortest,
        "silent": _silent,
        "slowest": _slowest,
        "smallest": _smallest,
        "sounding": _sounding,
        "stationary": _stationary,
        "whole": _whole,
    }
)
