"""The batches in which upstream thinks: eight references of a split in the order of the CSV file (trap T1).

Where padding is read as text, a reply depends on the longest prompt of its batch. A unit of work is then one place of
one batch, and its key holds what stands in all places.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from tgs_pipeline.rows import Recipe

SIZE = 8  # UPSTREAM_FACTS 2.7: "fixed 8 in testing"
Content = Sequence[str]  # what a prompt and its media are known by


@dataclass(frozen=True)
class Batch:
    """Up to SIZE samples of one split that are asked together. keys: one for each."""

    name: str
    rows: list[int]
    keys: list[str]
    vids: list[str]
    references: list[str]

    def units(self) -> pa.Table:
        """A unit for each place; all know the whole batch."""
        return pa.Table.from_pylist(
            [
                {"key": key, "vid": vid, "reference": reference, "batch": self.name, "place": place,
                 "vids": self.vids, "references": self.references}
                for place, (key, vid, reference) in enumerate(zip(self.keys, self.vids, self.references, strict=True))
            ]
        )  # fmt: skip


def batches(
    samples: Iterable[dict], *, content_of: Callable[[dict], Content | None], recipe: Recipe
) -> Iterator[Batch]:
    """The batches of rows of samples in CSV order; those without content are left out and take no place.

    Upstream runs each split by itself, so the last batch of each is what is left.
    """
    waiting: dict[str, list[tuple[dict, Content]]] = {}
    for sample in samples:
        content = content_of(sample)
        if content is None:
            continue
        members = waiting.setdefault(sample["split"], [])
        members.append((sample, content))
        if len(members) == SIZE:
            yield _batch(waiting.pop(sample["split"]), recipe=recipe)
    for members in waiting.values():
        yield _batch(members, recipe=recipe)


def _batch(members: list[tuple[dict, Content]], *, recipe: Recipe) -> Batch:
    contents = [list(content) for _, content in members]
    return Batch(
        name=recipe.key(contents),
        rows=[sample["row"] for sample, _ in members],
        keys=[recipe.key(contents, place) for place in range(len(members))],
        vids=[sample["vid"] for sample, _ in members],
        references=[sample["reference"] for sample, _ in members],
    )
