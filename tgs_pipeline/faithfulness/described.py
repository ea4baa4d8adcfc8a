"""Cases about clips whose scene is known: the description that opens a chain is forced, of another scene than is shown.

What then follows is not a matter of opinion: the solver of the tiny world answers the reference on the scene as it is
described, or as it is now seen and heard. A sample takes part where the scene as it is gives a clear answer.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tgs_pipeline.faithfulness.cases import MAX_DONORS, Case, MakeCase, Sample, collect, draw, draw_number, force, swap
from tgs_pipeline.metrics.faithfulness import NULL, SWAPPED
from tgs_pipeline.params import TinyWorld
from tgs_pipeline.tinyworld.chains import write_parts
from tgs_pipeline.tinyworld.clip import SPLITS, plan_clip
from tgs_pipeline.tinyworld.dataset import rows_of_clip
from tgs_pipeline.tinyworld.edits import edit_one_fact, seen_with_sound_of, true_answer
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.scene import Scene


@dataclass(frozen=True)
class Situation:
    """A reference, the scene it speaks of, and the answer that is right there."""

    reference: Reference
    scene: Scene
    truth: str


def situations(world: TinyWorld, *, splits: Collection[str]) -> dict[tuple[str, str], Situation]:
    """(uid, text of the reference) -> situation, for all rows that the world has in `splits`."""
    return {
        (uid, reference.text): Situation(reference, scene, truth)
        for uid, reference, scene in _references(world, splits)
        if (truth := true_answer(scene, reference.atoms)) is not None
    }


def _references(world: TinyWorld, splits: Collection[str]) -> Iterator[tuple[str, Reference, Scene]]:
    counts = world.num_clips.model_dump()
    for split in SPLITS:
        for index in range(counts[split] if split in splits else 0):
            plan = plan_clip(world.seed, split, index, references_per_clip=world.references_per_clip)
            for row in rows_of_clip(plan):
                yield row.uid, row.reference, row.heard
                if row.reasoning is not None:
                    yield row.uid, row.reasoning, row.heard


class Describer:
    """Makes cases of samples with known situations (row of the sample -> situation)."""

    def __init__(self, samples: Sequence[Sample], known: Mapping[int, Situation], *, seed: int) -> None:
        self.samples = [sample for sample in samples if sample.row in known]
        self.known, self.seed = known, seed
        self._pools = {
            intervention: draw(self.samples, seed, intervention, "donors")[:MAX_DONORS]
            for intervention in ("foreign_description", *SWAPPED)
        }

    def cases(self, *, number: int) -> list[Case]:
        """Up to `number` cases of each intervention; those of swapped media are half of cases that should change."""
        makers: dict[str, MakeCase] = {
            "true_description": self._true,
            "irrelevant_edit": lambda sample: self._edited(sample, "irrelevant_edit"),
            "edited_description": lambda sample: self._edited(sample, "edited_description"),
            "foreign_description": self._foreign,
        }
        cases = []
        for intervention, make in makers.items():
            cases += collect(self.samples, make, intervention=intervention, seed=self.seed, number=number)
        for intervention in SWAPPED:
            for should_change, share in ((True, number - number // 2), (False, number // 2)):
                make = self._swapper(intervention, should_change=should_change)
                cases += collect(self.samples, make, intervention=intervention, seed=self.seed, number=share)
        return cases

    def _true(self, sample: Sample) -> Case:
        known = self.known[sample.row]
        return force(sample, "true_description", "", self._opening(sample, known.scene), expected=known.truth)

    def _edited(self, sample: Sample, intervention: str) -> Case | None:
        """One fact is edited that changes the right answer, or one that does not; kinds of facts are equally likely."""
        known = self.known[sample.row]
        matters = intervention == "edited_description"
        as_is = self._opening(sample, known.scene)
        options: dict[str, list[tuple[str, str]]] = {}
        for kind, scene in edit_one_fact(known.scene):
            answer = true_answer(scene, known.reference.atoms)
            if answer is None or (answer != known.truth) != matters:
                continue
            opening = self._opening(sample, scene)
            if opening != as_is:
                options.setdefault(kind, []).append((opening, answer))
        if not options:
            return None
        number = draw_number(sample, self.seed, intervention, "edit")
        kind = sorted(options)[number % len(options)]
        opening, answer = options[kind][number // len(options) % len(options[kind])]
        return force(sample, intervention, kind, opening, expected=answer)

    def _foreign(self, sample: Sample) -> Case | None:
        """A scene on which the reference means something else; nothing at all only where no donor has an object."""
        known = self.known[sample.row]
        null_case: Case | None = None
        for donor in self._donors(sample, "foreign_description"):
            scene = self.known[donor.row].scene
            answer = true_answer(scene, known.reference.atoms)
            if answer is None or answer == known.truth or (answer == NULL and null_case is not None):
                continue
            case = force(sample, "foreign_description", donor.uid, self._opening(sample, scene), expected=answer)
            if answer != NULL:
                return case
            null_case = case
        return null_case

    def _swapper(self, intervention: str, *, should_change: bool) -> MakeCase:
        def swapped(sample: Sample) -> Case | None:
            known = self.known[sample.row]
            for donor in self._donors(sample, intervention):
                given = self.known[donor.row].scene
                pair = (known.scene, given) if intervention == "swapped_sound" else (given, known.scene)
                scene = seen_with_sound_of(*pair)
                if scene is None or scene == known.scene:
                    continue
                answer = true_answer(scene, known.reference.atoms)
                if answer is not None and (answer != known.truth) == should_change:
                    return swap(sample, intervention, donor, expected=answer, should_change=should_change)
            return None

        return swapped

    def _donors(self, sample: Sample, intervention: str) -> list[Sample]:
        others = [donor for donor in self._pools[intervention] if donor.vid != sample.vid]
        return draw(others, self.seed, sample.uid, sample.row)

    def _opening(self, sample: Sample, scene: Scene) -> str:
        """The opening of the chain of a sample, as if its clip were `scene`; the same wording for every scene.

        The demands are left out: the opening restates them in words alone, and in a scene of another clip there can be
        nothing to compare with, of which the rest of a chain cannot speak.
        """
        rng = np.random.default_rng(draw_number(sample, self.seed, "wording"))
        reference = replace(self.known[sample.row].reference, atoms=(), target=None)
        opening, _ = write_parts(rng, scene, reference)
        return opening
