"""The engine of `tgs export` on AVSBench-semantic: masks of objects of the last run -> images of their classes.

    OUT/<uid>/<n>.png    a palette image for each frame, pixel = class (0: background), colours and n as in labels_rgb

Objects are painted in the thinker's order, later ones over earlier ones, as in AL-Ref-SAM 2 (UPSTREAM_FACTS 6.1, step
9). A name outside the 70 categories takes the class that LanguageBind finds nearest, where `segment.matching` names its
weights. Nothing is written unless every frame has its masks and every object its class.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tgs_pipeline.artifacts import object_masks
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.artifacts.publish import replacing
from tgs_pipeline.data.avsbench_classes import CATEGORIES, class_of, nearest_class, palette
from tgs_pipeline.execution import first_reasons
from tgs_pipeline.metrics import rle
from tgs_pipeline.params import Params
from tgs_pipeline.params_choosing import MatchingParams
from tgs_pipeline.rvos.export import check_complete, frame_names
from tgs_pipeline.sounding.comparing import make_audio_text
from tgs_pipeline.sounding.merging import label
from tgs_pipeline.workspace import Workspace

log = logging.getLogger(__name__)

Sampled = tuple[dict, list[dict]]  # a row of samples and its rows of object_masks


def run(params: Params, workspace: Workspace, *, out: Path, split: str) -> int:
    """Write the classes of a split to the folder `out`; returns the number of images. ValueError: what is missing."""
    if params.ground.prompt != "objects":
        raise ValueError(
            f"{out} is not written: ground.prompt is {params.ground.prompt!r}, and the class of a mask is known by the "
            "name of its object: set it to objects, as profiles/al-ref-sam2-avss.yaml does"
        )
    check_complete(workspace, split, out=out)
    named = {row["object"]: sample["uid"] for sample, rows in _read(workspace, split) for row in rows}
    classes = find_classes(named, matching=params.segment.matching, device=params.runtime.devices[0])
    colours = palette().tobytes()
    num_images = 0
    with replacing(out) as part:
        for sample, rows in _read(workspace, split):
            folder = part / sample["uid"]
            folder.mkdir(parents=True)
            for name, labels in zip(frame_names(sample), paint(sample, rows, classes), strict=True):
                image = Image.fromarray(labels, mode="P")
                image.putpalette(colours)
                image.save(folder / f"{name}.png")
                num_images += 1
    return num_images


def find_classes(named: Mapping[str, str], *, matching: MatchingParams | None, device: str) -> dict[str, int]:
    """The class of each object. named: a uid of each. ValueError where one is no category and nothing compares them."""
    known = {name: class_of(name) for name in named}
    others = [name for name, number in known.items() if number is None]
    found = {name: number for name, number in known.items() if number is not None}
    if not others:
        return found
    if matching is None or matching.by != "audio_text":
        what = f"is none of the {len(CATEGORIES)} categories of AVSBench-semantic"
        raise ValueError(
            f"{first_reasons([f'{named[name]}: the object {name!r} {what}' for name in others])}\n"
            "LanguageBind finds the nearest category: fetch it with `tgs weights pull LanguageBind_Audio_FT`, name its "
            "folder in segment.matching ({by: audio_text, weights: ...}), run `dvc repro segment` and export again"
        )
    model = make_audio_text(matching, device=device)
    nearest = {name: nearest_class(name, similarity=model.text_similarity) for name in others}
    taken = ", ".join(f"{name} -> {CATEGORIES[number - 1]}" for name, number in nearest.items())
    log.warning("names that are no category take the nearest one: %s", taken)
    return found | nearest


def paint(sample: dict, rows: Sequence[dict], classes: Mapping[str, int]) -> np.ndarray:
    """The classes of the pixels of a sample, uint8 (T, H, W). rows: its rows of object_masks."""
    size = (sample["height"], sample["width"])
    position = {frame_index: at for at, frame_index in enumerate(sample["frame_indices"])}
    masks: dict[str, np.ndarray] = {}
    active: list[list[str]] = [[] for _ in position]
    for row in rows:
        at = position[row["frame_index"]]
        mask = masks.setdefault(row["object"], np.zeros((len(active), *size), bool))
        mask[at] = rle.decode(row["rle"], height=row["height"], width=row["width"])
        active[at].append(row["object"])
    return label(masks, active, size=size, classes=classes)


def _read(workspace: Workspace, split: str) -> Iterator[Sampled]:
    artifact = Artifact(object_masks.path_of(workspace), object_masks.SCHEMA, some=True)
    for sample, (rows,) in read_by_sample(workspace.samples, [artifact]):
        if sample["split"] == split:
            yield sample, rows
