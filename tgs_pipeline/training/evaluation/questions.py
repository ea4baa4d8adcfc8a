"""What a thinker is asked in its evaluation: the references of held-out clips of the tiny world, with the truth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from tgs_pipeline.tinyworld.chains import describe_target
from tgs_pipeline.tinyworld.clip import ClipPlan, Split
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.scene import Scene, SceneObject

Group = Literal["visual", "audio", "audio + place", "temporal"]
GROUPS: tuple[Group, ...] = ("visual", "audio", "audio + place", "temporal")
# What must be perceived to answer. Temporal: anything about when or for how long, seen or heard.
_KINDS_OF_GROUP: Mapping[Group, tuple[str, ...]] = MappingProxyType(
    {
        "visual": (
            *("category", "color", "color_category", "category_beside", "beside", "twin_side", "extreme", "between"),
            *("moving", "moving_category", "moving_side", "stationary", "stationary_category"),
            *("biggest", "smallest", "held", "playing"),
        ),
        "audio": (
            *("loudest", "quietest", "louder_than", "quieter_than", "fastest", "slowest", "sounding", "silent"),
            *("sounding_category", "silent_category", "sounding_family", "silent_family", "played"),
        ),
        "audio + place": ("sounding_beside", "sounding_extreme"),
        "temporal": (
            *("first", "last", "before", "after", "longest", "shortest", "always"),
            *("enters", "leaves", "whole", "whole_category"),
        ),
    }
)
GROUP_OF_KIND: Mapping[str, Group] = MappingProxyType(
    {kind: group for group, kinds in _KINDS_OF_GROUP.items() for kind in kinds}
)


@dataclass(frozen=True)
class Question:
    """One reference to one clip.

    scene: as it is seen and heard, that is with the soundtrack of the null variant for its references.
    style: `reasoning` for the R2-style rewriting of a reference.
    null: which null variant, None where there is a target.
    """

    seed: int
    split: Split
    vid: str
    style: Literal["plain", "reasoning"]
    reference: Reference
    scene: Scene
    null: Literal["null_m", "null_c"] | None

    @property
    def target(self) -> SceneObject | None:
        """The object meant."""
        return None if self.reference.target is None else self.scene.objects[self.reference.target]

    @property
    def s_object(self) -> str | None:
        """The right simplified description, None for a null reference."""
        return None if self.target is None else describe_target(self.target)[1]

    @property
    def group(self) -> Group | None:
        """What a plain reference to an object asks to perceive; None for other references."""
        if self.style == "reasoning" or self.target is None:
            return None
        return GROUP_OF_KIND[self.reference.kind]

    @property
    def num_twins(self) -> int:
        """How many objects share the target's category, itself included; 0 for a null reference."""
        return 0 if self.target is None else len(self.scene.of_category(self.target.category))

    @property
    def chance(self) -> float:
        """The probability that one object of the clip, drawn at random, has the right description."""
        said = [describe_target(item)[1] for item in self.scene.objects]
        return said.count(self.s_object) / len(said) if self.s_object else 0.0


def questions_of(plan: ClipPlan, *, seed: int, split: Split) -> Iterator[Question]:
    """All questions about a clip: its references, their rewritings, and those of its null variant."""
    for reference, rewritten in zip(plan.references, plan.reasoning, strict=True):
        yield Question(seed, split, plan.vid, "plain", reference, plan.scene, None)
        if rewritten is not None:
            yield Question(seed, split, plan.vid, "reasoning", rewritten, plan.scene, None)
    if plan.null is not None:
        for reference in plan.null.references:
            yield Question(seed, split, plan.vid, "plain", reference, plan.null.scene, plan.null.prefix)
