"""References of a scene: every kind filled in every way, kept where the solver finds one object, or none.

`choose_references` gives references to objects, `choose_null_references` gives those that nothing satisfies, and
`choose_any_reference` one that may mean nothing or several.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS, HELD_OUT, name_with_color
from tgs_pipeline.tinyworld.kinds import FAMILY_WORDS, KINDS, NOUNS, SIDES, Kind
from tgs_pipeline.tinyworld.scene import Scene
from tgs_pipeline.tinyworld.solver import Atom, is_unsatisfied, solve

_SLOTS = ("category", "anchor", "other", "color", "side", "family")
_NUM_ABSENT = 3  # categories outside the scene that null references may name
_DOT_SHARE = 0.9
_CAPITAL_SHARE = 0.95
_SPACE_SHARE = 0.01


@dataclass(frozen=True)
class Reference:
    """A referring expression and what it demands.

    target: index of the object meant, None for a null reference. asks: the demand restated, for the chain.
    """

    kind: str
    text: str
    asks: str
    atoms: tuple[Atom, ...]
    target: int | None


@dataclass(frozen=True)
class _Query:
    kind: Kind
    atoms: tuple[Atom, ...]
    slots: tuple[tuple[str, str], ...]
    target: int | None


def choose_references(
    rng: np.random.Generator,
    scene: Scene,
    *,
    number: int,
    kinds: Sequence[Kind] = KINDS,
    only_held_out: bool = False,
) -> tuple[Reference, ...]:
    """Choose up to `number` references of different texts, of as many kinds as possible, each with one clear target.

    `kinds`: of these alone. `only_held_out`: targets are objects of held-out categories. A smaller number chooses a
    prefix of the same list.
    """
    names = sorted({item.category for item in scene.objects})
    queries = []
    for kind, atoms, slots in _enumerate(names, kinds):
        target = solve(scene, atoms)
        if target is None or (only_held_out and scene.objects[target].category not in HELD_OUT):
            continue
        queries.append(_Query(kind, atoms, slots, target))
    return _draw(rng, queries, number)


def choose_null_references(
    rng: np.random.Generator, scene: Scene, *, pool: Sequence[str], number: int, only_audible: bool
) -> tuple[Reference, ...]:
    """Choose up to `number` references that no object satisfies; names come from the scene and from `pool`.

    `only_audible`: only kinds that demand a sound.
    """
    present = sorted({item.category for item in scene.objects})
    absent = [name for name in pool if name not in present]
    absent = sorted(str(name) for name in rng.permutation(absent)[:_NUM_ABSENT])
    kinds = [kind for kind in KINDS if kind.audible or not only_audible]
    names = present if only_audible else present + absent
    queries = []
    for kind, atoms, slots in _enumerate(names, kinds):
        if is_unsatisfied(scene, atoms):
            queries.append(_Query(kind, atoms, slots, None))
    return _draw(rng, queries, number)


def choose_any_reference(rng: np.random.Generator, scene: Scene, *, kinds: Sequence[Kind]) -> Reference:
    """Choose a reference of one of `kinds` about what is in the scene, whether or not it means one object there."""
    names = sorted({item.category for item in scene.objects})
    options = list(_enumerate(names, kinds))
    kind, atoms, slots = options[int(rng.integers(len(options)))]
    return _word(rng, _Query(kind, atoms, slots, solve(scene, atoms)))


def _enumerate(
    names: Sequence[str], kinds: Sequence[Kind]
) -> Iterator[tuple[Kind, tuple[Atom, ...], tuple[tuple[str, str], ...]]]:
    """Fill the slots of every kind in every way: yields (kind, atoms, slots)."""
    domains = {"category": names, "anchor": names, "other": names, "color": sorted(COLORS)}
    domains |= {"side": SIDES, "family": FAMILY_WORDS}
    for kind in kinds:
        pattern = " ".join(f"{name} {value}" for name, value in kind.atoms)
        used = [slot for slot in _SLOTS if "{" + slot + "}" in pattern]
        for values in itertools.product(*(domains[slot] for slot in used)):
            slots = dict(zip(used, values, strict=True))
            if not _makes_sense(kind, slots):
                continue
            atoms = tuple(Atom(name.format(**slots), value.format(**slots)) for name, value in kind.atoms)
            yield kind, atoms, tuple(slots.items())


def _makes_sense(kind: Kind, slots: dict[str, str]) -> bool:
    """Leave out what nobody would say: a thing beside its own kind, a muted chair, a man playing a car."""
    category, anchor, other = slots.get("category"), slots.get("anchor"), slots.get("other")
    if anchor is not None and (anchor == category or (other is not None and anchor >= other)):
        return False
    if kind.name in ("silent_category", "sounding_category"):
        return CATEGORIES[slots["category"]].noise is not None
    if kind.name in ("louder_than", "quieter_than", "after", "before"):
        return CATEGORIES[slots["anchor"]].noise is not None
    if kind.name == "playing":
        return CATEGORIES[slots["anchor"]].family == "instrument"
    if kind.name in ("moving_category", "stationary_category"):
        return CATEGORIES[slots["category"]].mobile
    return True


def _draw(rng: np.random.Generator, queries: Sequence[_Query], number: int) -> tuple[Reference, ...]:
    """Draw queries without replacement: first one of every kind in a weighted random order, then the rest."""
    kinds = sorted({query.kind.name for query in queries})
    weights = {query.kind.name: query.kind.weight for query in queries}
    if not kinds:
        return ()
    shares = np.array([weights[name] for name in kinds])
    order = [kinds[int(i)] for i in rng.choice(len(kinds), len(kinds), replace=False, p=shares / shares.sum())]
    remaining = {name: [query for query in queries if query.kind.name == name] for name in kinds}
    chosen: list[Reference] = []
    texts: set[str] = set()
    while any(remaining.values()) and len(chosen) < number:
        for name in order:
            if not remaining[name] or len(chosen) >= number:
                continue
            query = remaining[name].pop(int(rng.integers(len(remaining[name]))))
            reference = _word(rng, query)
            if reference.text not in texts:
                texts.add(reference.text)
                chosen.append(reference)
    return tuple(chosen)


def _word(rng: np.random.Generator, query: _Query) -> Reference:
    slots = dict(query.slots)
    if "color" in slots and "category" in slots:
        slots["colored"] = name_with_color(slots["category"], slots["color"])
    wording = str(rng.choice(query.kind.wordings))
    text = vary_style(rng, wording.format(noun=str(rng.choice(NOUNS)), **slots))
    return Reference(query.kind.name, text, query.kind.asks.format(**slots), query.atoms, query.target)


def vary_style(rng: np.random.Generator, text: str) -> str:
    """Vary case, final dot and stray space as the benchmark's CSV does."""
    if rng.random() < _CAPITAL_SHARE:
        text = text[0].upper() + text[1:]
    if rng.random() < _DOT_SHARE:
        text += "."
    return text + (" " if rng.random() < _SPACE_SHARE else "")
