"""The solver: what a reference demands, as a conjunction of atoms judged on the symbolic scene.

A reference is good only if exactly one object is YES and all others are NO; it has no referent only if all are NO.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tgs_pipeline.tinyworld.hearing import HEARING
from tgs_pipeline.tinyworld.scene import Scene, SceneObject
from tgs_pipeline.tinyworld.sight import SIGHT
from tgs_pipeline.tinyworld.verdict import Predicate, Verdict, both

PREDICATES: Mapping[str, Predicate] = MappingProxyType({**HEARING, **SIGHT})


@dataclass(frozen=True)
class Atom:
    """One demand: the name of a predicate and its argument (a category, a colour, a phrase), empty if it has none."""

    name: str
    value: str = ""


def judge(scene: Scene, item: SceneObject, atoms: Sequence[Atom]) -> Verdict:
    """Judge a conjunction of atoms for one object. Raises ValueError for an unknown atom."""
    verdict = Verdict.YES
    for atom in atoms:
        if atom.name not in PREDICATES:
            raise ValueError(f"unknown atom: got {atom.name!r}, expected one of {sorted(PREDICATES)}")
        verdict = both(verdict, PREDICATES[atom.name](scene, item, atom.value))
        if verdict is Verdict.NO:
            break
    return verdict


def solve(scene: Scene, atoms: Sequence[Atom]) -> int | None:
    """Return the index of the object that alone satisfies all atoms, None unless all others clearly fail."""
    found: int | None = None
    for item in scene.objects:
        verdict = judge(scene, item, atoms)
        if verdict is Verdict.UNSURE or (verdict is Verdict.YES and found is not None):
            return None
        if verdict is Verdict.YES:
            found = item.index
    return found


def is_unsatisfied(scene: Scene, atoms: Sequence[Atom]) -> bool:
    """Tell whether every object clearly fails, that is whether the reference is null."""
    return all(judge(scene, item, atoms) is Verdict.NO for item in scene.objects)
