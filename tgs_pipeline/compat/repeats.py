"""Repeated uids as upstream scores them: the first prediction against the last ground truth (trap T6).

Upstream skips a uid that it has scored, and looks the mask track up by uid in a dictionary in which the last row of
the CSV file stands. So `saw_4` of Ref-AVSBench is asked for the muted saw and scored against another object.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Repeated:
    """A uid with several rows: the row that is scored, and the ground truth that it is scored against."""

    first_row: int
    last_row: int
    mask_paths: list[str | None]


def find(samples: Iterable[dict]) -> dict[str, Repeated]:
    """The uids that stand in more than one row of samples."""
    rows: dict[str, list[int]] = {}
    masks: dict[str, list[str | None]] = {}
    for sample in samples:
        rows.setdefault(sample["uid"], []).append(sample["row"])
        if len(rows[sample["uid"]]) > 1:
            masks[sample["uid"]] = sample["mask_paths"]
    return {uid: Repeated(rows[uid][0], rows[uid][-1], paths) for uid, paths in masks.items()}


def as_upstream(sample: dict, repeated: Mapping[str, Repeated]) -> tuple[dict, str | None]:
    """The sample with the ground truth that upstream scores it against, and why it is left out, None where it is not.

    A row that failed keeps its own, empty ground truth.
    """
    found = repeated.get(sample["uid"])
    if found is None:
        return sample, None
    if sample["row"] != found.first_row:
        return sample, f"the uid stands in row {found.first_row} already, which is scored in its place, as upstream"
    if len(found.mask_paths) != len(sample["mask_paths"]):
        return sample, None
    return sample | {"mask_paths": found.mask_paths}, None
