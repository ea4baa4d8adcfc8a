"""Facts of a scene in the words of chains: what an object looks and sounds like, and what a demand comes to.

Each kind of value has words of its own, so that none can be mistaken for another: columns x0 (left) to x9 (right) of
the frame, times 0s to 10s, loudness faint, soft, loud, booming, rhythm slow (one pulse per second), steady (two), fast
(four), flat (none), sizes in 20ths of the frame's side. Objects are numbered from left to right: #1, #2, ... Each
statement names its object, and each demand what it compares with: a small language model finds what stands beside a
word that it knows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from tgs_pipeline.tinyworld.categories import CATEGORIES, categories_with_function, name_with_color
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene, SceneObject, Voice
from tgs_pipeline.tinyworld.solver import Atom

NUMBERS = tuple(f"#{number}" for number in range(1, 5))  # of objects, of which a scene has four at most
SIZE_DEMANDS = ("biggest", "smallest")  # atoms for which sizes are told
NONE = "none"
SILENT = "silent"
_WHOLE = "seen always"
LOUDNESS: Mapping[int, str] = MappingProxyType({1: "faint", 2: "soft", 3: "loud", 4: "booming"})
RHYTHM: Mapping[float | None, str] = MappingProxyType({None: "flat", 1.0: "slow", 2.0: "steady", 4.0: "fast"})


def number_of(scene: Scene, item: SceneObject) -> str:
    """The number of an object, counted from the left."""
    return f"#{scene.from_left().index(item) + 1}"


def name(item: SceneObject) -> str:
    """An object by category and colour."""
    return name_with_color(item.category, item.color)


def column(x: float) -> int:
    """The column 0 to 9 of an x coordinate; what is outside the frame counts as at its edge."""
    return min(9, max(0, int(10 * x)))


def size(item: SceneObject) -> int:
    """The longer side in 20ths of the frame's side."""
    return round(20 * item.size)


def position(item: SceneObject) -> str:
    """Where an object stands, or where it comes from and goes to."""
    columns = [column(item.centers[frame][0]) for frame in range(NUM_FRAMES) if item.visible[frame]]
    if item.motion == "still":
        return f"at x{column(sorted(x for x, _ in item.centers)[NUM_FRAMES // 2])}"
    return f"at x{columns[0]} to x{columns[-1]}"


def describe_object(scene: Scene, item: SceneObject) -> str:
    """All that is seen of an object, but for its size."""
    statements = [f"{name(item)} {position(item)}"]
    if item.motion != "still":
        statements.append(f"moving {item.motion}")
    if not all(item.visible):
        statements.append(_seen(item))
    if item.player is not None:
        statements.append("played")
    return ", ".join(f"{number_of(scene, item)} {statement}" for statement in statements)


def describe_sizes(scene: Scene) -> list[str]:
    """The size of each object."""
    return [f"{number_of(scene, item)} size {size(item)}" for item in scene.from_left()]


def describe_voice(category: str, voice: Voice, *, source: str | None) -> str:
    """All that is heard of an object; source: what each statement begins with, None for one statement without it."""
    statements = [f"{category} {_loudness(voice)}", _rhythm(voice), _seconds(voice), _duration(voice)]
    return " ".join(statements) if source is None else ", ".join(f"{source} {statement}" for statement in statements)


def fact(scene: Scene, item: SceneObject, atom: Atom) -> str:
    """What is true of an object in the respect that a demand is about."""
    if atom.name in _OF_VOICES:
        return _OF_VOICES[atom.name](item.voice) if item.voice is not None else SILENT
    match atom.name:
        case "family":
            return CATEGORIES[item.category].family
        case "function" if len(categories_with_function(atom.value)) > 1:
            return CATEGORIES[item.category].family
        case "category" | "function":
            return item.category
        case "color" | "colored":
            return item.color
        case "sounding" | "silent":
            return "sounds" if item.voice else SILENT
        case "moving" | "stationary":
            return f"moving {item.motion}" if item.motion != "still" else "still"
        case "whole":
            return _seen(item)
        case "enters":
            return f"comes {item.first_frame}s"
        case "leaves":
            return f"goes {item.last_frame}s"
        case "biggest" | "smallest":
            return f"size {size(item)}"
        case "played":
            return "played" if item.player is not None else "not played"
        case "playing":
            played = [other.category for other in scene.objects if other.player == item.index]
            return f"plays {played[0]}" if played else "plays nothing"
        case "sounding_leftmost" | "sounding_rightmost":
            return position(item) if item.voice else SILENT
        case _:  # left_of, right_of, leftmost, rightmost, between, beside_source
            return position(item)


def compared(scene: Scene, atom: Atom) -> list[str] | None:
    """What a demand compares with, and its fact: an anchor, for which the objects are searched; or all rivals.

    From left to right. None where the demand says by itself what is wanted; empty where there is no rival.
    """
    if atom.name in _RELATIONS or atom.name == "between":
        return [said for anchor in atom.value.split(",") for said in _search(scene, atom, anchor)]
    if atom.name in _MEASURES:
        rivals = _rivals(scene, atom)
        return [f"{number_of(scene, item)} {fact(scene, item, atom)}" for item in scene.from_left() if item in rivals]
    return None


def wanted(scene: Scene, atom: Atom) -> str:
    """What `fact` must be, or lie beyond, for an object to satisfy a demand."""
    value = atom.value
    match atom.name:
        case "louder_than" | "quieter_than" | "before" | "after" | "left_of" | "right_of" | "beside_source":
            return f"{_RELATIONS[atom.name]} {_of_anchor(scene, atom, value)}"
        case "between":
            return "between " + " and ".join(_of_anchor(scene, atom, category) for category in value.split(","))
        case name if name in _MEASURES:
            rivals = _rivals(scene, atom)
            return fact(scene, max(rivals, key=_MEASURES[name]), atom) if rivals else NONE
        case "function":
            names = sorted(categories_with_function(value))
            return names[0] if len(names) == 1 else CATEGORIES[names[0]].family
        case "category" | "family" | "color" | "colored":
            return value
        case "moving":
            return f"moving {value}".strip()
        case "playing":
            return f"plays {value}".strip()
        case _:
            return _FIXED[atom.name]


def _rivals(scene: Scene, atom: Atom) -> tuple[SceneObject, ...]:
    """Among which a superlative holds: what sounds, or of what is seen all or a category."""
    if atom.name in (*SIZE_DEMANDS, "leftmost", "rightmost"):
        return scene.of_category(atom.value) if atom.value else scene.objects
    return scene.sounding()


def _search(scene: Scene, atom: Atom, anchor: str) -> Iterator[str]:
    """Ask the objects in turn, as candidates are asked, until the anchor is found."""
    for item in scene.from_left():
        said = f"{number_of(scene, item)}: {anchor}? {item.category}"
        if item.category == anchor:
            yield f"{said} {fact(scene, item, atom)}"
            return
        yield said


def _of_anchor(scene: Scene, atom: Atom, category: str) -> str:
    """The anchor and its own value, without the word before it; NONE where it is absent or has no such value."""
    found = scene.of_category(category)
    if not found or fact(scene, found[0], atom) == SILENT:
        return f"{category} {NONE}"
    return f"{category} {fact(scene, found[0], atom).removeprefix('at ').removeprefix('starts ')}"


def _seen(item: SceneObject) -> str:
    """Every second in which it is in view, where it is not so all the time."""
    return f"seen {_listed(range(item.first_frame, item.last_frame + 1))}" if not all(item.visible) else _WHOLE


def _listed(seconds: Iterable[int]) -> str:
    """Seconds one by one: that something is there can be read, that it ended cannot."""
    return " ".join(f"{second}s" for second in seconds)


def _loudness(voice: Voice) -> str:
    return LOUDNESS[voice.loudness]


def _start(voice: Voice) -> str:
    return f"starts {voice.onset_sec:.0f}s"


def _seconds(voice: Voice) -> str:
    """Every second in which it sounds."""
    sounding = (second for event in voice.events for second in range(round(event.onset_sec), round(event.offset_sec)))
    return f"in {_listed(sounding)}"


def _duration(voice: Voice) -> str:
    return f"lasts {voice.duration_sec:.0f}s"


def _rhythm(voice: Voice) -> str:
    return RHYTHM[voice.pulse_hz]


def _measure(of_voice: Callable[[Voice], float]) -> Callable[[SceneObject], float]:
    return lambda item: of_voice(item.voice) if item.voice is not None else float("-inf")


_OF_VOICES: Mapping[str, Callable[[Voice], str]] = MappingProxyType(
    dict.fromkeys(("loudest", "quietest", "louder_than", "quieter_than"), _loudness)
    | dict.fromkeys(("first", "last", "before", "after"), _start)
    | dict.fromkeys(("longest", "shortest", "always"), _duration)
    | dict.fromkeys(("fastest", "slowest"), _rhythm)
)
_RELATIONS: Mapping[str, str] = MappingProxyType(
    {
        "louder_than": "above",
        "quieter_than": "below",
        "before": "starts before",
        "after": "starts after",
        "left_of": "left of",
        "right_of": "right of",
        "beside_source": "near",
    }
)
_FIXED: Mapping[str, str] = MappingProxyType(
    {
        "sounding": "sounds",
        "silent": SILENT,
        "always": "lasts 10s",
        "stationary": "still",
        "whole": _WHOLE,
        "enters": "comes after 0s",
        "leaves": "goes before 9s",
        "played": "played",
    }
)
_MEASURES: Mapping[str, Callable[[SceneObject], float]] = MappingProxyType(
    {
        "loudest": _measure(lambda voice: voice.loudness),
        "quietest": _measure(lambda voice: -voice.loudness),
        "first": _measure(lambda voice: -voice.onset_sec),
        "last": _measure(lambda voice: voice.onset_sec),
        "longest": _measure(lambda voice: voice.duration_sec),
        "shortest": _measure(lambda voice: -voice.duration_sec),
        "fastest": _measure(lambda voice: voice.pulse_hz or 0.0),
        "slowest": _measure(lambda voice: -(voice.pulse_hz or 0.0)),
        "biggest": lambda item: item.size,
        "smallest": lambda item: -item.size,
        "leftmost": lambda item: -item.mean_x,
        "rightmost": lambda item: item.mean_x,
        "sounding_leftmost": lambda item: -item.mean_x,
        "sounding_rightmost": lambda item: item.mean_x,
    }
)
WORDS: tuple[str, ...] = (
    *(*LOUDNESS.values(), *RHYTHM.values(), *_RELATIONS.values(), *_FIXED.values(), NONE, "not played"),
    *(*(f"x{number}" for number in range(10)), *(f"{time}s" for time in range(11)), *NUMBERS),
    *("at", "to", "moving", "seen", "size", "played", "from", "and", "for", "sounds", "still", "starts", "lasts"),
    *("comes", "goes", "plays nothing", "between", "in"),
)
