"""The engine of `tgs evaluate --protocol avss`: scores colour masks of AVSBench-semantic, given as folders of PNGs.

    PRED/<uid>/<n>.png, GT/<uid>/<n>.png     RGB, in the palette of metrics/avss.py, as in labels_rgb of the dataset

Masks of any size are resized to 224 x 224 px by the nearest pixel, as both evaluators do (UPSTREAM_FACTS 5.1).
"""

from pathlib import Path

import numpy as np
from PIL import Image

from tgs_pipeline.data.media import read_image
from tgs_pipeline.evaluate import Evaluation
from tgs_pipeline.mask_folders import Findings, list_frames, list_uids
from tgs_pipeline.metrics import avss

PROTOCOL = "avss"
SIZE_PX = 224


def evaluate_colours(pred: Path, gt: Path) -> Evaluation:
    """J and F of classes over all frames of GT; ValueError lists all that is missing or unreadable.

    samples: J and F over the classes that a sample's masks hold. mean: those of ClassScores.means, JF, num_samples.
    """
    predicted, wanted = list_uids(pred, role="predictions"), list_uids(gt, role="ground truth")
    findings = Findings()
    total = avss.ClassScores()
    samples: dict[str, dict[str, float]] = {}
    for uid in sorted(wanted):
        if uid not in predicted:
            findings.problems.append(f"{pred / uid}: no such folder, but {gt / uid} is to be found")
            continue
        scores = avss.ClassScores()
        for pred_path, _ in list_frames(pred / uid, gt / uid, findings):
            gt_path = gt / uid / pred_path.name
            try:
                labels = _read_labels(pred_path), _read_labels(gt_path)
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
