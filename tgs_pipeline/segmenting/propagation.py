"""Propagation: boxes of a clip -> masks of all its frames. A unit of work is a clip with the prompts of its objects.

Prompts are the pivots that `ground` chose, or where it chooses none, every box of a sample. A sample is about one
object, or about several that have names (the sounding objects of AVS), each with prompts of its own; its mask is the
union of those that sound, and the masks of those with names are kept apart too (artifacts/object_masks.py). Objects
are tracked alone, unless those of a clip share its pixels (`segment.exclusive`). Where a sample has no box at all there
is nothing to track.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, groupby, zip_longest
from pathlib import Path

import numpy as np
import pyarrow as pa

from tgs_pipeline.artifacts import boxes, pivots, table
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.backends.segmenter.base import Prompt, Propagator
from tgs_pipeline.data.media import check_content, read_image
from tgs_pipeline.metrics import levels, rle
from tgs_pipeline.rows import OUTCOME, Recipe
from tgs_pipeline.segmenting import maps
from tgs_pipeline.workspace import Workspace

UNITS_PER_TABLE = 64
PROMPT = pa.struct([("position", pa.int32()), ("box_xyxy_px", pa.list_(pa.float32()))])
UNIT = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("vid", pa.string()),
        pa.field("paths", pa.list_(pa.string())),  # of the frames, relative to the dataset
        pa.field("frame_hashes", pa.list_(pa.string())),
        pa.field("height", pa.int32()),
        pa.field("width", pa.int32()),
        pa.field("prompts", pa.list_(pa.list_(PROMPT))),  # of each object
    ]
)
PAYLOAD = pa.schema(
    [
        pa.field("rle", pa.list_(pa.binary())),  # of each frame of the first object, then of the next one
        pa.field("levels", pa.list_(pa.binary())),
    ]
)

Sounds = Callable[[str, str, int], bool]  # whether an object (vid, name) sounds in a frame (its index)


@dataclass(frozen=True)
class Tracked:
    """An object. name: None where its sample is about no other; prompts: (position of the frame, box) of each."""

    name: str | None
    prompts: tuple[tuple[int, list[float]], ...]


@dataclass(frozen=True)
class Sampled:
    """A row of samples, its rows of boxes, and its objects; only objects that have a prompt."""

    sample: dict
    rows: list[dict]
    objects: tuple[Tracked, ...]


@dataclass(frozen=True)
class Group:
    """Samples of one clip that are segmented together."""

    sampled: tuple[Sampled, ...]

    @property
    def objects(self) -> list[Tracked]:
        return [tracked for one in self.sampled for tracked in one.objects]

    def key(self, recipe: Recipe) -> str:
        """Of the clip and the prompts of its objects."""
        prompts = [list(tracked.prompts) for tracked in self.objects]
        return recipe.key(self._clip()["frame_hashes"], prompts)

    def unit(self, recipe: Recipe) -> dict:
        sample = self._clip()
        return {
            "key": self.key(recipe), "vid": sample["vid"], "paths": sample["frame_paths"],
            "frame_hashes": sample["frame_hashes"], "height": sample["height"], "width": sample["width"],
            "prompts": [
                [{"position": position, "box_xyxy_px": box} for position, box in tracked.prompts]
                for tracked in self.objects
            ],
        }  # fmt: skip

    def _clip(self) -> dict:
        """A row of samples with the frames of the clip; a sample that failed lists none, and has no object."""
        return next(one.sample for one in self.sampled if one.objects)


def clips(workspace: Workspace, *, num_annotations: int | None) -> Iterator[list[Group]]:
    """Stream the groups of each clip; samples of a clip must follow each other.

    num_annotations: each sample is its own group (and its own clip here) where None; else samples k, k + n, k + 2 n
    and so on of a clip are its objects in the words of annotator k (of n), and one group (UPSTREAM_FACTS 5.2).
    """
    sampled = _sampled(workspace)
    if num_annotations is None:
        yield from ([Group((one,))] for one in sampled)
        return
    for _, clip in groupby(sampled, key=lambda one: one.sample["vid"]):
        whole = list(clip)
        yield [Group(tuple(whole[number::num_annotations])) for number in range(min(num_annotations, len(whole)))]


def _sampled(workspace: Workspace) -> Iterator[Sampled]:
    """Stream the samples. The boxes have one prompt for each frame at most, the pivots one for each object in it."""
    artifacts = [Artifact(workspace.boxes, boxes.SCHEMA)]
    if workspace.pivots.exists():
        artifacts.append(Artifact(workspace.pivots, pivots.SCHEMA, some=True))
    for sample, (rows, *chosen) in read_by_sample(workspace.samples, artifacts):
        yield Sampled(sample, rows, _objects(sample, chosen[0] if chosen else rows))


def _objects(sample: dict, prompts: Sequence[dict]) -> tuple[Tracked, ...]:
    """What the prompts of a sample are of, in their order. prompts: rows of pivots, or of boxes, which name nothing."""
    positions = {frame_index: position for position, frame_index in enumerate(sample["frame_indices"])}
    found: dict[str | None, list[tuple[int, list[float]]]] = {}
    for row in prompts:
        if row["box_xyxy_px"] is not None:
            prompt = (positions[row["frame_index"]], row["box_xyxy_px"])
            found.setdefault(row.get("object"), []).append(prompt)
    return tuple(Tracked(name, tuple(some)) for name, some in found.items())


def units(found: Iterator[list[Group]], *, recipe: Recipe) -> Iterator[pa.Table]:
    """Stream tables of UNIT, one unit for each group with an object; repeats are not removed."""
    asked = (group.unit(recipe) for clip in found for group in clip if group.objects)
    for some in table.chunks(asked, UNITS_PER_TABLE):
        yield pa.Table.from_pylist(some, schema=UNIT)


def check_frames(units: pa.Table, *, root: Path) -> pa.Table:
    """The loader: adds `reason`, where a frame is not the file that the manifest lists. Frames are decoded later."""
    reasons: list[str | None] = []
    for unit in units.select(["paths", "frame_hashes"]).to_pylist():
        reason = None
        try:
            for path, expected in zip(unit["paths"], unit["frame_hashes"], strict=True):
                check_content(root / path, expected)
        except ValueError as error:
            reason = str(error)
        reasons.append(reason)
    return units.append_column("reason", pa.array(reasons, pa.string()))


class ClipFrames(Sequence[np.ndarray]):
    """The frames of a clip, uint8 RGB (height, width, 3), each decoded whenever it is asked for."""

    def __init__(self, paths: Sequence[Path], *, size: tuple[int, int]) -> None:
        self.paths = paths
        self.size = size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> np.ndarray:  # type: ignore[override]
        image = read_image(self.paths[position])
        if image.shape[:2] != self.size:
            raise ValueError(f"{self.paths[position]}: {image.shape[:2]} px, the clip has {self.size} (height, width)")
        return image


class PropagateOperator:
    """Runs a propagator on units, one after the other; a clip that fails becomes a failed row alone.

    background_logit: of `segment.exclusive`, None where masks may overlap.
    """

    def __init__(
        self, propagator: Propagator, *, root: Path, levels_size_px: int, background_logit: float | None
    ) -> None:
        self.propagator = propagator
        self.root = root
        self.levels_size_px = levels_size_px
        self.background_logit = background_logit

    def __call__(self, table: pa.Table) -> pa.Table:
        """A row of PAYLOAD for each unit."""
        rows = []
        for unit in table.to_pylist():
            row: dict[str, object] = {"key": unit["key"], "status": "ok", "reason": None}
            try:
                row |= self._propagate(unit)
            except ValueError as error:
                row |= {"status": "failed", "reason": f"clip {unit['vid']}: {error}", "rle": None, "levels": None}
            rows.append(row)
        return pa.Table.from_pylist(rows, schema=pa.schema([*OUTCOME, *PAYLOAD]))

    def _propagate(self, unit: dict) -> dict[str, list[bytes]]:
        size = (unit["height"], unit["width"])
        frames = ClipFrames([self.root / path for path in unit["paths"]], size=size)
        prompts = [
            [Prompt(one["position"], np.array(one["box_xyxy_px"], np.float32)) for one in some]
            for some in unit["prompts"]
        ]
        masks: list[list[bytes]] = [[] for _ in prompts]
        score_maps: list[list[bytes]] = [[] for _ in prompts]
        for logits_Nhw in self.propagator.propagate(frames, prompts):
            clamped = logits_Nhw.clip(-maps.MAX_LOGIT, maps.MAX_LOGIT)
            coarse = self._share(maps.resize(clamped, size=(self.levels_size_px, self.levels_size_px)))
            for number, logits in enumerate(self._share(maps.resize(logits_Nhw, size=size))):
                masks[number].append(rle.encode(logits > 0))
                score_maps[number].append(levels.compress(maps.probabilities(coarse[number])))
        return {"rle": [*chain(*masks)], "levels": [*chain(*score_maps)]}

    def _share(self, logits_NHW: np.ndarray) -> np.ndarray:
        if self.background_logit is None:
            return logits_NHW
        return maps.exclude(logits_NHW, background_logit=self.background_logit)


Known = tuple[dict, dict, dict | None]  # row of samples, row of boxes, what propagation says of the frame


def frames_of(
    clip: Sequence[Group], computed: Sequence[dict | None], *, sounds: Sounds, levels_size_px: int
) -> Iterator[Known]:
    """Each frame of each sample of a clip, in the order of the samples.

    computed: of each group the row of the store, None where it has no object. Propagation says {"status", "reason"}
    and, where the status is ok, the mask: of several objects that of all that sound (`silent` where none does). It says
    None where the row of boxes says all: of samples without an object, and of frames that failed before.
    """
    for one, row_of_store, first in _in_order(clip, computed):
        for position, row in enumerate(one.rows):
            said = None
            if row_of_store is not None and one.objects and row["status"] != "failed":
                places = [place for _, place in _heard(one, position, first=first, sounds=sounds)]
                said = _said(row_of_store, places, sample=one.sample, levels_size_px=levels_size_px)
            yield one.sample, row, said


def object_masks_of(clip: Sequence[Group], computed: Sequence[dict | None], *, sounds: Sounds) -> Iterator[dict]:
    """The rows of object_masks of a clip, in the order of the samples; arguments as of `frames_of`."""
    for one, row_of_store, first in _in_order(clip, computed):
        if row_of_store is None or row_of_store["status"] != "ok":
            continue
        size = {"height": one.sample["height"], "width": one.sample["width"]}
        for position, row in enumerate(one.rows):
            ids = {name: row[name] for name in ("uid", "row", "frame_index")}
            for tracked, place in _heard(one, position, first=first, sounds=sounds):
                if tracked.name is not None and row["status"] != "failed":
                    yield ids | size | {"object": tracked.name, "rle": row_of_store["rle"][place]}


def _in_order(clip: Sequence[Group], computed: Sequence[dict | None]) -> Iterator[tuple[Sampled, dict | None, int]]:
    """The samples of a clip, with the row of the store for their group, and the number of their first object in it."""
    by_group = [
        [(one, row, first) for one, first in zip(group.sampled, _first_objects(group), strict=True)]
        for group, row in zip(clip, computed, strict=True)
    ]
    for samples in zip_longest(*by_group):  # the first sample of each group, then the second of each
        yield from filter(None, samples)


def _first_objects(group: Group) -> list[int]:
    return [*accumulate((len(one.objects) for one in group.sampled[:-1]), initial=0)]


def _heard(one: Sampled, position: int, *, first: int, sounds: Sounds) -> list[tuple[Tracked, int]]:
    """The objects of a sample that sound in a frame, with their places in the row of the store."""
    vid, frame_index = one.sample["vid"], one.rows[position]["frame_index"]
    return [
        (tracked, number * len(one.rows) + position)
        for number, tracked in enumerate(one.objects, start=first)
        if tracked.name is None or sounds(vid, tracked.name, frame_index)
    ]


def _said(computed: dict, places: Sequence[int], *, sample: dict, levels_size_px: int) -> dict:
    """What a row of the store says of a frame. places: in it, of the objects that sound."""
    outcome = {"status": computed["status"], "reason": computed["reason"]}
    if computed["status"] != "ok":
        return outcome
    if not places:
        return {"status": "silent", "reason": "none of its objects sounds"}
    rles, score_maps = [computed["rle"][place] for place in places], [computed["levels"][place] for place in places]
    if len(places) == 1:
        return outcome | {"rle": rles[0], "levels": score_maps[0]}
    decoded = [rle.decode(one, height=sample["height"], width=sample["width"]) for one in rles]
    merged = levels.merge(score_maps, size=levels_size_px)
    return outcome | {"rle": rle.encode(np.logical_or.reduce(decoded)), "levels": merged}
