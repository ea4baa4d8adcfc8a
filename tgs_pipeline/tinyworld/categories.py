"""The inventory of the tiny world: colours and categories, each with its size, drawing, timbre and function words.

Held-out categories appear only in the splits `test_u` and `open`: never in `train`, `val`, `test_s` or `test_n`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Family = Literal["instrument", "animal", "vehicle", "device", "furniture", "person"]

COLORS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "black": (26, 26, 30),
        "blue": (28, 82, 222),
        "green": (30, 158, 58),
        "orange": (246, 128, 12),
        "purple": (142, 44, 188),
        "red": (216, 26, 34),
        "white": (246, 246, 246),
        "yellow": (248, 222, 36),
    }
)


@dataclass(frozen=True)
class Category:
    """One kind of object.

    `aspect` is width / height of the drawing; the longer side is the object's size. `noise` names the sound without
    naming the category, None for what never sounds. `has_rhythm` is False for sounds without separate pulses.
    `functions` are noun phrases that describe what it is or does without naming it.
    """

    name: str
    family: Family
    aspect: float
    noise: str | None
    has_rhythm: bool
    mobile: bool
    held_out: bool
    functions: tuple[str, ...]


_TABLE: tuple[Category, ...] = (
    Category("bird", "animal", 1.15, "chirping", True, True, True, ("feathered creature", "winged animal")),
    Category(
        "car",
        "vehicle",
        1.75,
        "engine rumble",
        False,
        True,
        False,
        ("road machine on four wheels", "thing drivers steer"),
    ),
    Category("cat", "animal", 0.72, "meowing", True, True, False, ("pet with whiskers", "small hunter of mice")),
    Category("chair", "furniture", 0.66, None, False, False, False, ("seat-like thing", "thing people sit down on")),
    Category(
        "clock",
        "device",
        1.0,
        "ticking",
        True,
        False,
        False,
        ("device that tells the hour", "round thing with two hands"),
    ),
    Category(
        "dog", "animal", 1.25, "barking", True, True, False, ("loyal pet on four legs", "animal that guards a home")
    ),
    Category(
        "drum",
        "instrument",
        1.1,
        "beating",
        True,
        False,
        False,
        ("hollow thing struck with sticks", "round thing with a tight skin"),
    ),
    Category(
        "guitar",
        "instrument",
        0.5,
        "strumming",
        True,
        False,
        False,
        ("wooden thing with six strings", "long-necked thing with strings"),
    ),
    Category(
        "hair-dryer",
        "device",
        1.0,
        "blowing",
        False,
        False,
        False,
        ("device that dries wet heads", "hand-held thing that blows hot air"),
    ),
    Category(
        "helicopter",
        "vehicle",
        1.5,
        "chopping",
        False,
        True,
        True,
        ("flying machine with a rotor", "machine that hovers in the air"),
    ),
    Category(
        "lamp",
        "furniture",
        0.52,
        None,
        False,
        False,
        False,
        ("thing that lights a room", "thing with a shade and a bulb"),
    ),
    Category("man", "person", 0.6, None, False, False, False, ("one who stands on two legs", "human being")),
    Category(
        "piano",
        "instrument",
        1.25,
        "melody",
        True,
        False,
        False,
        ("heavy thing with many keys", "thing with black and white keys"),
    ),
    Category("sheep", "animal", 1.3, "bleating", True, True, True, ("woolly farm animal", "animal that gives wool")),
    Category(
        "table", "furniture", 1.55, None, False, False, True, ("flat thing people eat at", "flat top on thin legs")
    ),
    Category(
        "telephone",
        "device",
        1.35,
        "ringing",
        True,
        False,
        True,
        ("device people talk into", "thing with a dial and a receiver"),
    ),
    Category(
        "train",
        "vehicle",
        1.5,
        "chugging",
        True,
        True,
        False,
        ("machine that runs on rails", "steam machine with a chimney"),
    ),
    Category(
        "trumpet",
        "instrument",
        2.1,
        "fanfare",
        True,
        False,
        False,
        ("brass thing that people blow", "shiny thing with three valves"),
    ),
)

CATEGORIES: Mapping[str, Category] = MappingProxyType({category.name: category for category in _TABLE})
HELD_OUT: tuple[str, ...] = tuple(sorted(name for name, category in CATEGORIES.items() if category.held_out))
SEEN: tuple[str, ...] = tuple(sorted(name for name, category in CATEGORIES.items() if not category.held_out))
SOUNDING: tuple[str, ...] = tuple(sorted(name for name, category in CATEGORIES.items() if category.noise))

# A phrase that covers a whole family, for references that leave the category to be inferred.
FAMILY_PHRASES: Mapping[Family, str] = MappingProxyType(
    {
        "instrument": "thing that makes music",
        "animal": "living creature",
        "vehicle": "machine that carries people",
        "device": "small household device",
        "furniture": "piece for furnishing a room",
        "person": "person",
    }
)


def categories_with_function(phrase: str) -> frozenset[str]:
    """Return the names of the categories that a function or family phrase describes. ValueError if it is unknown."""
    names = {
        name
        for name, category in CATEGORIES.items()
        if phrase in category.functions or phrase == FAMILY_PHRASES[category.family]
    }
    if not names:
        raise ValueError(f"unknown function phrase: got {phrase!r}; see Category.functions and FAMILY_PHRASES")
    return frozenset(names)


def name_with_color(category: str, color: str) -> str:
    """Name an object of a category and colour; a person is named by the clothes."""
    return f"{category} in {color}" if CATEGORIES[category].family == "person" else f"{color} {category}"
