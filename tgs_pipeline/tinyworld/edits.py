"""Scenes with one fact changed, and scenes seen with the sound of others: what a faithful chain should follow."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from tgs_pipeline.tinyworld.chains import NULL, describe_target
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Motion, Scene, SceneObject, Voice
from tgs_pipeline.tinyworld.solver import Atom, is_unsatisfied, solve

_OPPOSITE: dict[Motion, Motion] = {"left": "right", "right": "left"}


def true_answer(scene: Scene, atoms: tuple[Atom, ...]) -> str | None:
    """The `s_object` that a reference means in a scene: a name, NULL for nothing, None where that is not clear."""
    target = solve(scene, atoms)
    if target is not None:
        return describe_target(scene.objects[target])[1]
    return NULL if is_unsatisfied(scene, atoms) else None


def edit_one_fact(scene: Scene) -> Iterator[tuple[str, Scene]]:
    """All scenes that differ from `scene` in one fact, each with the kind of that fact. The order is fixed.

    Kinds: loudness, time, rhythm, color, place and size are swapped between two objects, silence takes a voice away,
    motion turns a direction round, presence shows all the time what came late or went early. Objects stay
    distinguishable by category and colour; who plays what stays where it is.
    """
    yield from _edit_voices(scene)
    for one, other in combinations(scene.objects, 2):
        yield from _swap_looks(scene, one, other)
    for item in scene.objects:
        if item.motion != "still":
            yield "motion", _with(scene, _turned(item))
        elif not all(item.visible):
            yield "presence", _with(scene, replace(item, visible=(True,) * NUM_FRAMES))


def seen_with_sound_of(seen: Scene, heard: Scene) -> Scene | None:
    """What is seen in one scene with what is heard in another; None where it is not clear who sounds.

    A sound belongs to the one object in view that makes such sounds, to nothing in view where there is none.
    """
    sounds = [(item.category, item.voice) for item in heard.sounding() if item.voice is not None]
    sounds += heard.unseen_voices
    voices: dict[int, Voice] = {}
    unseen: list[tuple[str, Voice]] = []
    for category, voice in sounds:
        makers = seen.of_category(category)
        if not makers:
            unseen.append((category, voice))
        elif len(makers) > 1 or makers[0].index in voices:
            return None
        else:
            voices[makers[0].index] = voice
    return Scene(tuple(replace(item, voice=voices.get(item.index)) for item in seen.objects), tuple(unseen))


def _edit_voices(scene: Scene) -> Iterator[tuple[str, Scene]]:
    for one, other in combinations(scene.sounding(), 2):
        a, b = one.voice, other.voice
        if a is None or b is None:
            continue
        swaps = {
            "loudness": (replace(a, loudness=b.loudness), replace(b, loudness=a.loudness)),
            "time": (replace(a, events=b.events), replace(b, events=a.events)),
        }
        if a.pulse_hz is not None and b.pulse_hz is not None:
            swaps["rhythm"] = (replace(a, pulse_hz=b.pulse_hz), replace(b, pulse_hz=a.pulse_hz))
        for kind, (of_one, of_other) in swaps.items():
            if of_one != a:
                yield kind, _with(scene, replace(one, voice=of_one), replace(other, voice=of_other))
    for item in scene.sounding():
        yield "silence", _with(scene, replace(item, voice=None))


def _swap_looks(scene: Scene, one: SceneObject, other: SceneObject) -> Iterator[tuple[str, Scene]]:
    if one.color != other.color:
        recolored = _with(scene, replace(one, color=other.color), replace(other, color=one.color))
        if len({(item.category, item.color) for item in recolored.objects}) == len(recolored.objects):
            yield "color", recolored
    if one.category == other.category and one.size != other.size:
        yield "size", _with(scene, replace(one, size=other.size), replace(other, size=one.size))
    if _is_movable(scene, one) and _is_movable(scene, other):
        yield "place", _with(scene, replace(one, centers=other.centers), replace(other, centers=one.centers))


def _is_movable(scene: Scene, item: SceneObject) -> bool:
    """Whether an object stands at one place all the time, and nobody would have to follow it."""
    plays = any(played.player == item.index for played in scene.objects)
    return item.motion == "still" and all(item.visible) and item.player is None and not plays


def _turned(item: SceneObject) -> SceneObject:
    """The same way, from its end to its beginning."""
    return replace(
        item,
        centers=item.centers[::-1],
        angles_deg=item.angles_deg[::-1],
        visible=item.visible[::-1],
        motion=_OPPOSITE[item.motion],
    )


def _with(scene: Scene, *changed: SceneObject) -> Scene:
    by_index = {item.index: item for item in changed}
    return replace(scene, objects=tuple(by_index.get(item.index, item) for item in scene.objects))
