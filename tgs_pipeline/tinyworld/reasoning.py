"""R2-style references: no category is named, and the object follows only from a function and a second fact.

`rewrite_reference` finds such an expression for a given object; the solver checks that it means that object alone. A
family is preferred to a function, which gives the category away: words alone then name less than half of the objects.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tgs_pipeline.tinyworld.categories import CATEGORIES, FAMILY_PHRASES, categories_with_function
from tgs_pipeline.tinyworld.kinds import SIDES
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.scene import Scene, SceneObject
from tgs_pipeline.tinyworld.solver import Atom, solve

# (second demand, wording). {phrase}: function or family of the object meant; {own}: its noise, or "sound"; {noise}: the
# noise of another object.
_OF_SILENT: tuple[tuple[tuple[tuple[str, str], ...], str], ...] = (
    ((("silent", ""),), "the {phrase} that stays quiet while others nearby can be heard"),
    ((("silent", ""), ("beside_source", "{source}")), "the silent {phrase} found closest to the source of the {noise}"),
)
_OF_SOUNDING: tuple[tuple[tuple[tuple[str, str], ...], str], ...] = (
    ((("loudest", ""),), "the {phrase} whose {own} is stronger than every other sound here"),
    ((("quietest", ""),), "the {phrase} whose {own} is the faintest of all sounds here"),
    ((("first", ""),), "the {phrase} whose {own} begins before anything else is heard"),
    ((("last", ""),), "the {phrase} whose {own} begins after all others have begun"),
    ((("always", ""),), "the {phrase} whose {own} goes on from the start to the end"),
    ((("longest", ""),), "the {phrase} whose {own} lasts longer than any other sound heard"),
    ((("louder_than", "{source}"),), "the {phrase} whose {own} drowns out the {noise} in strength"),
    ((("played", ""),), "the {phrase} that comes to life in the hands of someone"),
)
_OF_ANY: tuple[tuple[tuple[tuple[str, str], ...], str], ...] = (
    ((("beside_source", "{source}"),), "the {phrase} standing beside the source of the {noise}"),
    ((("{side}_of", "{source}"),), "the {phrase} placed to the {side} of whatever produces the {noise}"),
    ((("moving", "{side}"),), "the {phrase} that travels to the {side} across the whole view"),
    ((("enters", ""),), "the {phrase} that is missing at first and comes in late"),
    ((("leaves", ""),), "the {phrase} that goes out of view before the end comes"),
    ((("playing", ""),), "the {phrase} whose hands are the cause of the music heard"),
    ((("leftmost", ""),), "the {phrase} with nothing else of note on its left side"),
    ((("rightmost", ""),), "the {phrase} with nothing else of note on its right side"),
)
# How a chain restates the second demand: what is meant, without riddle.
_ASKS: Mapping[str, str] = MappingProxyType(
    {
        "silent": "silent",
        "beside_source": "nearest to the {value}",
        "loudest": "the loudest sound",
        "quietest": "the lowest sound",
        "first": "the first sound",
        "last": "the last sound",
        "always": "the sound without end",
        "longest": "the longest sound",
        "louder_than": "a sound louder than the {value}",
        "played": "played by the man",
        "left_of": "on the left of the {value}",
        "right_of": "on the right of the {value}",
        "moving": "moving to the {value}",
        "enters": "that comes late",
        "leaves": "that goes away",
        "playing": "that plays",
        "leftmost": "at the far left",
        "rightmost": "at the far right",
    }
)
TEMPLATES: tuple[str, ...] = (
    *(wording for _, wording in (*_OF_SILENT, *_OF_SOUNDING, *_OF_ANY)),
    *_ASKS.values(),
    "a {category},",
)
MIN_WORDS, MAX_WORDS = 10, 15
_LESS_TELLING = ("leftmost", "rightmost")  # nearly always possible, so used only where nothing else is


def rewrite_reference(rng: np.random.Generator, scene: Scene, target: int) -> Reference | None:
    """Choose an R2-style reference of MIN_WORDS to MAX_WORDS words to the object `target`, None if there is none."""
    options = [
        (atoms, text)
        for atoms, text in _enumerate(scene, scene.objects[target])
        if MIN_WORDS <= len(text.split()) <= MAX_WORDS and solve(scene, atoms) == target
    ]
    if not options:
        return None
    for is_better in (_leaves_category_open, _is_telling):
        options = [option for option in options if is_better(*option)] or options
    atoms, text = options[int(rng.integers(len(options)))]
    return Reference("reasoning", text[0].upper() + text[1:] + ".", _restate(atoms), atoms, target)


def _leaves_category_open(atoms: Sequence[Atom], text: str) -> bool:
    """Whether several categories fit the words, so that only the clip can tell which is meant."""
    return len(categories_with_function(atoms[0].value)) > 1


def _is_telling(atoms: Sequence[Atom], text: str) -> bool:
    return atoms[1].name not in _LESS_TELLING


def _restate(atoms: Sequence[Atom]) -> str:
    """Name what the function stands for, the family where it is all of one, and the other demands."""
    names = sorted(categories_with_function(atoms[0].value))
    kind = names[0] if len(names) == 1 else CATEGORIES[names[0]].family
    article = "an" if kind[0] in "aeiou" else "a"
    return ", ".join([f"{article} {kind}", *(_ASKS[atom.name].format(value=atom.value) for atom in atoms[1:])])


def _enumerate(scene: Scene, item: SceneObject) -> Iterator[tuple[tuple[Atom, ...], str]]:
    category = CATEGORIES[item.category]
    templates = (*(_OF_SOUNDING if item.voice else _OF_SILENT), *_OF_ANY)
    sources = [other.category for other in scene.sounding() if other.category != item.category]
    for phrase in (*category.functions, FAMILY_PHRASES[category.family]):
        own = (category.noise or "") if phrase in category.functions else "sound"  # a noise would tell the category
        for demands, wording in templates:
            pattern = wording + " ".join(f"{name} {value}" for name, value in demands)
            for source in sources if "{source}" in pattern else [""]:
                for side in SIDES if "{side}" in pattern else [""]:
                    slots = {"source": source, "side": side, "phrase": phrase, "own": own}
                    slots["noise"] = (CATEGORIES[source].noise or "") if source else ""
                    atoms = [Atom(name.format(**slots), value.format(**slots)) for name, value in demands]
                    yield (Atom("function", phrase), *atoms), wording.format(**slots)
