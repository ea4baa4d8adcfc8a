"""Predicates on what is heard: who sounds, how loud, when, how long and how fast."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene, SceneObject, Voice
from tgs_pipeline.tinyworld.sight import extreme_among
from tgs_pipeline.tinyworld.verdict import Predicate, Verdict, exceeds, truth

MIN_LOUDNESS_GAP = 1  # levels
MIN_ONSET_GAP_SEC = 1.0
MIN_DURATION_GAP_SEC = 2.0
MIN_RHYTHM_RATIO = 1.9


def _sounding(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return truth(item.voice is not None)


def _silent(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return truth(item.voice is None)


def _sounding_leftmost(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _sounding_extreme(scene, item, -1)


def _sounding_rightmost(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _sounding_extreme(scene, item, 1)


def _sounding_extreme(scene: Scene, item: SceneObject, sign: int) -> Verdict:
    """Judge who sounds at the far side: clear only if it is at the far side of all objects, silent ones included."""
    if item.voice is None:
        return Verdict.NO
    verdict = extreme_among(scene.sounding(), item, sign)
    if verdict is Verdict.YES and extreme_among(scene.objects, item, sign) is not Verdict.YES:
        return Verdict.UNSURE
    return verdict


def _loudest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _superlative(scene, item, lambda voice: voice.loudness, MIN_LOUDNESS_GAP)


def _quietest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _superlative(scene, item, lambda voice: -voice.loudness, MIN_LOUDNESS_GAP)


def _first(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _superlative(scene, item, lambda voice: -voice.onset_sec, MIN_ONSET_GAP_SEC)


def _last(scene: Scene, item: SceneObject, value: str) -> Verdict:
    """Judge who begins last; an object that also ends before another does is not a clear case."""
    verdict = _superlative(scene, item, lambda voice: voice.onset_sec, MIN_ONSET_GAP_SEC)
    ends = [voice.offset_sec for voice in _other_voices(scene, item)]
    if verdict is Verdict.YES and item.voice is not None and max(ends) > item.voice.offset_sec:
        return Verdict.UNSURE
    return verdict


def _longest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _superlative(scene, item, lambda voice: voice.duration_sec, MIN_DURATION_GAP_SEC)


def _shortest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _superlative(scene, item, lambda voice: -voice.duration_sec, MIN_DURATION_GAP_SEC)


def _superlative(scene: Scene, item: SceneObject, measure: Callable[[Voice], float], margin: float) -> Verdict:
    """Judge who exceeds all others in `measure`. Where a single object sounds there is nothing to compare: UNSURE."""
    if item.voice is None:
        return Verdict.NO
    others = [measure(voice) for voice in _other_voices(scene, item)]
    return exceeds(measure(item.voice), others, margin=margin) if others else Verdict.UNSURE


def _always(scene: Scene, item: SceneObject, value: str) -> Verdict:
    if item.voice is None or item.voice.duration_sec <= NUM_FRAMES - MIN_DURATION_GAP_SEC:
        return Verdict.NO
    return Verdict.YES if item.voice.duration_sec == NUM_FRAMES else Verdict.UNSURE


def _fastest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _rhythm(scene, item, 1)


def _slowest(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _rhythm(scene, item, -1)


def _rhythm(scene: Scene, item: SceneObject, sign: int) -> Verdict:
    """Compare pulses per second; where a sound without pulses takes part, rhythm is not a clear notion."""
    if item.voice is None:
        return Verdict.NO
    rates = [voice.pulse_hz for voice in _other_voices(scene, item)]
    if item.voice.pulse_hz is None or not rates or None in rates:
        return Verdict.UNSURE
    ratios = [(item.voice.pulse_hz / rate) ** sign for rate in rates if rate]
    if all(ratio >= MIN_RHYTHM_RATIO for ratio in ratios):
        return Verdict.YES
    return Verdict.NO if any(ratio <= 1 / MIN_RHYTHM_RATIO for ratio in ratios) else Verdict.UNSURE


def _other_voices(scene: Scene, item: SceneObject) -> Sequence[Voice]:
    return [other.voice for other in scene.sounding() if other.index != item.index and other.voice is not None]


def _louder_than(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _against_anchor(scene, item, value, lambda voice: voice.loudness, MIN_LOUDNESS_GAP)


def _quieter_than(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _against_anchor(scene, item, value, lambda voice: -voice.loudness, MIN_LOUDNESS_GAP)


def _before(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _against_anchor(scene, item, value, lambda voice: -voice.onset_sec, MIN_ONSET_GAP_SEC)


def _after(scene: Scene, item: SceneObject, value: str) -> Verdict:
    return _against_anchor(scene, item, value, lambda voice: voice.onset_sec, MIN_ONSET_GAP_SEC)


def _against_anchor(
    scene: Scene, item: SceneObject, value: str, measure: Callable[[Voice], float], margin: float
) -> Verdict:
    """Compare an object's voice with the anchor's. Only a single, sounding anchor makes the comparison clear."""
    anchors = scene.of_category(value)
    if len(anchors) != 1 or anchors[0].voice is None:
        return Verdict.UNSURE
    if item.voice is None or item.category == value:
        return Verdict.NO
    return exceeds(measure(item.voice), [measure(anchors[0].voice)], margin=margin)


HEARING: Mapping[str, Predicate] = MappingProxyType(
    {
        "after": _after,
        "always": _always,
        "before": _before,
        "fastest": _fastest,
        "first": _first,
        "last": _last,
        "longest": _longest,
        "loudest": _loudest,
        "louder_than": _louder_than,
        "quieter_than": _quieter_than,
        "quietest": _quietest,
        "shortest": _shortest,
        "silent": _silent,
        "slowest": _slowest,
        "sounding": _sounding,
        "sounding_leftmost": _sounding_leftmost,
        "sounding_rightmost": _sounding_rightmost,
    }
)
