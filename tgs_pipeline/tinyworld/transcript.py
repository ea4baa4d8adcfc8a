"""What perfect encoders would tell of a clip: for each frame and each second a few slots, each a set of words.

The language model learns to read such transcripts in its pretraining; the projectors learn to write what it can read.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS
from tgs_pipeline.tinyworld.facts import column, size
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene

NUM_SLOTS = 4  # the most objects that a scene has, and the queries of the tiny Q-Formers
EMPTY = "empty"
Slots = list[list[list[str]]]  # frame or second, slot, words


class _Respect(NamedTuple):
    """What a slot can say in one respect.

    error: how often `misread` puts another word. is_scale: that word is then a neighbour.
    """

    words: tuple[str, ...]
    error: float
    is_scale: bool


# Errors are about those of the tiny encoders on a single frame or second.
_RESPECTS = (
    _Respect(tuple(COLORS), 0.04, False),
    _Respect(tuple(CATEGORIES), 0.08, False),
    _Respect(tuple(f"column {number}" for number in range(10)), 0.25, True),
    _Respect(tuple(f"size {number}" for number in range(3, 12)), 0.3, True),
    _Respect(("played",), 0.0, False),
    _Respect(tuple(f"heard {name}" for name, category in CATEGORIES.items() if category.noise), 0.02, False),
    _Respect(tuple(f"loudness {level}" for level in range(1, 5)), 0.12, True),
    _Respect(tuple(f"rhythm {pulses}" for pulses in (1, 2, 4)), 0.03, False),
)
WORDS: tuple[str, ...] = (EMPTY, *(word for respect in _RESPECTS for word in respect.words))
# Which frame or second a slot belongs to. Encoders see one moment at a time: the projectors add it (MediaProjector).
MOMENTS: tuple[str, ...] = tuple(f"moment {number}" for number in range(NUM_FRAMES))
_RESPECT_OF = {word: respect for respect in _RESPECTS for word in respect.words}
# Of two objects at most one column apart, how often the one behind is overlooked in a frame, and how often it is taken
# for the one in front: about as often as by the tiny CLIP.
_HIDDEN_SHARE, _MERGED_SHARE = 0.4, 0.06


def frame_slots(rng: np.random.Generator, scene: Scene) -> Slots:
    """For each frame NUM_SLOTS slots, some of them empty."""
    return [_padded(rng, slots_of_frame(scene, frame)) for frame in range(NUM_FRAMES)]


def second_slots(rng: np.random.Generator, scene: Scene) -> Slots:
    """For each second NUM_SLOTS slots, some of them empty."""
    return [_padded(rng, slots_of_second(scene, second)) for second in range(NUM_FRAMES)]


def slots_of_frame(scene: Scene, frame: int) -> list[list[str]]:
    """The words of each object in the scene at that moment, from left to right."""
    slots = []
    for item in sorted(scene.objects, key=lambda item: item.centers[frame][0]):
        if item.visible[frame]:
            place = f"column {column(item.centers[frame][0])}"
            words = [item.color, item.category, place, f"size {size(item)}"]
            slots.append(words + ["played"] * (item.player is not None))
    return slots


def slots_of_second(scene: Scene, second: int) -> list[list[str]]:
    """The words of each voice that sounds in a second, by category."""
    voices = [(item.category, item.voice) for item in scene.sounding() if item.voice is not None]
    slots = []
    for category, voice in sorted([*voices, *scene.unseen_voices], key=lambda voice: voice[0]):
        if any(event.onset_sec <= second < event.offset_sec for event in voice.events):
            rhythm = [] if voice.pulse_hz is None else [f"rhythm {voice.pulse_hz:.0f}"]
            slots.append([f"heard {category}", f"loudness {voice.loudness}", *rhythm])
    return slots


def crowd(rng: np.random.Generator, slots: Slots) -> Slots:
    """The slots of a clip as an encoder might give them that errs where objects stand close; sounds stay the same."""
    depths: dict[tuple[str, ...], float] = {}  # by colour and category: the same in all frames
    crowded = []
    for slots_of_moment in slots:
        seen = list(slots_of_moment)
        columns = {number: place for number, slot in enumerate(seen) if (place := _column(slot)) is not None}
        for one, other in pairwise(columns):  # from left to right
            if columns[other] - columns[one] > 1:
                continue
            behind, front = sorted((one, other), key=lambda number: _depth(rng, slots_of_moment[number], depths))
            draw = rng.random()
            if draw < _HIDDEN_SHARE:
                seen[behind] = [EMPTY]
            elif draw < _HIDDEN_SHARE + _MERGED_SHARE:
                seen[behind] = [*slots_of_moment[front][:2], *slots_of_moment[behind][2:]]
        crowded.append(seen)
    return crowded


def misread(rng: np.random.Generator, slot: Sequence[str]) -> list[str]:
    """The words of a slot as an encoder might give them that errs now and then."""
    return [_misread_word(rng, word) if word != EMPTY else word for word in slot]


def _column(slot: Sequence[str]) -> int | None:
    """The column of a slot; None of an empty one, and of a sound."""
    columns = [int(word.removeprefix("column ")) for word in slot if word.startswith("column ")]
    return columns[0] if columns else None


def _depth(rng: np.random.Generator, slot: Sequence[str], depths: dict[tuple[str, ...], float]) -> float:
    return depths.setdefault(tuple(slot[:2]), rng.random())


def _misread_word(rng: np.random.Generator, word: str) -> str:
    respect = _RESPECT_OF[word]
    if rng.random() >= respect.error:
        return word
    place = respect.words.index(word)
    others = [other for number, other in enumerate(respect.words) if number != place]
    near = [respect.words[number] for number in (place - 1, place + 1) if 0 <= number < len(respect.words)]
    options = near if respect.is_scale else others
    return options[int(rng.integers(len(options)))]


def _padded(rng: np.random.Generator, slots: Sequence[list[str]]) -> list[list[str]]:
    """The slots in their order with empty ones anywhere between."""
    places = sorted(rng.permutation(NUM_SLOTS)[: len(slots)].tolist())
    padded = [[EMPTY]] * NUM_SLOTS
    for place, slot in zip(places, slots, strict=True):
        padded[place] = slot
    return padded
