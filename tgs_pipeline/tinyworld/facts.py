"""Facts of a scene in the words of chains: what an object looks and sounds like, and what a demand compares.

Positions are columns 0 (left) to 9 (right) of the frame, sizes 20ths of its side, times whole seconds, loudness the
levels 1 (faint) to 4, rhythm pulses per second.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tgs_pipeline.tinyworld.categories import CATEGORIES, categories_with_function, name_with_color
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene, SceneObject, Voice
from tgs_pipeline.tinyworld.solver import Atom

NONE = "none"

_FACTS = (
    "{color} {category}",
    "{category} in {color}",
    "at {start}",
    "at {start} to {end}",
    "moving {motion}",
    "size {size}",
    "seen from {first} to {last}",
    "played by the man",
    "{category} from {onset} to {offset}",
    "and {onset} to {offset}",
    "for {seconds} seconds",
    "loudness {loudness}",
    "rhythm {pulse}",
    "not seen",
    "silent",
    "sounds",
    "stays still",
    "not played",
    "plays the {category}",
    "plays nothing",
    "starts at {onset}",
    "sounds for {seconds} seconds",
    "no rhythm",
    "a {category}",
)


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
        return f"at {column(sorted(x for x, _ in item.centers)[NUM_FRAMES // 2])}"
    return f"at {columns[0]} to {columns[-1]}"


def describe_object(scene: Scene, item: SceneObject) -> str:
    """All that is seen of an object; its size only beside others of its category."""
    words = [name(item), position(item)]
    if item.motion != "still":
        words.append(f"moving {item.motion}")
    if not all(item.visible):
        words.append(_seen(item))
    if len(scene.of_category(item.category)) > 1:
        words.append(f"size {size(item)}")
    if item.player is not None:
        words.append("played by the man")
    return " ".join(words)


def describe_voice(category: str, voice: Voice) -> str:
    """All that is heard of an object."""
    spans = " and ".join(f"{event.onset_sec:.0f} to {event.offset_sec:.0f}" for event in voice.events)
    text = f"{category} from {spans} for {voice.duration_sec:.0f} seconds loudness {voice.loudness}"
    return text + (f" rhythm {voice.pulse_hz:.0f}" if voice.pulse_hz is not None else "")


def fact(scene: Scene, item: SceneObject, atom: Atom) -> str:
    """What is true of an object in the respect that a demand is about."""
    if atom.name in _OF_VOICES:
        return _OF_VOICES[atom.name](item.voice) if item.voice is not None else "silent"
    match atom.name:
        case "family":
            return CATEGORIES[item.category].family
        case "function" if len(categories_with_function(atom.value)) > 1:
            return CATEGORIES[item.category].family
        case "category" | "function":
            return f"a {item.category}"
        case "color" | "colored":
            return item.color
        case "sounding" | "silent":
            return "sounds" if item.voice else "silent"
        case "moving" | "stationary":
            return f"moving {item.motion}" if item.motion != "still" else "stays still"
        case "whole" | "enters" | "leaves":
            return _seen(item)
        case "biggest" | "smallest":
            return f"size {size(item)}"
        case "played":
            return "played by the man" if item.player is not None else "not played"
        case "playing":
            played = [other.category for other in scene.objects if other.player == item.index]
            return f"plays the {played[0]}" if played else "plays nothing"
        case "sounding_leftmost" | "sounding_rightmost":
            return position(item) if item.voice else "silent"
        case _:  # left_of, right_of, leftmost, rightmost, between, beside_source
            return position(item)


def wanted(scene: Scene, atom: Atom) -> str:
    """What `fact` must be, or lie beyond, for an object to satisfy a demand."""
    value = atom.value
    match atom.name:
        case "louder_than" | "quieter_than" | "before" | "after" | "left_of" | "right_of" | "beside_source":
            return f"{_RELATIONS[atom.name]} {_of_anchor(scene, atom, value)}"
        case "between":
            return "between " + " and ".join(_of_anchor(scene, atom, category) for category in value.split(","))
        case "biggest" | "smallest" | "leftmost" | "rightmost":
            rivals = scene.of_category(value) if value else scene.objects
            return fact(scene, max(rivals, key=_MEASURES[atom.name]), atom) if rivals else NONE
        case name if name in _MEASURES:  # superlatives among what sounds
            rivals = scene.sounding()
            return fact(scene, max(rivals, key=_MEASURES[name]), atom) if rivals else "sounds"
        case "category":
            return f"a {value}"
        case "function":
            names = sorted(categories_with_function(value))
            return f"a {names[0]}" if len(names) == 1 else CATEGORIES[names[0]].family
        case "family" | "color" | "colored":
            return value
        case "moving":
            return f"moving {value}".strip()
        case "playing":
            return f"plays the {value}" if value else "plays"
        case _:
            return _FIXED[atom.name]


def _of_anchor(scene: Scene, atom: Atom, category: str) -> str:
    """The anchor's own value, without the words before it."""
    found = scene.of_category(category)
    if not found:
        return NONE
    return fact(scene, found[0], atom).partition(" ")[2].removeprefix("at ") or NONE


def _seen(item: SceneObject) -> str:
    return f"seen from {item.first_frame} to {item.last_frame + 1}"


def _loudness(voice: Voice) -> str:
    return f"loudness {voice.loudness}"


def _start(voice: Voice) -> str:
    return f"starts at {voice.onset_sec:.0f}"


def _duration(voice: Voice) -> str:
    return f"sounds for {voice.duration_sec:.0f} seconds"


def _rhythm(voice: Voice) -> str:
    return f"rhythm {voice.pulse_hz:.0f}" if voice.pulse_hz is not None else "no rhythm"


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
        "louder_than": "loudness above",
        "quieter_than": "loudness below",
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
        "silent": "silent",
        "always": "sounds for 10 seconds",
        "stationary": "stays still",
        "whole": "seen from 0 to 10",
        "enters": "seen from above 0",
        "leaves": "seen to below 10",
        "played": "played by the man",
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
TEMPLATES: tuple[str, ...] = (*_FACTS, NONE, "between {position} and", *_RELATIONS.values(), *_FIXED.values())
