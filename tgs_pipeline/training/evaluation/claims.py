"""Splits a chain into single claims and checks each against the scene.

Objects and sounds that a chain names are matched with those of the scene, each at most once: by name; else an object
of the same category, then of the same colour; a sound with one that is heard in the same seconds. What is said of a
name that matches nothing is false. What does not follow the grammar is one false claim of kind `unreadable` for each
piece.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tgs_pipeline.tinyworld.chains import UNSEEN
from tgs_pipeline.tinyworld.facts import (
    NONE,
    SILENT,
    compared,
    describe_object,
    describe_voice,
    fact,
    name,
    number_of,
    wanted,
)
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.scene import Scene, SceneObject, Voice
from tgs_pipeline.tinyworld.solver import PREDICATES, Atom, judge
from tgs_pipeline.tinyworld.verdict import Verdict
from tgs_pipeline.training.evaluation.chain_reader import KEEP, Chain, Listed, read_chain, read_list

# In the order in which tables show them. demand: what the reference asks for; compared: an object that this compares
# with, and its value; wanted: what the demand comes to in this clip.
KINDS = (
    *("demand", "number", "object", "place", "motion", "visibility", "size", "played"),
    *("sound", "seconds", "duration", "loudness", "rhythm", "source", "silence"),
    *("compared", "wanted", "candidate", "fact", "verdict", "conclusion", "unreadable"),
)
_PLACED = re.compile(r"(?:at|(?:left of|right of|near|between) [\w-]+) x\d")  # statements about columns of the frame
Said = TypeVar("Said")
Meant = TypeVar("Meant")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Claim:
    """One statement of a chain. is_near: true, or a statement about place that is one column off at most."""

    kind: str
    text: str
    is_true: bool
    is_near: bool


@dataclass(frozen=True)
class Reading:
    """The claims of a chain, and how many of the objects in view and of the sounds heard it names."""

    claims: tuple[Claim, ...]
    num_objects: int
    num_objects_named: int
    num_sounds: int
    num_sounds_named: int


def check_chain(think: str, *, scene: Scene, reference: Reference) -> Reading:
    """Check a chain about a reference; scene: as it is seen and heard."""
    chain = read_chain(think)
    claims = [_claim("demand", demand, [reference.asks]) for demand in chain.demands]
    claims += _check_shown(chain.shown, scene)
    claims += _check_heard(chain.heard, scene)
    claims += [_claim("silence", text, [] if _voices(scene) else [text]) for text in chain.silences]
    demanded = [wanted(scene, atom) for atom in reference.atoms]
    claims += [_claim("wanted", text, demanded) for text in chain.wanted]
    compares = [items for items in (compared(scene, atom) for atom in reference.atoms) if items is not None]
    true = [item for items in compares for item in items] or [NONE]
    claims += [_claim("compared", text, true if compares else []) for text in chain.compared]
    claims += _check_candidates(chain, scene, reference)
    target = None if reference.target is None else scene.objects[reference.target]
    right = None if target is None else (number_of(scene, target), name(target))
    claims += [
        Claim("conclusion", ", ".join(said or ("nothing",)), said == right, said == right) for said in chain.conclusions
    ]
    claims += [Claim("unreadable", text, False, False) for text in chain.unreadable]
    names, categories = {name(item) for item in scene.objects}, set(_voices(scene))
    return Reading(
        tuple(claims),
        num_objects=len(names),
        num_objects_named=len(names & {listed.name for listed in chain.shown}),
        num_sounds=len(categories),
        num_sounds_named=len(categories & {listed.name for listed in chain.heard}),
    )


def _check_shown(shown: Sequence[Listed], scene: Scene) -> list[Claim]:
    claims = []
    for listed, item in zip(shown, _match_objects([listed.name for listed in shown], scene), strict=True):
        claims.append(_claim("number", listed.number or "no number", [number_of(scene, item)] if item else []))
        claims.append(_claim("object", listed.name, [name(item)] if item else []))
        true = _facts(scene, item) if item else []
        claims += [_claim(phrase.kind, phrase.text, true) for phrase in listed.phrases]
    return claims


def _check_heard(heard: Sequence[Listed], scene: Scene) -> list[Claim]:
    true = [listed for text in _voices(scene).values() for listed in read_list(text)[0]]
    silent = [number_of(scene, item) for item in scene.objects if item.voice is None]
    claims = [_claim("silence", one.number or "no number", silent) for one in heard if one.name == SILENT]
    heard = [one for one in heard if one.name != SILENT]
    for listed, voice in zip(heard, _match_sounds(heard, true), strict=True):
        source = [voice.number] if voice and voice.number else []
        claims.append(_claim("source", listed.number or "no source", source))
        claims.append(_claim("sound", listed.name, [voice.name] if voice else []))
        phrases = list(voice.phrases) if voice else []
        for phrase in listed.phrases:
            texts = [other.text for other in phrases if other.kind == phrase.kind]
            claims.append(_claim(phrase.kind, phrase.text, texts))
            if phrase in phrases:  # said twice it is no second truth
                phrases.remove(phrase)
    return claims


def _check_candidates(chain: Chain, scene: Scene, reference: Reference) -> list[Claim]:
    """Check what is said of candidates; a number means the object that the chain itself gave it to."""
    matched = _match_objects([listed.name for listed in chain.shown], scene)
    numbered = {listed.number: item for listed, item in zip(chain.shown, matched, strict=True)}
    claims = []
    demanded = [wanted(scene, atom) for atom in reference.atoms]
    for check in chain.checks:
        item = numbered.pop(check.number, None)
        claims.append(_claim("candidate", check.number, [check.number] if item else []))
        true = _facts(scene, item) if item else []
        claims += [_claim("wanted", text, demanded) for text in check.asked]
        claims += [_claim("fact", text, true) for text in check.facts]
        if check.verdict is not None:
            wished = Verdict.YES if check.verdict == KEEP else Verdict.NO
            is_right = item is not None and judge(scene, item, reference.atoms) is wished
            claims.append(Claim("verdict", f"{check.number}: {check.verdict}", is_right, is_right))
    return claims


def _claim(kind: str, text: str, true: Sequence[str]) -> Claim:
    """A claim that holds if it is one of the true texts."""
    is_true = text in true
    return Claim(kind, text, is_true, is_true or any(_is_near(text, other) for other in true))


def _is_near(text: str, other: str) -> bool:
    """Tell whether two statements about place differ by at most one column in each number."""
    if not _PLACED.match(text) or _NUMBER.sub("#", text) != _NUMBER.sub("#", other):
        return False
    pairs = zip(_NUMBER.findall(text), _NUMBER.findall(other), strict=True)
    return all(abs(int(said) - int(true)) <= 1 for said, true in pairs)


def _facts(scene: Scene, item: SceneObject) -> list[str]:
    """All that chains can say of an object and is true, whatever the demand."""
    facts = [phrase.text for listed in read_list(describe_object(scene, item))[0] for phrase in listed.phrases]
    return facts + [fact(scene, item, Atom(predicate)) for predicate in PREDICATES if predicate != "function"]


def _voices(scene: Scene) -> dict[str, str]:
    """What is heard, by category, as chains describe it; no two sounds of a clip are of one category."""
    voices: list[tuple[str, Voice, str]] = [(category, voice, UNSEEN) for category, voice in scene.unseen_voices]
    voices += [(item.category, item.voice, number_of(scene, item)) for item in scene.sounding() if item.voice]
    return {category: describe_voice(category, voice, source=source) for category, voice, source in voices}


def _match_objects(names: Sequence[str], scene: Scene) -> list[SceneObject | None]:
    rules: tuple[Callable[[str, SceneObject], bool], ...] = (
        lambda said, item: said == name(item),
        lambda said, item: item.category in said.split(),
        lambda said, item: item.color in said.split(),
    )
    return _match(names, scene.objects, rules)


def _match_sounds(heard: Sequence[Listed], true: Sequence[Listed]) -> list[Listed | None]:
    rules: tuple[Callable[[Listed, Listed], bool], ...] = (
        lambda said, voice: said.name == voice.name,
        lambda said, voice: any(phrase.kind == "seconds" and phrase in voice.phrases for phrase in said.phrases),
    )
    return _match(heard, true, rules)


def _match(
    said: Sequence[Said], true: Sequence[Meant], rules: Sequence[Callable[[Said, Meant], bool]]
) -> list[Meant | None]:
    """For each thing said the true one that it means, each at most once; earlier rules take precedence."""
    found: list[Meant | None] = [None] * len(said)
    left = list(true)
    for rule in rules:
        for position, one in enumerate(said):
            item = next((item for item in left if rule(one, item)), None)
            if found[position] is None and item is not None:
                found[position] = item
                left.remove(item)
    return found
