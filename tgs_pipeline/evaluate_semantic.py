"""Protocol `avss`: scores colour masks of AVSBench-semantic, given as folders of PNGs.

    PRED/<uid>/<n>.png     RGB or palette, in the colours of data/avsbench_classes.py, as in labels_rgb of the dataset
    GT/<uid>/<n>.png       the same, for `tgs evaluate`; `tgs benchmark` takes the dataset as it is

Masks of any size are resized to 224 x 224 px by the nearest pixel, as both evaluators do (UPSTREAM_FACTS 5.1).
"""

from pathlib import Path

import numpy as np
from PIL import Image

from tgs_pipeline.data.media import read_image
from tgs_pipeline.evaluate import Evaluation
from tgs_pipeline.mask_folders import Findings, list_frames, list_uids
from tgs_pipeline.metrics import avss
from tgs_pipeline.operators.manifest import read_samples
from tgs_pipeline.params import Params

PROTOCOL = "avss"
SIZE_PX = 224

Pairs = dict[str, list[tuple[Path, Path]]]  # of each uid: prediction and ground truth of each frame


def evaluate_colours(pred: Path, gt: Path) -> Evaluation:
    """J and F of classes over all frames of GT; ValueError lists all that is missing or unreadable.

    samples: J and F over the classes that a sample's masks hold. mean: those of ClassScores.means, JF, num_samples.
    """
    predicted, wanted = list_uids(pred, role="predictions"), list_uids(gt, role="ground truth")
    findings = Findings()
    pairs: Pairs = {}
    for uid in sorted(wanted):
        if uid not in predicted:
            findings.problems.append(f"{pred / uid}: no such folder, but {gt / uid} is to be found")
            continue
        pairs[uid] = [(path, gt / uid / path.name) for path, _ in list_frames(pred / uid, gt / uid, findings)]
    return _evaluate(pairs, findings, pred=pred, gt=str(gt))


def evaluate_split(params: Params, root: Path, *, pred: Path, split: str) -> Evaluation:
    """The same for a split of AVSBench-semantic, its ground truth where the dataset has it (`tgs benchmark`)."""
    dataset = params.dataset.model_copy(update={"splits": [split]})
    predicted = list_uids(pred, role="predictions")
    findings = Findings()
    pairs: Pairs = {}
    for sample in read_samples(dataset, root):
        if sample.uid not in predicted:
            findings.problems.append(f"{pred / sample.uid}: no such folder, but {sample.uid} is of split {split!r}")
            continue
        pairs[sample.uid] = [(pred / sample.uid / mask.name, root / mask) for mask in sample.masks if mask is not None]
    return _evaluate(pairs, findings, pred=pred, gt=f"split {split!r} of {root}")


def _evaluate(pairs: Pairs, findings: Findings, *, pred: Path, gt: str) -> Evaluation:
    total = avss.ClassScores()
    samples: dict[str, dict[str, float]] = {}
    for uid, frames in pairs.items():
        scores = avss.ClassScores()
        for paths in frames:
            try:
                labels = [_read_labels(path) for path in paths]
            except ValueError as error:
                findings.problems.append(str(error))
                continue
            for one in (scores, total):
                one.add(*labels)
        if scores.counts.any():
            samples[uid] = _of_present_classes(scores)
    if not findings.problems and not samples:
        findings.problems.append(f"nothing to score: {gt} holds no sample (a folder <uid> with PNGs)")
    findings.refuse(pred)
    means: dict[str, float | int | None] = {**total.means()}
    means["JF"] = (total.means()["J"] + total.means()["F"]) / 2
    return Evaluation(PROTOCOL, samples, means | {"num_samples": len(samples)}, findings.warnings)


def _read_labels(path: Path) -> np.ndarray:
    """Labels uint8 (224, 224) of a colour mask."""
    image = Image.fromarray(read_image(path)).resize((SIZE_PX, SIZE_PX), Image.Resampling.NEAREST)
    return avss.labels_of(np.asarray(image))


def _of_present_classes(scores: avss.ClassScores) -> dict[str, float]:
    present = scores.counts > 0
    totals = {"J": scores.region, "F": scores.contour}
    return {name: float((total[present] / scores.counts[present]).mean()) for name, total in totals.items()}
