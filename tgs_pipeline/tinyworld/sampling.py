"""Sampling of scenes: which objects, where they stand and move, who sounds when. A pure function of a generator.

Rules that keep references answerable from what is seen and heard:
- two objects of one category differ in colour; they are silent, unless one is an instrument that a man plays;
- sounding objects of a clip have different loudness levels and different categories; events begin and end on whole
  seconds;
- an object sounds only while it is in the scene; what a man plays sounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS, HELD_OUT, SEEN
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Motion, Scene, SceneObject, SoundEvent, Voice

PLAYABLE = ("drum", "guitar", "piano", "trumpet")
PULSES_HZ = (1.0, 2.0, 4.0)
NUM_LOUDNESS_LEVELS = 4
MAX_OVERLAP = 0.4  # of the smaller box, in any frame
SIZE_RANGE = {2: (0.36, 0.48), 3: (0.3, 0.42), 4: (0.25, 0.34)}  # longer side, by the number of objects
_MAN_SIZE = (0.4, 0.46)
_MAX_ATTEMPTS = 60


@dataclass(frozen=True)
class _Cast:
    """Category and colour of an object to be placed, and whether a man of the same cast plays it."""

    category: str
    color: str
    player: int | None = None


def sample_scene(
    rng: np.random.Generator, *, pool: Sequence[str], required: Sequence[str] = (), num_sounding_min: int = 0
) -> Scene:
    """Sample a scene of 2 to 4 objects with categories from `pool`.

    `required`: if not empty, at least one object is of one of these categories. `num_sounding_min`: how many objects
    sound at least, as far as the cast allows. Raises ValueError for an empty pool.
    """
    if not pool:
        raise ValueError("the pool of categories is empty: give at least one name of CATEGORIES")
    cast = _sample_cast(rng, pool, required)
    for attempt in range(_MAX_ATTEMPTS):
        objects = _place(rng, cast, shrink=0.99**attempt)
        if _max_overlap(objects) <= MAX_OVERLAP:
            break
    objects = _order_depth(rng, objects)
    return Scene(_give_voices(rng, objects, num_sounding_min))


def pool_of_split(split: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (pool, required) of a split: held-out categories only in `test_u`, where one is required, and `open`."""
    everything = tuple(sorted(CATEGORIES))
    if split == "test_u":
        return everything, HELD_OUT
    return (everything if split == "open" else SEEN), ()


def _sample_cast(rng: np.random.Generator, pool: Sequence[str], required: Sequence[str]) -> list[_Cast]:
    names = [name for name in pool if name != "man"]
    playable = [name for name in names if name in PLAYABLE]
    number = int(rng.choice([2, 3, 4], p=[0.22, 0.44, 0.34]))
    cast: list[_Cast] = []
    colors = [str(color) for color in rng.permutation(list(COLORS))]  # all colours of a clip differ ...
    if required:
        cast.append(_Cast(str(rng.choice(list(required))), colors.pop()))
    if "man" in pool and rng.random() < 0.3:
        played = bool(playable) and rng.random() < 0.8 and len(cast) + 2 <= number
        cast.append(_Cast("man", colors.pop()))
        if played:
            cast.append(_Cast(str(rng.choice(playable)), colors.pop(), player=len(cast) - 1))
    while len(cast) < number:
        taken = {entry.category for entry in cast}
        free = [name for name in names if name not in taken]
        twins = sorted(taken - {"man"})
        if twins and len(twins) == len(taken - {"man"}) and rng.random() < 0.22 and _no_twins(cast):
            cast.append(_Cast(str(rng.choice(twins)), colors.pop()))
        else:
            weights = np.array([1.8 if CATEGORIES[name].noise else 1.0 for name in free])
            cast.append(_Cast(str(rng.choice(free, p=weights / weights.sum())), colors.pop()))
    if rng.random() < 0.4:  # ... but two of different category may share one
        first, second = rng.choice(len(cast), 2, replace=False)
        if cast[first].category != cast[second].category:
            cast[first] = replace(cast[first], color=cast[second].color)
    return _separate_twin_colors(cast, colors)


def _no_twins(cast: Sequence[_Cast]) -> bool:
    return len({entry.category for entry in cast}) == len(cast)


def _separate_twin_colors(cast: list[_Cast], spare: list[str]) -> list[_Cast]:
    seen: set[tuple[str, str]] = set()
    for position, entry in enumerate(cast):
        if (entry.category, entry.color) in seen:
            cast[position] = replace(entry, color=spare.pop())
        seen.add((entry.category, cast[position].color))
    return cast


def _place(rng: np.random.Generator, cast: Sequence[_Cast], *, shrink: float) -> list[SceneObject]:
    """Give every object of the cast size, path and visibility; a player and the instrument share neighbouring slots."""
    number = len(cast)
    slots = _assign_slots(rng, cast)
    low, high = SIZE_RANGE[number]
    mobile_left = 2
    visitor = int(rng.integers(number)) if rng.random() < 0.4 else -1
    objects: list[SceneObject] = []
    for index, entry in enumerate(cast):
        category = CATEGORIES[entry.category]
        size = shrink * float(rng.uniform(*_MAN_SIZE) if category.family == "person" else rng.uniform(low, high))
        size = min(size, 0.49)
        x = (slots[index] + 0.5 + float(rng.uniform(-0.16, 0.16))) / number
        y = float(rng.uniform(0.3, 0.74))
        in_band = any(other.player == index for other in cast) or entry.player is not None
        if in_band:
            y = float(rng.uniform(0.5, 0.58)) + (0.06 if entry.player is not None else 0.0)
        motion: Motion = "still"
        moves = category.mobile and mobile_left > 0 and rng.random() < 0.55
        if moves:
            mobile_left -= 1
            motion = "right" if rng.random() < 0.5 else "left"
        shown = _sample_visibility(rng) if index == visitor and not in_band else (True,) * NUM_FRAMES
        item = SceneObject(
            index=index,
            category=entry.category,
            color=entry.color,
            size=size,
            centers=((x, y),) * NUM_FRAMES,
            angles_deg=_sample_angles(rng, moves, upright=category.family in ("person", "furniture")),
            visible=shown,
            depth=index,
            flipped=bool(rng.random() < 0.5) if motion == "still" else motion == "left",
            motion=motion,
            player=entry.player,
            voice=None,
        )
        objects.append(replace(item, centers=_sample_path(rng, item, x, y)))
    return _join_players(objects)


def _assign_slots(rng: np.random.Generator, cast: Sequence[_Cast]) -> list[int]:
    """Give each object of the cast a column; whoever plays stands beside the instrument."""
    groups: list[list[int]] = []
    for index, entry in enumerate(cast):
        if entry.player is not None:
            next(group for group in groups if entry.player in group).append(index)
        else:
            groups.append([index])
    slots = [0] * len(cast)
    position = 0
    for group_index in rng.permutation(len(groups)):
        group = groups[group_index]
        for index in rng.permutation(group):
            slots[int(index)] = position
            position += 1
    return slots


def _sample_visibility(rng: np.random.Generator) -> tuple[bool, ...]:
    """Present from a late frame on, or up to an early one."""
    if rng.random() < 0.5:
        first = int(rng.integers(3, 6))
        return tuple(frame >= first for frame in range(NUM_FRAMES))
    last = int(rng.integers(4, 7))
    return tuple(frame <= last for frame in range(NUM_FRAMES))


def _sample_angles(rng: np.random.Generator, moves: bool, *, upright: bool) -> tuple[float, ...]:
    base = float(rng.uniform(-3, 3) if upright else rng.uniform(-10, 10))
    sway = float(rng.uniform(2, 5)) if moves else 0.0
    return tuple(base + sway * (1 if frame % 2 else -1) for frame in range(NUM_FRAMES))


def _sample_path(rng: np.random.Generator, item: SceneObject, x: float, y: float) -> tuple[tuple[float, float], ...]:
    """Centre in each frame: fixed, or a straight way of .3 to .5; late arrivals and leavers cross the frame's edge."""
    half_width, half_height = item.half_extent
    left, right = half_width + 0.01, 0.99 - half_width
    top, bottom = half_height + 0.02, 0.98 - half_height
    y = min(max(y, top), bottom)
    start = end = min(max(x, left), right)
    if item.motion != "still":
        way = min(float(rng.uniform(0.3, 0.5)), right - left)
        start = min(max(x - way / 2, left), right - way)
        end = start + way
        if item.motion == "left":
            start, end = end, start
    xs = [start + (end - start) * frame / (NUM_FRAMES - 1) for frame in range(NUM_FRAMES)]
    if not all(item.visible):  # one frame with the object half across the nearest edge
        crossing = item.first_frame if item.first_frame > 0 else item.last_frame
        xs[crossing] = 0.05 * half_width if xs[crossing] < 0.5 else 1 - 0.05 * half_width
    return tuple((value, y) for value in xs)


def _join_players(objects: list[SceneObject]) -> list[SceneObject]:
    """Move each instrument that is played to its player's hand."""
    joined = list(objects)
    for item in objects:
        if item.player is None:
            continue
        player = joined[item.player]
        man_x, man_y = player.centers[0]
        side = 1.0 if item.centers[0][0] >= man_x else -1.0
        reach = 0.8 * (player.half_extent[0] + item.half_extent[0])
        if not item.half_extent[0] <= man_x + side * reach <= 1 - item.half_extent[0]:
            side = -side
        x = min(max(man_x + side * reach, item.half_extent[0]), 1 - item.half_extent[0])
        y = min(man_y + 0.06, 0.98 - item.half_extent[1])
        joined[item.index] = replace(item, centers=((x, y),) * NUM_FRAMES)
    return joined


def _max_overlap(objects: Sequence[SceneObject]) -> float:
    """The largest share of a box that another box covers, over all frames; player and instrument count as well."""
    worst = 0.0
    for position, first in enumerate(objects):
        for second in objects[position + 1 :]:
            for frame in range(NUM_FRAMES):
                if first.visible[frame] and second.visible[frame]:
                    worst = max(worst, _overlap(first, second, frame))
    return worst


def _overlap(first: SceneObject, second: SceneObject, frame: int) -> float:
    sides = []
    for axis in (0, 1):
        low = max(item.centers[frame][axis] - item.half_extent[axis] for item in (first, second))
        high = min(item.centers[frame][axis] + item.half_extent[axis] for item in (first, second))
        sides.append(max(0.0, high - low))
    smaller = min(4 * item.half_extent[0] * item.half_extent[1] for item in (first, second))
    return sides[0] * sides[1] / smaller


def _order_depth(rng: np.random.Generator, objects: Sequence[SceneObject]) -> list[SceneObject]:
    """Draw a random depth order in which every instrument is in front of its player."""
    order = [int(index) for index in rng.permutation(len(objects))]
    for item in objects:
        if item.player is not None and order[item.index] < order[item.player]:
            order[item.index], order[item.player] = order[item.player], order[item.index]
    return [replace(item, depth=order[item.index]) for item in objects]


def _give_voices(
    rng: np.random.Generator, objects: Sequence[SceneObject], num_sounding_min: int
) -> tuple[SceneObject, ...]:
    counts = {item.category: sum(other.category == item.category for other in objects) for item in objects}
    able = [
        item.index
        for item in objects
        if CATEGORIES[item.category].noise and (counts[item.category] == 1 or item.player is not None)
    ]
    wanted = max(num_sounding_min, int(rng.choice([0, 1, 2, 3, 4], p=[0.04, 0.1, 0.36, 0.32, 0.18])))
    played = [item.index for item in objects if item.player is not None]
    others = [int(index) for index in rng.permutation([index for index in able if index not in played])]
    chosen = (played + others)[: max(wanted, len(played))]
    levels = rng.permutation(NUM_LOUDNESS_LEVELS) + 1
    voiced = list(objects)
    always_allowed = True
    for index, level in zip(chosen, levels, strict=False):
        item = objects[index]
        first, last = item.first_frame, item.last_frame + 1
        always = always_allowed and (first, last) == (0, NUM_FRAMES) and rng.random() < 0.25
        always_allowed = always_allowed and not always
        events = (SoundEvent(0.0, float(NUM_FRAMES)),) if always else _sample_events(rng, first, last)
        rhythm = CATEGORIES[item.category].has_rhythm
        pulse_hz = float(rng.choice(PULSES_HZ)) if rhythm else None
        voice = Voice(events, int(level), pulse_hz, pitch=float(rng.uniform(0.9, 1.12)))
        voiced[index] = replace(item, voice=voice)
    return tuple(voiced)


def _sample_events(rng: np.random.Generator, first: int, last: int) -> tuple[SoundEvent, ...]:
    """One stretch of 2 to 7 s on whole seconds between `first` and `last`, or two with a pause of at least 1 s."""
    room = last - first
    if room >= 7 and rng.random() < 0.25:
        length = int(rng.integers(2, 4))
        onset = first + int(rng.integers(0, room - 2 * length))
        second = int(rng.integers(onset + length + 1, last - length + 1))
        return (
            SoundEvent(float(onset), float(onset + length)),
            SoundEvent(float(second), float(second + length)),
        )
    length = int(rng.integers(2, min(7, room - 1) + 1)) if room > 2 else room
    onset = first + int(rng.integers(0, room - length + 1))
    return (SoundEvent(float(onset), float(onset + length)),)
