"""Predicates on what is seen: category, colour, place, motion, presence, size and who plays what."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from tgs_pipeline.tinyworld.categories import CATEGORIES, categories_with_function
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene, SceneObject
from tgs_pipeline.tinyworld.verdict import Predicate, Verdict, both, truth

MIN_SIDE_GAP = 0.15  # difference in x, in frame sides, from which one object is left of another
MIN_SIZE_RATIO = 1.25
MIN_NEARNESS_RATIO = 1.5
_MIN_SHARED_FRAMES = 3


def _category(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return truth(item.category == value)


def _family(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return truth(CATEGORIES[item.category].family == value)


def _function(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return truth(item.category in categories_with_function(value))


def _color(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return truth(item.color == value)


def _colored(scene: Scene, item: SceneObject, value: str) -> Verdict:
    """Judge being a thing of a colour; of a person only the clothes have it, which is not a clear case."""
    if item.color != value:
        return Verdict.NO
    return Verdict.UNSURE if CATEGORIES[item.category].family == "person" else Verdict.YES


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
    """Judge who is farthest to one side: of all objects, or of the two or more objects of category `value`."""
    rivals = [other for other in scene.objects if not value or other.category == value]
    if value and len(rivals) == 1:
        return Verdict.UNSURE if item in rivals else Verdict.NO
    return extreme_among(rivals, item, sign)


def extreme_among(rivals: Sequence[SceneObject], item: SceneObject, sign: int) -> Verdict:
    """Judge whether an object is farther to one side (sign -1 left, 1 right) than all others of `rivals`."""
    if item not in rivals:
        return Verdict.NO
    verdict = Verdict.YES
    for other in rivals:
        if other.index != item.index:
            verdict = both(verdict, _side(item, other, sign))
    return verdict


def _between(scene: Scene, item: SceneObject, value: str) -> Verdict:
    """Judge being between two anchors, `value` = "first,second"."""
    first, second = value.split(",")
    options = []
    for left, right in ((first, second), (second, first)):
        options.append(both(_beside_anchor(scene, item, left, 1), _beside_anchor(scene, item, right, -1)))
    if Verdict.YES in options:
        return Verdict.YES
    return Verdict.UNSURE if Verdict.UNSURE in options else Verdict.NO


def _moving(scene: Scene, item: SceneObject, value: str) -> Verdict:
    """Judge moving at all, or to the side `value`; what only crosses the edge once is not a clear case."""
    if item.motion == "still":
        return Verdict.NO if all(item.visible) else Verdict.UNSURE
    return truth(not value or item.motion == value)


def _stationary(scene: Scene, item: SceneObject, value: str) -> Verdict:
    if item.motion != "still":
        return Verdict.NO
    return Verdict.YES if all(item.visible) else Verdict.UNSURE


def _whole(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return truth(all(item.visible))


def _enters(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return truth(item.first_frame > 0)


def _leaves(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return truth(item.last_frame < NUM_FRAMES - 1)


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
    return truth(item.player is not None)


def _playing(scene: Scene, item: SceneObject, value: str) -> Verdict:
    """Judge playing an instrument of category `value`, or any if it is empty."""
    instruments = [other for other in scene.objects if other.player == item.index]
    return truth(any(not value or other.category == value for other in instruments))


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


SIGHT: Mapping[str, Predicate] = MappingProxyType(
    {
        "beside_source": _beside_source,
        "between": _between,
        "biggest": _biggest,
        "category": _category,
        "color": _color,
        "colored": _colored,
        "enters": _enters,
        "family": _family,
        "function": _function,
        "leaves": _leaves,
        "left_of": _left_of,
        "leftmost": _leftmost,
        "moving": _moving,
        "played": _played,
        "playing": _playing,
        "right_of": _right_of,
        "rightmost": _rightmost,
        "smallest": _smallest,
        "stationary": _stationary,
        "whole": _whole,
    }
)
