"""The kinds of references: what each demands (atoms), how it is worded, and how a chain restates it.

Wordings and atoms hold the same slots in braces: {category}, {anchor}, {other} (all three categories), {color}, {side},
{family}. Wordings only: {noun}, a neutral word for an object, and {colored}, a category with its colour. The wordings
follow the benchmark's, its grammar too.
"""

from dataclasses import dataclass

NOUNS = ("object", "object", "object", "item", "entity", "thing")
FAMILY_WORDS = ("animal", "instrument", "vehicle")
SIDES = ("left", "right")


@dataclass(frozen=True)
class Kind:
    """One kind of reference.

    atoms: (predicate name, argument) with slots. asks: the demand as a chain restates it. audible: it depends on the
    soundtrack and demands a sound, so a foreign soundtrack leaves it without referent. weight: relative frequency.
    """

    name: str
    atoms: tuple[tuple[str, str], ...]
    wordings: tuple[str, ...]
    asks: str
    audible: bool
    weight: float = 1.0


def _audible(name: str, atoms: tuple[tuple[str, str], ...], asks: str, *wordings: str, weight: float = 1.0) -> Kind:
    return Kind(name, atoms, wordings, asks, True, weight)


def _visual(name: str, atoms: tuple[tuple[str, str], ...], asks: str, *wordings: str, weight: float = 1.0) -> Kind:
    return Kind(name, atoms, wordings, asks, False, weight)


KINDS: tuple[Kind, ...] = (
    _audible(
        "loudest", (("loudest", ""),), "the loudest sound",
        "the {noun} making the loudest sound", "the {noun} emitting the most intense sound",
        "the object making a loudest sound", weight=1.6,
    ),
    _audible(
        "quietest", (("quietest", ""),), "the lowest sound",
        "the {noun} making the lowest sound", "the {noun} producing the softest sound",
        "the object making a lowest sound", weight=1.3,
    ),
    _audible(
        "first", (("first", ""),), "the first sound",
        "the first {noun} to make a sound", "the initial sound-producing {noun}",
        "the {noun} that starts to sound first", weight=1.5,
    ),
    _audible(
        "last", (("last", ""),), "the last sound",
        "the last {noun} to make a sound", "the final sound-producing {noun}", "the {noun} that starts to sound last",
        weight=1.3,
    ),
    _audible(
        "longest", (("longest", ""),), "the longest sound",
        "the {noun} making the longest sound duration", "the {noun} produces the lengthiest duration of sound",
    ),
    _audible(
        "shortest", (("shortest", ""),), "the shortest sound",
        "the {noun} making the shortest sound duration", "the {noun} produces the briefest duration of sound",
    ),
    _audible(
        "always", (("always", ""),), "the sound without end",
        "the {noun} that keeps making sound at all times", "the {noun} continuously emits sound",
        "the incessantly noise-producing {noun}", weight=2.0,
    ),
    _audible(
        "sounding", (("sounding", ""),), "the only sounding object",
        "the sounding {noun}", "the source of the sound", "the {noun} making a sound", weight=1.5,
    ),
    _visual(
        "silent", (("silent", ""),), "the only silent object",
        "the {noun} that makes no sound", "the {noun} that didn't make any sound", "the muted {noun}",
    ),
    _audible(
        "sounding_category", (("category", "{category}"), ("sounding", "")), "a sounding {category}",
        "the sounding {category}", "the {category} making a sound", weight=1.2,
    ),
    _visual(
        "silent_category", (("category", "{category}"), ("silent", "")), "a silent {category}",
        "the silent {category}", "the muted {category}", "the {category} that didn't make any sound", weight=0.8,
    ),
    _audible(
        "sounding_family", (("family", "{family}"), ("sounding", "")), "a sounding {family}",
        "the sounding {family}", "the {family} making a sound", weight=0.8,
    ),
    _visual(
        "silent_family", (("family", "{family}"), ("silent", "")), "a silent {family}",
        "the {family} that didn't make any sound", "the silent {family}", weight=0.8,
    ),
    _audible(
        "fastest", (("fastest", ""),), "the fastest rhythm",
        "the {noun} making the fastest rhythm", "the object making a sound with a faster rhythm", weight=1.3,
    ),
    _audible(
        "slowest", (("slowest", ""),), "the slowest rhythm",
        "the {noun} making the slowest rhythm", "the object making a sound with a lower rhythm", weight=1.3,
    ),
    _audible(
        "louder_than", (("louder_than", "{anchor}"),), "a sound louder than the {anchor}",
        "the {noun} making louder sound than the {anchor}", "the {noun} that sounds louder than the {anchor}",
        weight=0.8,
    ),
    _audible(
        "quieter_than", (("quieter_than", "{anchor}"),), "a sound lower than the {anchor}",
        "the {noun} making lower sound than the {anchor}", "the {noun} that sounds softer than the {anchor}",
        weight=0.8,
    ),
    _audible(
        "after", (("after", "{anchor}"),), "a sound that starts after the {anchor}",
        "the {noun} that making a sound after the {anchor}", "the {noun} that starts to sound after the {anchor}",
        weight=0.8,
    ),
    _audible(
        "before", (("before", "{anchor}"),), "a sound that starts before the {anchor}",
        "the {noun} that making a sound before the {anchor}", "the {noun} that starts to sound before the {anchor}",
        weight=0.8,
    ),
    _audible(
        "sounding_beside", (("sounding", ""), ("{side}_of", "{anchor}")),
        "a sounding object on the {side} of the {anchor}",
        "the sounding {noun} on the {side} of the {anchor}", "the {noun} making a sound to the {side} of the {anchor}",
        weight=2.0,
    ),
    _audible(
        "sounding_extreme", (("sounding_{side}most", ""),), "a sounding object at the far {side}",
        "the sounding {noun} on the far {side}", "the {noun} making a sound on the far {side}", weight=0.8,
    ),
    _visual(
        "category_beside", (("category", "{category}"), ("{side}_of", "{anchor}")),
        "a {category} on the {side} of the {anchor}",
        "the {category} on the {side} of the {anchor}", "the {category} standing to the {side} of the {anchor}",
    ),
    _visual(
        "beside", (("{side}_of", "{anchor}"),), "what is on the {side} of the {anchor}",
        "the {noun} on the {side} of the {anchor}", "the {noun} positioned to the {side} of the {anchor}",
    ),
    _visual(
        "twin_side", (("category", "{category}"), ("{side}most", "{category}")), "the {category} farther to the {side}",
        "the {category} on the {side}", "the {category} on the far {side}", weight=1.6,
    ),
    _visual(
        "extreme", (("{side}most", ""),), "what is at the far {side}",
        "the {noun} on the far {side}", "the {side}most {noun}", weight=0.8,
    ),
    _visual(
        "between", (("between", "{anchor},{other}"),), "what is between the {anchor} and the {other}",
        "the {noun} between the {anchor} and the {other}", "the {noun} in the middle of the {anchor} and the {other}",
    ),
    _visual(
        "color_category", (("color", "{color}"), ("category", "{category}")), "a {colored}",
        "the {colored}", "the {colored}", "the {category} in {color}", weight=1.2,
    ),
    _visual(
        "color", (("colored", "{color}"),), "a {color} object",
        "the {color} {noun}", "the {noun} in {color}", weight=0.6,
    ),
    _visual("category", (("category", "{category}"),), "a {category}", "the {category}", "{category}", weight=0.7),
    _visual(
        "moving", (("moving", ""),), "a moving object",
        "the moving {noun}", "the {noun} that moves through the scene", weight=1.1,
    ),
    _visual(
        "moving_category", (("category", "{category}"), ("moving", "")), "a moving {category}",
        "the moving {category}", "the {category} that moves through the scene", weight=0.8,
    ),
    _visual(
        "moving_side", (("moving", "{side}"),), "an object moving to the {side}",
        "the {noun} moving to the {side}", "the {noun} that moves to the {side}",
    ),
    _visual(
        "stationary", (("stationary", ""),), "an object that stays still",
        "the {noun} that always stays still", "the stationary {noun}",
    ),
    _visual(
        "stationary_category", (("category", "{category}"), ("stationary", "")), "a {category} that stays still",
        "the {category} that always stays still", "the stationary {category}", weight=0.8,
    ),
    _visual(
        "whole", (("whole", ""),), "an object seen from start to end",
        "the {noun} appearing through the entire video", "the {noun} that is visible all the time",
    ),
    _visual(
        "whole_category", (("category", "{category}"), ("whole", "")), "a {category} seen from start to end",
        "the {category} appearing through the entire video", weight=0.5,
    ),
    _visual(
        "enters", (("enters", ""),), "an object that comes late",
        "the {noun} entering the scene late", "the {noun} that appears later in the video", weight=1.2,
    ),
    _visual(
        "leaves", (("leaves", ""),), "an object that goes away",
        "the {noun} leaving the scene", "the {noun} that disappears from the video", weight=1.2,
    ),
    _visual(
        "biggest", (("category", "{category}"), ("biggest", "{category}")), "the biggest {category}",
        "the biggest {category}", "the larger {category}",
    ),
    _visual(
        "smallest", (("category", "{category}"), ("smallest", "{category}")), "the smallest {category}",
        "the smallest {category}", "the smaller {category}",
    ),
    _audible(
        "played", (("sounding", ""), ("played", "")), "a sound played by the man",
        "the object making a sound by being played by the man", "the sounding {noun} played by the man", weight=1.6,
    ),
    _visual(
        "held", (("played", ""),), "what the man plays",
        "the {noun} being played by the man", "the {noun} which the man is playing", weight=0.8,
    ),
    _visual(
        "playing", (("playing", "{anchor}"),), "who plays the {anchor}",
        "the man playing the {anchor}", "the object making a sound by playing the {anchor}",
        "the {noun} playing the {anchor}", weight=1.4,
    ),
)  # fmt: skip
