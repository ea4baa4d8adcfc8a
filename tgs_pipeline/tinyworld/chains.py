"""Reasoning chains from ground truth: what is asked, seen and heard, which candidates fail and why, and the answer.

What is shown is told object by object from left to right and then, where a demand is about size, the sizes of all.
(Sizes of those alone that share their category stood there before: a small model had to see who does, and where it
gave sizes wrongly it mostly missed the sounds of these objects, too.) What is heard is told in the same order, of each
object that it is silent or how it sounds, then the sounds of nothing in view: where only those were listed that sound,
one word had to say which of them all is the next, and a small model gave the sounds of things out of view to those in
view. Then stands what a demand compares with, object by object, and after it, as a value, what each demand comes to in
this clip: anchors are searched for as candidates are checked, since a small model finds what stands beside a number,
and seldom the number of a name. A candidate is struck out at the first demand that it fails. `s_object` is the
category, the simplified description of the paper; `f_object` gives colour and place, too, which tell it from others of
its category. The line with a box, which the prompt also asks for, is left out: no stage reads it.
"""

from collections.abc import Sequence

import numpy as np

from tgs_pipeline.tinyworld.facts import (
    NONE,
    SILENT,
    SIZE_DEMANDS,
    compared,
    describe_object,
    describe_sizes,
    describe_voice,
    fact,
    name,
    number_of,
    wanted,
)
from tgs_pipeline.tinyworld.facts import WORDS as _FACTS
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.scene import Scene, SceneObject
from tgs_pipeline.tinyworld.solver import Atom, judge
from tgs_pipeline.tinyworld.verdict import Verdict

NULL = "null"
UNSEEN = "unseen"
_ASKS = ("The reference asks for {asks}.", "The expression means {asks}.", "We look for {asks}.")
_SHOWS = ("The video shows {items}.", "We see {items}.", "In the frames there are {items}.")
_HEARS = ("The audio contains {items}.", "We hear {items}.", "The soundtrack has {items}.")
_HEARS_NOTHING = ("The audio contains no sound.", "We hear nothing.", "The soundtrack is silent.")
_COMPARES = ("To compare: {items}.", "Compared: {items}.", "Among: {items}.")
_WANTS = ("Wanted: {items}.", "It must be: {items}.", "Needed: {items}.")
_CHECKS = ("Checking each: {items}.", "Candidates: {items}.", "One by one: {items}.")
_CONCLUDES = (
    "So it is {number}, the {name}.",
    "The reference means {number}, the {name}.",
    "Only {number}, the {name}, fits.",
)
_CONCLUDES_NULL = ("So nothing fits.", "The reference means no object here.", "None of them fits.")

PLACES = (" on the left", " in the middle", " on the right")
_VERDICTS = ("{number}: {demand}? {fact}, keep", "{number}: {demand}? {fact}, out")
_OPENING = "<think>\n{asks} {shows} {hears}"
_REST = (
    " {thoughts}\n</think>\n<answer>\n<f_object> {f_object} </f_object>\n<s_object> {s_object} </s_object>\n</answer>"
)
TEMPLATES: tuple[str, ...] = (
    *(*_ASKS, *_SHOWS, *_HEARS, *_HEARS_NOTHING, *_COMPARES, *_WANTS, *_CHECKS, *_CONCLUDES, *_CONCLUDES_NULL),
    *(*PLACES, *_VERDICTS, *_FACTS, _OPENING, _REST, NULL, UNSEEN, ",", ";", "the"),
)


def write_chain(rng: np.random.Generator, scene: Scene, reference: Reference) -> str:
    """Write the target text of a reference: `<think>`, `<f_object>` and `<s_object>`."""
    return "".join(write_parts(rng, scene, reference))


def write_parts(rng: np.random.Generator, scene: Scene, reference: Reference) -> tuple[str, str]:
    """Write a chain in two parts: the demand and the description of the clip; all that follows from them."""
    asks = str(rng.choice(_ASKS)).format(asks=reference.asks)
    hears = describe_sound(rng, scene, numbered=True)
    shows = describe_frames(rng, scene, sizes=any(atom.name in SIZE_DEMANDS for atom in reference.atoms))
    opening = _OPENING.format(asks=asks, shows=shows, hears=hears)
    compares = _compare(scene, reference.atoms)
    wants = ", ".join(dict.fromkeys(wanted(scene, atom) for atom in reference.atoms))
    checks = "; ".join(_check(scene, item, reference.atoms) for item in scene.from_left())
    thoughts = [] if compares is None else [str(rng.choice(_COMPARES)).format(items=compares)]
    thoughts += [str(rng.choice(_WANTS)).format(items=wants), str(rng.choice(_CHECKS)).format(items=checks)]
    f_object, s_object = NULL, NULL
    if reference.target is None:
        thoughts.append(str(rng.choice(_CONCLUDES_NULL)))
    else:
        target = scene.objects[reference.target]
        thoughts.append(str(rng.choice(_CONCLUDES)).format(number=number_of(scene, target), name=name(target)))
        f_object, s_object = describe_target(target)
    return opening, _REST.format(thoughts=" ".join(thoughts), f_object=f_object, s_object=s_object)


def describe_frames(rng: np.random.Generator, scene: Scene, *, sizes: bool) -> str:
    """Say in one sentence what is seen; sizes: whether these too."""
    seen = [describe_object(scene, item) for item in scene.from_left()]
    if sizes:
        seen += describe_sizes(scene)
    return str(rng.choice(_SHOWS)).format(items=", ".join(seen))


def describe_sound(rng: np.random.Generator, scene: Scene, *, numbered: bool) -> str:
    """Say in one sentence what is heard.

    numbered: of each object in view, silent ones too, and of what is not seen; otherwise, in a caption of the sound
    alone, from the earliest sound on.
    """
    seen = [(item.category, item.voice) for item in scene.sounding() if item.voice]
    voices = [*seen, *sorted(scene.unseen_voices, key=lambda voice: voice[0])]
    if not voices:
        return str(rng.choice(_HEARS_NOTHING))
    if numbered:
        heard = [_source(scene, item) for item in scene.from_left()]
        heard += [describe_voice(category, voice, source=UNSEEN) for category, voice in voices[len(seen) :]]
    else:
        voices.sort(key=lambda voice: (voice[1].onset_sec, -voice[1].loudness))
        heard = [describe_voice(category, voice, source=None) for category, voice in voices]
    return str(rng.choice(_HEARS)).format(items=", ".join(heard))


def describe_target(item: SceneObject) -> tuple[str, str]:
    """Return (f_object, s_object): the fine-grained and the simplified description."""
    return f"the {name(item)}{place_of(item)}", item.category


def _source(scene: Scene, item: SceneObject) -> str:
    """What is heard of an object."""
    source = number_of(scene, item)
    return f"{source} {SILENT}" if item.voice is None else describe_voice(item.category, item.voice, source=source)


def place_of(item: SceneObject) -> str:
    """Where an object stands, as f_object says it (one of PLACES): its place over the whole clip."""
    return PLACES[min(2, int(3 * item.mean_x))]


def _compare(scene: Scene, atoms: Sequence[Atom]) -> str | None:
    """What the demands compare with and its values; None where no demand compares."""
    found = [items for items in (compared(scene, atom) for atom in atoms) if items is not None]
    return "; ".join(item for items in found for item in items) or NONE if found else None


def _check(scene: Scene, item: SceneObject, atoms: Sequence[Atom]) -> str:
    """Ask each demand of a candidate and give its value, up to the first that fails."""
    answers: list[str] = []
    for atom in atoms:
        verdict = judge(scene, item, [atom])
        answer = f"{wanted(scene, atom)}? {fact(scene, item, atom)}"
        if answer not in answers and verdict is not Verdict.UNSURE:
            answers.append(answer)
        if verdict is Verdict.NO:
            return f"{number_of(scene, item)}: {', '.join(answers)}, out"
    return f"{number_of(scene, item)}: {', '.join(answers)}, keep"
