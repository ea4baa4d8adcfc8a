"""Propagation: boxes of a clip -> masks of all its frames. A unit of work is a clip with the prompts of its objects.

Every box of a sample is a prompt, whichever frames `ground` leaves them in; a sample is an object. An object is tracked
alone, so a unit holds one, unless objects share the pixels of their clip (`segment.exclusive`): then it holds all that
do. Where a sample has no box at all there is nothing to track, and its masks are empty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, zip_longest
from pathlib import Path

import numpy as np
import pyarrow as pa

from tgs_pipeline.artifacts import boxes, table
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

Sampled = tuple[dict, list[dict]]  # a row of samples and its rows of boxes


@dataclass(frozen=True)
class Group:
    """Samples of one clip that are segmented together. objects: the ones that have a box, in their order."""

    sampled: tuple[Sampled, ...]

    @property
    def objects(self) -> list[Sampled]:
        return [one for one in self.sampled if any(row["box_xyxy_px"] is not None for row in one[1])]

    def key(self, recipe: Recipe) -> str:
        """Of the clip and the prompts of its objects."""
        return recipe.key(self.sampled[0][0]["frame_hashes"], self._prompts())

    def unit(self, recipe: Recipe) -> dict:
        sample = self.sampled[0][0]
        return {
            "key": self.key(recipe), "vid": sample["vid"], "paths": sample["frame_paths"],
            "frame_hashes": sample["frame_hashes"], "height": sample["height"], "width": sample["width"],
            "prompts": [[{"position": at, "box_xyxy_px": box} for at, box in some] for some in self._prompts()],
        }  # fmt: skip

    def _prompts(self) -> list[list[tuple[int, list[float]]]]:
        """(position of the frame, box) of each prompt of each object."""
        return [
            [(at, row["box_xyxy_px"]) for at, row in enumerate(rows) if row["box_xyxy_px"] is not None]
            for _, rows in self.objects
        ]


def clips(workspace: Workspace, *, num_annotations: int | None) -> Iterator[list[Group]]:
    """Stream the groups of each clip; samples of a clip must follow each other.

    num_annotations: each sample is its own group (and its own clip here) where None; else samples k, k + n, k + 2 n
    and so on of a clip are its objects in the words of annotator k (of n), and one group (UPSTREAM_FACTS 5.2).
    """
    merged = read_by_sample(workspace.samples, [Artifact(workspace.boxes, boxes.SCHEMA)])
    sampled = ((sample, rows) for sample, (rows,) in merged)
    if num_annotations is None:
        yield from ([Group((one,))] for one in sampled)
        return
    for _, clip in groupby(sampled, key=lambda one: one[0]["vid"]):
        whole = list(clip)
        yield [Group(tuple(whole[number::num_annotations])) for number in range(min(num_annotations, len(whole)))]


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


def frames_of(clip: Sequence[Group], computed: Sequence[dict | None]) -> Iterator[Known]:
    """Each frame of each sample of a clip, in the order of the samples.

    computed: of each group the row of the store, None where it has no object. Propagation says {"status", "reason"}
    and, where the status is ok, the mask; or None, where the row of boxes says all: what failed before stays failed.
    """
    by_group = [_frames_of_group(group, row) for group, row in zip(clip, computed, strict=True)]
    for samples in zip_longest(*by_group, fillvalue=()):  # the first sample of each group, then the second of each
        for frames in samples:
            yield from frames


def _frames_of_group(group: Group, computed: dict | None) -> Iterator[list[Known]]:
    """The frames of each sample."""
    numbers = {(sample["uid"], sample["row"]): number for number, (sample, _) in enumerate(group.objects)}
    for sample, rows in group.sampled:
        number = numbers.get((sample["uid"], sample["row"]))
        found: list[Known] = []
        for position, row in enumerate(rows):
            if computed is None or number is None or row["status"] == "failed":
                found.append((sample, row, None))
            else:
                found.append((sample, row, _said(computed, number * len(rows) + position)))
        yield found


def _said(computed: dict, place: int) -> dict:
    outcome = {"status": computed["status"], "reason": computed["reason"]}
    if computed["status"] != "ok":
        return outcome
    return outcome | {"rle": computed["rle"][place], "levels": computed["levels"][place]}
