"""The engine of `tgs benchmark`: scores a tree of masks of any system (rvos/trees.py) as the benchmark itself does.

The dataset is the one that the params name: its adapter says what is to be found, and where the ground truth is.
- Ref-YouTube-VOS and MeViS: J and boundary F of each frame, averaged over the frames of an expression, then over
  expressions. A video without a folder scores 0, as in tools/eval_mevis.py of henghuiding/MeViS.
- Ref-DAVIS17: as eval_davis.py of wjn922/ReferFormer, task `unsupervised` (metrics/davis_objects.py), for each of the
  four annotations over all objects of all videos; the score is the mean of the four.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tgs_pipeline.data.media import read_mask
from tgs_pipeline.data.ref_davis17 import NUM_ANNOTATIONS
from tgs_pipeline.data.sample import Sample
from tgs_pipeline.data.truth import file_of, read_labels, read_truth
from tgs_pipeline.execution import first_reasons
from tgs_pipeline.metrics import davis, davis_objects
from tgs_pipeline.operators.manifest import read_samples
from tgs_pipeline.params import Params
from tgs_pipeline.rvos.trees import Benchmark, benchmark_of, folder_of

Scores = dict[str, float]


@dataclass(frozen=True)
class Result:
    """Scores 0..1, unrounded. items: J and F of each expression, or, in Ref-DAVIS17, of <anno>/<vid>/<object>."""

    benchmark: Benchmark
    split: str
    mean: Scores
    items: dict[str, Scores]
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        """The object that `tgs benchmark --json` prints."""
        return {"benchmark": self.benchmark, "split": self.split, "mean": self.mean, "items": self.items,
                "warnings": self.warnings}  # fmt: skip


def run(params: Params, root: Path, *, pred: Path, split: str) -> Result:
    """Score the tree `pred`; ValueError lists everything that is missing or unreadable, and nothing is scored then."""
    benchmark = benchmark_of(params.dataset.adapter)
    if not pred.is_dir():
        raise ValueError(f"{pred}: no such folder; unpack a zip file first")
    dataset = params.dataset.model_copy(update={"splits": [split]})
    samples = list(read_samples(dataset, root))
    if not samples:
        raise ValueError(f"{benchmark} has no expression in split {split!r}: check --split and dataset.metadata")
    if not all(sample.masks for sample in samples):
        raise ValueError(
            f"the ground truth of {benchmark}, split {split!r}, is not public: `tgs export` for its server"
        )
    if benchmark == "ref_davis17":
        return _score_davis(pred, root, samples, split=split)
    return _score_expressions(pred, root, samples, benchmark=benchmark, split=split)


def _score_expressions(pred: Path, root: Path, samples: list[Sample], *, benchmark: Benchmark, split: str) -> Result:
    items: dict[str, Scores] = {}
    problems: list[str] = []
    warnings: dict[str, None] = {}  # ordered set
    for sample in samples:
        folder = pred / folder_of(benchmark, sample.uid, vid=sample.vid)
        if not folder.parent.is_dir():
            warnings[f"{folder.parent}: no such folder; all expressions about {sample.vid} score 0"] = None
            items[sample.uid] = {"J": 0.0, "F": 0.0}
            continue
        try:
            pairs = list(_pairs(folder, root, sample))
            masks, truth = ([pair[side] for pair in pairs] for side in (0, 1))
            items[sample.uid] = dict(zip(("J", "F"), davis.score_video(masks, truth), strict=True))
        except ValueError as error:
            problems.append(f"{sample.uid}: {error}")
    _refuse(pred, problems)
    return Result(benchmark, split, _mean(list(items.values())), items, list(warnings))


def _pairs(folder: Path, root: Path, sample: Sample) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(prediction, ground truth) of each frame, bool (H, W)."""
    for frame, place in zip(sample.frames, sample.masks, strict=True):
        path = folder / f"{frame.stem}.png"
        if place is None:
            raise ValueError(f"{frame}: no ground truth for this frame")
        predicted, truth = read_mask(path) > 0, read_truth(root / place) > 0
        yield predicted, _same_size(truth, predicted, path)


def _score_davis(pred: Path, root: Path, samples: list[Sample], *, split: str) -> Result:
    videos = {sample.vid: sample for sample in samples}  # any expression of a video names its frames and masks
    items: dict[str, Scores] = {}
    problems: list[str] = []
    means = []
    for annotation in range(NUM_ANNOTATIONS):
        found: list[Scores] = []
        for vid, sample in videos.items():
            try:
                objects = davis_objects.score_objects(*_labels(pred / f"anno_{annotation}" / vid, root, sample))
            except ValueError as error:
                problems.append(f"anno_{annotation}, {vid}: {error}")
                continue
            for index, scores in enumerate(objects, start=1):
                found.append(dict(zip(("J", "F"), scores, strict=True)))
                items[f"anno_{annotation}/{vid}/{index}"] = found[-1]
        if found:
            means.append(_mean(found))
    _refuse(pred, problems)
    return Result("ref_davis17", split, _mean(means), items)


def _labels(folder: Path, root: Path, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Labels of prediction and ground truth, uint8 (T, H, W)."""
    predicted, truth = [], []
    for frame, place in zip(sample.frames, filter(None, sample.masks), strict=True):
        path = folder / f"{frame.stem}.png"
        predicted.append(read_labels(path))
        truth.append(_same_size(read_labels(root / file_of(place)), predicted[-1], path))
    return np.stack(predicted), np.stack(truth)


def _same_size(truth: np.ndarray, predicted: np.ndarray, path: Path) -> np.ndarray:
    if truth.shape != predicted.shape:
        raise ValueError(
            f"{path}: {predicted.shape[1]} x {predicted.shape[0]} px, but the ground truth has {truth.shape[1]} x "
            f"{truth.shape[0]} px; write masks at the size of the frames"
        )
    return truth


def _refuse(pred: Path, problems: list[str]) -> None:
    if problems:
        raise ValueError(f"{pred} cannot be scored, {len(problems)} problem(s):\n{first_reasons(problems)}")


def _mean(scores: list[Scores]) -> Scores:
    region, contour = (float(np.mean([one[name] for one in scores])) for name in ("J", "F"))
    return {"J": region, "F": contour, "JF": (region + contour) / 2}
