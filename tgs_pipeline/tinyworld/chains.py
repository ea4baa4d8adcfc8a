"""Reasoning chains from ground truth: what is asked, seen and heard, which candidates fail and why, and the answer.

Positions are columns 0 (left) to 9 (right) of the frame, sizes 20ths of its side, times whole seconds, loudness the
levels 1 (faint) to 4, rhythm pulses per second. A candidate is struck out at the first demand that it fails.
`s_object` is the category, with the colour before it only where the clip shows more than one of that category.
"""

from collections.abc import Sequence

import numpy as np

from tgs_pipeline.tinyworld.categories import name_with_color
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene, SceneObject, Voice
from tgs_pipeline.tinyworld.solver import Atom, judge
from tgs_pipeline.tinyworld.verdict import Verdict

NULL = "null"
_ASKS = ("The reference asks for {asks}.", "The expression means {asks}.", "We look for {asks}.")
_SHOWS = ("The video shows {items}.", "We see {items}.", "In the frames there are {items}.")
_HEARS = ("The audio contains {items}.", "We hear {items}.", "The soundtrack has {items}.")
_HEARS_NOTHING = ("The audio contains no sound.", "We hear nothing.", "The soundtrack is silent.")
_CHECKS = ("Checking each: {items}.", "Candidates: {items}.", "One by one: {items}.")
_CONCLUDES = ("So it is the {name}.", "The reference means the {name}.", "Only the {name} fits.")
_CONCLUDES_NULL = ("So nothing fits.", "The reference means no object here.", "None of them fits.")

_PLACES = (" on the left", " in the middle", " on the right")
_FACTS = (
    "{color} {category}",
    "{category} in {color}",
    " at {start}",
    " at {start} to {end}",
    " moving {motion}",
    " seen from {first} to {last}",
    " played by the man",
    "{category} from {onset} to {offset}",
    " and {onset} to {offset}",
    " loudness {loudness}",
    " rhythm {pulse}",
    " not seen",
    "{name}: {facts}, keep",
    "{name}: {facts}, out",
    "silent",
    "sounds",
    "stays still",
    "not played",
    "plays the {category}",
    "plays nothing",
    "size {size}",
    "starts at {onset}",
    "sounds for {seconds} seconds",
    "no rhythm",
    "a {category}",
)
_ANSWER = (
    "<think>\n{think}\n</think>\n<answer>\n<f_object> {f_object} </f_object>\n<s_object> {s_object} </s_object>\n"
    "The corresponding bbox is: <frame> {frame} <box> {box} </box> </frame>\n</answer>"
)
TEMPLATES: tuple[str, ...] = (
    *(*_ASKS, *_SHOWS, *_HEARS, *_HEARS_NOTHING, *_CHECKS, *_CONCLUDES, *_CONCLUDES_NULL, *_PLACES, *_FACTS),
    *(_ANSWER, NULL, ",", ";", "the"),
)


def write_chain(
    rng: np.random.Generator, scene: Scene, reference: Reference, *, masks: np.ndarray | None = None
) -> str:
    """Write the target text of a reference: `<think>`, `<f_object>`, `<s_object>` and a box.

    masks: bool (num_objects, NUM_FRAMES, height, width), for the box in the frame that shows most of the target, in px
    x1,y1,x2,y2 (last column and row included); without masks, and for null, the box is `null`.
    """
    think = write_thoughts(rng, scene, reference)
    if reference.target is None:
        return _ANSWER.format(think=think, f_object=NULL, s_object=NULL, frame=NULL, box=NULL)
    item = scene.objects[reference.target]
    frame, box = NULL, NULL
    if masks is not None:
        visible = masks[item.index]
        best = int(visible.sum(axis=(1, 2)).argmax())
        rows, columns = np.nonzero(visible[best])
        frame, box = str(best), f"{columns.min()},{rows.min()},{columns.max()},{rows.max()}"
    f_object, s_object = describe_target(scene, item)
    return _ANSWER.format(think=think, f_object=f_object, s_object=s_object, frame=frame, box=box)


def write_thoughts(rng: np.random.Generator, scene: Scene, reference: Reference) -> str:
    """Write the body of `<think>`: the demand, the scene, the soundtrack, the check of every object, the conclusion."""
    checks = "; ".join(_check(scene, item, reference.atoms) for item in scene.objects)
    sentences = [
        str(rng.choice(_ASKS)).format(asks=reference.asks),
        describe_frames(rng, scene),
        describe_sound(rng, scene),
        str(rng.choice(_CHECKS)).format(items=checks),
    ]
    if reference.target is None:
        sentences.append(str(rng.choice(_CONCLUDES_NULL)))
    else:
        name = _name(scene.objects[reference.target])
        sentences.append(str(rng.choice(_CONCLUDES)).format(name=name))
    return " ".join(sentences)


def describe_frames(rng: np.random.Generator, scene: Scene) -> str:
    """Say in one sentence what is seen."""
    seen = ", ".join(describe_object(item) for item in scene.objects)
    return str(rng.choice(_SHOWS)).format(items=seen)


def describe_sound(rng: np.random.Generator, scene: Scene) -> str:
    """Say in one sentence what is heard, also of what is not in view."""
    heard = [_describe_voice(item.category, item.voice) for item in scene.sounding() if item.voice is not None]
    heard += [_describe_voice(category, voice) + " not seen" for category, voice in scene.unseen_voices]
    return str(rng.choice(_HEARS)).format(items=", ".join(heard)) if heard else str(rng.choice(_HEARS_NOTHING))


def describe_target(scene: Scene, item: SceneObject) -> tuple[str, str]:
    """Return (f_object, s_object): the fine-grained and the simplified description."""
    place = _PLACES[min(2, int(3 * item.mean_x))]
    twins = len(scene.of_category(item.category)) > 1
    return f"the {_name(item)}{place}", _name(item) if twins else item.category


def describe_object(item: SceneObject) -> str:
    """Describe what is seen of an object, for chains and captions."""
    text = _name(item) + _position(item)
    if item.motion != "still":
        text += f" moving {item.motion}"
    if not all(item.visible):
        text += f" seen from {item.first_frame} to {item.last_frame + 1}"
    return text + (" played by the man" if item.player is not None else "")


def _name(item: SceneObject) -> str:
    return name_with_color(item.category, item.color)


def _column(x: float) -> int:
    return min(9, max(0, int(10 * x)))


def _position(item: SceneObject) -> str:
    columns = [_column(item.centers[frame][0]) for frame in range(NUM_FRAMES) if item.visible[frame]]
    if item.motion == "still":
        return f" at {_column(sorted(x for x, _ in item.centers)[NUM_FRAMES // 2])}"
    return f" at {columns[0]} to {columns[-1]}"


def _describe_voice(category: str, voice: Voice) -> str:
    spans = " and ".join(f"{event.onset_sec:.0f} to {event.offset_sec:.0f}" for event in voice.events)
    text = f"{category} from {spans} loudness {voice.loudness}"
    return text + (f" rhythm {voice.pulse_hz:.0f}" if voice.pulse_hz is not None else "")


def _check(scene: Scene, item: SceneObject, atoms: Sequence[Atom]) -> str:
    """Copy the value of each demand beside the candidate, up to the first that fails."""
    facts: list[str] = []
    for atom in atoms:
        verdict = judge(scene, item, [atom])
        fact = _fact(scene, item, atom)
        if fact not in facts and verdict is not Verdict.UNSURE:
            facts.append(fact)
        if verdict is Verdict.NO:
            return f"{_name(item)}: {', '.join(facts)}, out"
    return f"{_name(item)}: {', '.join(facts)}, keep"


def _fact(scene: Scene, item: SceneObject, atom: Atom) -> str:
    voice = item.voice
    match atom.name:
        case "category" | "family" | "function":
            return f"a {item.category}"
        case "color" | "colored":
            return item.color
        case "sounding" | "silent":
            return "sounds" if voice else "silent"
        case "loudest" | "quietest" | "louder_than" | "quieter_than":
            return f"loudness {voice.loudness}" if voice else "silent"
        case "first" | "last" | "before" | "after":
            return f"starts at {voice.onset_sec:.0f}" if voice else "silent"
        case "longest" | "shortest" | "always":
            return f"sounds for {voice.duration_sec:.0f} seconds" if voice else "silent"
        case "fastest" | "slowest":
            if voice is None:
                return "silent"
            return f"rhythm {voice.pulse_hz:.0f}" if voice.pulse_hz is not None else "no rhythm"
        case "moving" | "stationary":
            return f"moving {item.motion}" if item.motion != "still" else "stays still"
        case "whole" | "enters" | "leaves":
            return f"seen from {item.first_frame} to {item.last_frame + 1}"
        case "biggest" | "smallest":
            return f"size {round(20 * item.size)}"
        case "played":
            return "played by the man" if item.player is not None else "not played"
        case "playing":
            played = [other.category for other in scene.objects if other.player == item.index]
            return f"plays the {played[0]}" if played else "plays nothing"
        case "sounding_leftmost" | "sounding_rightmost":
            return _position(item).strip() if voice else "silent"
        case _:  # left_of, right_of, leftmost, rightmost, between, beside_source
            return _position(item).strip()
