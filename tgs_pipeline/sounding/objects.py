"""Which of a clip's objects sound in a segment: the matcher of sound tags, and the texts for audio-text models.

The matcher is built in and needs nothing but tags. An audio-text model (LanguageBind in AL-Ref-SAM 2) compares each
segment with a text for every combination of objects instead; `combinations` writes these texts.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from tgs_pipeline.data.avsbench_classes import CATEGORIES
from tgs_pipeline.prompts.naming import names_category

# Words by which sound classes (AudioSet's display names) speak of an object without naming it.
SOUND_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "airplane": ("aircraft",),
        "baby": ("infant",),
        "bird": ("chirp", "tweet", "squawk", "coo"),
        "boy": ("child", "kid"),
        "cat": ("meow", "purr", "caterwaul"),
        "clock": ("tick", "tick-tock"),
        "dog": ("bark", "howl", "growling", "whimper", "yip"),
        "duck": ("quack",),
        "emergency-car": ("siren", "ambulance", "emergency vehicle"),
        "frying-food": ("frying", "sizzle"),
        "girl": ("child", "kid"),
        "goose": ("honk",),
        "gun": ("gunshot", "gunfire", "shot"),
        "hen": ("chicken", "cluck"),
        "horse": ("neigh", "clip-clop"),
        "keyboard": ("typing",),
        "lion": ("roar",),
        "man": ("male",),
        "missile-rocket": ("rocket", "missile"),
        "pig": ("oink",),
        "saw": ("chainsaw", "sawing"),
        "sheep": ("bleat",),
        "tiger": ("roar",),
        "train": ("railroad",),
        "wolf": ("howl",),
        "woman": ("female",),
    }
)
_VOICES = ("speech", "conversation", "singing", "laughter", "shout", "screaming", "crying")  # of nobody in particular
_PERSONS = ("man", "woman", "boy", "girl")
# Texts that replace bare names where an audio-text model compares them with sound, as upstream (UPSTREAM_FACTS 6.1).
_SOUND_TEXTS: Mapping[str, str] = MappingProxyType({"dog": "dog barking", "cat": "cat meow", "gun": "gun shot"})

Tag = tuple[str, float]  # display name of a sound class, probability 0..1


@dataclass(frozen=True)
class Combination:
    """Objects that may sound together, and their text for an audio-text model; the names are not read off the text."""

    names: tuple[str, ...]
    text: str


def evidence(name: str, tags: Sequence[Tag]) -> float:
    """The highest probability among the tags that speak of the object; 0 where none does.

    name: a category, or words that describe one of it ("the brown dog"). A voice speaks of every person, unless its tag
    says whose it is.
    """
    return max((score for label, score in tags if _speaks_of(label, name)), default=0.0)


def heard_objects(
    names: Sequence[str], tags: Sequence[Tag], *, rival_share: float, min_score: float = 0.0
) -> list[str]:
    """The objects that sound in a segment, in the order of `names`; with `min_score` 0 at least one.

    tags: of the segment. rival_share: an object sounds where the evidence for it is at least this share (0..1) of the
    best evidence, and at least min_score, a probability. Where no tag speaks of any object nothing tells them apart,
    and all are kept.
    """
    if not 0 < rival_share <= 1:
        raise ValueError(f"rival_share is {rival_share}: expected a share above 0, at most 1")
    found = [evidence(name, tags) for name in names]
    best = max(found, default=0.0)
    least = max(min_score, rival_share * best) if best > 0 else 0.0
    return [name for name, one in zip(names, found, strict=True) if one >= least]


def combinations(names: Sequence[str], *, separator: str) -> list[Combination]:
    """Every combination of the objects, single ones first; 2**n - 1 of them.

    separator: between the names in a text; upstream writes ", " for MS3 and V2, "; " for AVSS (trap T43).
    """
    return [
        Combination(some, separator.join(_SOUND_TEXTS.get(name, name) for name in some))
        for size in range(1, len(names) + 1)
        for some in itertools.combinations(names, size)
    ]


def _speaks_of(label: str, name: str) -> bool:
    """Whether a sound class names an object or its sound."""
    if _names_one_of(label, _words_of(name)) or names_category(name, label):
        return True
    voice = any(names_category(name, person) for person in _PERSONS) and _names_one_of(label, _VOICES)
    return voice and not any(_names_one_of(label, _words_of(person)) for person in _PERSONS)


@lru_cache(maxsize=4096)
def _words_of(name: str) -> tuple[str, ...]:
    """Words for an object: its name, the categories that the name holds, and the words for their sounds."""
    kinds = [category for category in CATEGORIES if names_category(name, category)]
    return (name, *kinds, *(word for kind in kinds for word in SOUND_WORDS.get(kind, ())))


def _names_one_of(label: str, words: Sequence[str]) -> bool:
    return any(names_category(label, word) for word in words)
