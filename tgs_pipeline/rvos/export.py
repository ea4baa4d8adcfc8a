"""The engine of `tgs export`: masks of the last run -> a tree of masks in the form of a benchmark (rvos/trees.py).

Ref-YouTube-VOS and MeViS take a zip file; Ref-DAVIS17 takes a folder, in which the masks of all objects of a video
share one image: where masks overlap, the object whose score map is higher there is kept, the first one of equal ones.
A server counts what is missing as wrong, so nothing is written unless every frame of every expression has a mask.
"""

import io
import zipfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

from tgs_pipeline.artifacts import masks
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample
from tgs_pipeline.artifacts.publish import replacing
from tgs_pipeline.data.ref_davis17 import NUM_ANNOTATIONS
from tgs_pipeline.execution import first_reasons
from tgs_pipeline.metrics import levels, rle
from tgs_pipeline.params import Params
from tgs_pipeline.rvos.trees import Benchmark, benchmark_of, davis_palette, expression_of, folder_of
from tgs_pipeline.workspace import Workspace

COLUMNS = ["uid", "row", "frame_index", "height", "width", "rle", "levels", "levels_size", "status", "reason"]
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the same masks give the same bytes

Sampled = tuple[dict, list[dict]]  # a row of samples and its rows of masks


def run(params: Params, workspace: Workspace, *, out: Path, split: str) -> int:
    """Write the masks of a split to `out`; returns the number of images. ValueError lists all that is missing."""
    benchmark = benchmark_of(params.dataset.adapter)
    check_complete(workspace, split, out=out)
    if benchmark == "ref_davis17":
        with replacing(out) as part:
            return _write_davis(part, _read(workspace, split))
    if out.suffix != ".zip":
        raise ValueError(f"{out}: a submission to {benchmark} is a zip file: give a name that ends in .zip")
    with replacing(out) as part:
        return _write_zip(part, benchmark, _read(workspace, split))


def check_complete(workspace: Workspace, split: str, *, out: Path) -> None:
    """ValueError lists the samples of a split of which a mask is missing; a split without samples is a problem too."""
    if found := list(_problems(workspace, split)):
        raise ValueError(f"{out} is not written: {len(found)} problem(s)\n{first_reasons(found)}")


def _read(workspace: Workspace, split: str) -> Iterator[Sampled]:
    artifact = Artifact(workspace.masks, masks.SCHEMA, columns=COLUMNS)
    for sample, (frames,) in read_by_sample(workspace.samples, [artifact]):
        if sample["split"] == split:
            yield sample, frames


def _problems(workspace: Workspace, split: str) -> Iterator[str]:
    """What is missing, one line for each sample."""
    num_samples = 0
    for sample, frames in _read(workspace, split):
        num_samples += 1
        failed = next((frame for frame in frames if frame["status"] in ("failed", "partial")), None)
        if sample["status"] != "ok":
            yield f"{sample['uid']}: {sample['reason']}"
        elif len(frames) < sample["num_frames"]:
            yield f"{sample['uid']}: {len(frames)} of {sample['num_frames']} frames are there"
        elif failed is not None:
            yield f"{sample['uid']}, frame {failed['frame_index']}: {failed['reason']}"
    if not num_samples:
        yield f"no sample of split {split!r} in {workspace.samples}; is it among dataset.splits?"


def _write_zip(path: Path, benchmark: Benchmark, sampled: Iterator[Sampled]) -> int:
    num_images = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # PNG is compressed already
        for sample, frames in sampled:
            folder = folder_of(benchmark, sample["uid"], vid=sample["vid"])
            for name, frame in zip(frame_names(sample), frames, strict=True):
                image = Image.fromarray(_mask(frame).astype(np.uint8) * 255)
                archive.writestr(zipfile.ZipInfo(str(folder / f"{name}.png"), ZIP_DATE), _png(image))
                num_images += 1
    return num_images


def _write_davis(folder: Path, sampled: Iterator[Sampled]) -> int:
    palette = davis_palette()
    num_images = 0
    for vid, group in groupby(sampled, key=lambda pair: pair[0]["vid"]):
        by_number = {int(expression_of(sample["uid"], vid=vid)): (sample, frames) for sample, frames in group}
        if sorted(by_number) != list(range(len(by_number))) or len(by_number) % NUM_ANNOTATIONS:
            raise ValueError(
                f"{vid}: expressions {sorted(by_number)}, expected {NUM_ANNOTATIONS} for each object from 0"
            )
        for annotation in range(NUM_ANNOTATIONS):
            objects = [by_number[number] for number in range(annotation, len(by_number), NUM_ANNOTATIONS)]
            target = folder / f"anno_{annotation}" / vid
            target.mkdir(parents=True)
            for index, name in enumerate(frame_names(objects[0][0])):
                image = Image.fromarray(paint([frames[index] for _, frames in objects]), mode="P")
                image.putpalette(palette)
                image.save(target / f"{name}.png")
                num_images += 1
    return num_images


def paint(frames: list[dict]) -> np.ndarray:
    """Labels uint8 (H, W) of one frame from a row of masks for each object; label = place in the list + 1."""
    shown = np.stack([_mask(frame) for frame in frames])
    scores = shown.astype(np.int16)
    if (shown.sum(axis=0) > 1).any():
        scores = np.where(shown, 1 + np.stack([_score_map(frame) for frame in frames]), 0)
    return np.where(shown.any(axis=0), scores.argmax(axis=0) + 1, 0).astype(np.uint8)


def _mask(frame: dict) -> np.ndarray:
    return rle.decode(frame["rle"], height=frame["height"], width=frame["width"])


def _score_map(frame: dict) -> np.ndarray:
    """Levels int16 at the size of the frame, bilinear."""
    score_map = Image.fromarray(levels.decompress(frame["levels"], size=frame["levels_size"]))
    size = (frame["width"], frame["height"])
    return np.asarray(score_map.resize(size, Image.Resampling.BILINEAR)).astype(np.int16)


def frame_names(sample: dict) -> list[str]:
    """The names of the images of a sample, without suffix."""
    return [Path(path).stem for path in sample["frame_paths"]]


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, format="PNG")
    return data.getvalue()
