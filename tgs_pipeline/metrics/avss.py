"""AVSBench-semantic (AVSS): class-wise IoU and F of 71 classes. Arrays in, scores out.

Source: UPSTREAM_FACTS 5.1 (row AVSS), after avs_scripts/avss of OpenNLPLab/AVSBench and avs/avss of
appletea233/AL-Ref-SAM2; Zhou et al., IJCV 2024. A frame counts for a class where either mask holds it. A class that no
frame holds counts with 0. Upstream's scores "without background" leave out class 70, the last one, and not 0, the
background (trap T33): both are given.

Legend: H, W = size of the label map (224 upstream). Labels are uint8 (H, W), 0 is background.
"""

from dataclasses import dataclass, field

import numpy as np

from tgs_pipeline.data.avsbench_classes import NUM_CLASSES, palette
from tgs_pipeline.metrics.tgs import BETA_SQUARED

UNION_EPSILON = 2.220446049250313e-16


def labels_of(rgb_HW3: np.ndarray) -> np.ndarray:
    """Labels uint8 (H, W) of a colour mask, uint8 (H, W, 3); unknown colours are background, as upstream."""
    weights = np.array([65536, 256, 1])
    known = palette() @ weights
    order = np.argsort(known)
    codes = rgb_HW3.astype(np.int64) @ weights
    place = np.clip(np.searchsorted(known[order], codes), 0, NUM_CLASSES - 1)
    return np.where(known[order][place] == codes, order[place], 0).astype(np.uint8)


@dataclass
class ClassScores:
    """Collects frames. region, contour: sums of IoU and F over the `counts` frames of each class, float64 (71,)."""

    region: np.ndarray = field(default_factory=lambda: np.zeros(NUM_CLASSES))
    contour: np.ndarray = field(default_factory=lambda: np.zeros(NUM_CLASSES))
    counts: np.ndarray = field(default_factory=lambda: np.zeros(NUM_CLASSES, np.int64))

    def add(self, pred_HW: np.ndarray, gt_HW: np.ndarray) -> None:
        """Count one frame."""
        predicted, wanted, hits = (
            np.bincount(labels.ravel(), minlength=NUM_CLASSES) for labels in (pred_HW, gt_HW, gt_HW[pred_HW == gt_HW])
        )
        union = predicted + wanted - hits
        precision = np.divide(hits, predicted, out=np.zeros(NUM_CLASSES), where=predicted > 0)
        recall = np.divide(hits, wanted, out=np.zeros(NUM_CLASSES), where=wanted > 0)
        weighted = BETA_SQUARED * precision + recall
        self.region += hits / (union + UNION_EPSILON)
        self.contour += np.divide(
            (1 + BETA_SQUARED) * precision * recall, weighted, out=np.zeros(NUM_CLASSES), where=weighted > 0
        )
        self.counts += union > 0

    def means(self) -> dict[str, float]:
        """J and F over all classes, without class 70 (as upstream's `noBg`), and without the background."""
        means: dict[str, float] = {}
        for name, total in (("J", self.region), ("F", self.contour)):
            values = np.divide(total, self.counts, out=np.zeros(NUM_CLASSES), where=self.counts > 0)
            means |= {
                name: float(values.mean()),
                f"{name}_without_last": float(values[:-1].mean()),
                f"{name}_without_background": float(values[1:].mean()),
            }
        return means
