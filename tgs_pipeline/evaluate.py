"""The engine of `tgs evaluate`: scores any system's masks, given as folders of PNGs, by a named protocol.

    PRED/<uid>/<00000>.png   8-bit grey = probability * 255; foreground where probability > 0.5
    GT/<uid>/<00000>.png     8-bit grey; foreground where > 0

uids that start with `null_` are null samples: nothing is referred to, S is their score, and they need no ground truth.
Masks are compared on the grid of the prediction: under `tgs`, `avsbench` and `refavs`, ground truth of another size is
resized to it (nearest neighbour; `refavs` in its own way); under `davis` and `alref`, which score at the size of the
frame, another size is an error. `refavs` and `avsbench` average over batches of four samples: their order is that of
`order`, else of the sorted uids.
Nothing is scored before everything is whole: all that is wrong is listed in one error.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from tgs_pipeline.data.media import image_size, read_mask
from tgs_pipeline.mask_folders import Findings, list_frames, list_uids, ordered
from tgs_pipeline.metrics import levels, protocols
from tgs_pipeline.metrics.protocols import FRAME_SIZED, Predicted, Protocol
from tgs_pipeline.metrics.tally import Batches, Tally

NULL_PREFIX = "null_"

# level of each grey value, under the convention grey = probability * 255
_PROBABILITIES = np.arange(256, dtype=np.float32) / np.float32(255)
_LEVEL_OF_GREY = levels.encode(_PROBABILITIES)
_LOW_OF_GREY = _PROBABILITIES > levels.LOW_CUT


@dataclass(frozen=True)
class Evaluation:
    """Scores by one protocol, 0..1, unrounded.

    samples: {"J", "F"} by uid, or {"S"} for a null sample.
    mean: J, F and JF over the samples (or as the protocol averages them), S and false_positive_rate (the share with any
        foreground) over the null samples, None where there is none; num_samples and num_null_samples.
    warnings: what was found and left out.
    """

    protocol: str
    samples: dict[str, dict[str, float]]
    mean: dict[str, float | int | None]
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        """The object that `tgs evaluate --json` prints."""
        return {"protocol": self.protocol, "samples": self.samples, "mean": self.mean, "warnings": self.warnings}


def evaluate_folders(pred: Path, gt: Path, *, protocol: str, order: list[str] | None = None) -> Evaluation:
    """Score every sample of GT, and every null sample of PRED; ValueError lists all that is missing or unreadable.

    order: uids of all samples, in the order in which batches are made of them; None: sorted.
    """
    named = _protocol(protocol)
    predicted, wanted = list_uids(pred, role="predictions"), list_uids(gt, role="ground truth")
    findings = Findings()
    samples: dict[str, dict[str, float]] = {}
    means = _Means(named)
    for uid in ordered(predicted | wanted, order, findings):
        if uid not in predicted:
            findings.problems.append(f"{pred / uid}: no such folder, but {gt / uid} is to be found")
        elif uid not in wanted and not uid.startswith(NULL_PREFIX):
            findings.warnings.append(f"{pred / uid}: not scored, because there is no {gt / uid}")
        else:
            frames = list_frames(pred / uid, gt / uid if uid in wanted else None, findings)
            scored = _score(uid, frames, protocol=named, findings=findings)
            if scored is not None:
                samples[uid], tally = scored
                means.add(samples[uid], tally)
    if not findings.problems and not samples:
        findings.problems.append(
            f"nothing to score: {gt} and {pred} share no sample (a sample is a folder <uid> with <00000>.png, ...)"
        )
    findings.refuse(pred)
    return Evaluation(protocol, samples, means.result(), findings.warnings)


def _protocol(name: str) -> Protocol:
    for protocol in protocols.NAMES:
        if name == protocol:
            return protocol
    raise ValueError(f"protocol {name!r} is unknown: expected one of {', '.join(protocols.NAMES)}")


def _score(
    uid: str, frames: list[tuple[Path, Path | None]], *, protocol: Protocol, findings: Findings
) -> tuple[dict[str, float], Tally | None] | None:
    """Scores of one sample and what it adds to its batch, or None where something is wrong with it."""
    is_null = uid.startswith(NULL_PREFIX)
    num_problems = len(findings.problems)
    greys_THW: list[np.ndarray] = []
    gt_THW: list[np.ndarray] = []
    for pred_path, gt_path in frames:
        try:
            greys_THW.append(_read_grey(pred_path))
        except ValueError as error:
            findings.problems.append(str(error))
            continue
        if is_null or gt_path is None:
            continue
        try:
            gt_THW.append(_read_gt(gt_path, size=greys_THW[-1].shape, pred_path=pred_path, protocol=protocol))
            if image_size(gt_path) != greys_THW[-1].shape:
                findings.warnings.append(f"{gt_path}: resized to the size of {pred_path}, on which it is scored")
        except ValueError as error:
            findings.problems.append(str(error))
    if not frames or len(findings.problems) > num_problems:
        return None
    predicted = _predicted(greys_THW)
    if is_null:
        value, tally = protocols.score_null(predicted.masks, protocol=protocol)
        return {"S": value}, tally
    return protocols.score_sample(predicted, gt_THW, protocol=protocol)


def _predicted(greys_THW: list[np.ndarray]) -> Predicted:
    return protocols.from_levels(
        [_LEVEL_OF_GREY[grey_HW] for grey_HW in greys_THW], [_LOW_OF_GREY[grey_HW] for grey_HW in greys_THW]
    )


def _read_grey(path: Path) -> np.ndarray:
    """An 8-bit grey PNG as uint8 (H, W); ValueError for any other mode, and for what cannot be decoded whole."""
    grey = read_mask(path)
    with Image.open(path) as image:
        if image.mode != "L":
            raise ValueError(f"{path}: PIL mode {image.mode!r}, expected 8-bit grey ('L'); save it with convert('L')")
    return grey


def _read_gt(path: Path, *, size: tuple[int, ...], pred_path: Path, protocol: Protocol) -> np.ndarray:
    """Ground truth on the grid of the prediction (height, width), bool; ValueError where the protocol forbids that."""
    grey = _read_grey(path)
    if protocol in FRAME_SIZED and grey.shape != size:
        raise ValueError(
            f"{pred_path}: {size[1]} x {size[0]} px, but {path} has {grey.shape[1]} x {grey.shape[0]} px; "
            f"{protocol} scores at the size of the ground truth: resize the probabilities to it"
        )
    return protocols.resize_gt(grey, height=size[0], width=size[1], protocol=protocol, how="nearest")


class _Means:
    """Collects the scores of samples, in the order in which batches are made of them."""

    def __init__(self, protocol: Protocol) -> None:
        self.samples: list[dict[str, float]] = []
        self.batches: tuple[Batches | None, Batches | None] = (
            protocols.batches(protocol),
            protocols.null_batches(protocol),
        )

    def add(self, scores: dict[str, float], tally: Tally | None) -> None:
        self.samples.append(scores)
        batches = self.batches["S" in scores]
        if batches is not None and tally is not None:
            batches.add(tally)

    def result(self) -> dict[str, float | int | None]:
        null = [scores["S"] for scores in self.samples if "S" in scores]
        region, contour, absent = self._mean("J"), self._mean("F"), self._mean("S")
        return {
            "J": region,
            "F": contour,
            "JF": None if region is None or contour is None else (region + contour) / 2,
            "S": absent,
            "false_positive_rate": _mean([score > 0 for score in null]),
            "num_samples": len(self.samples) - len(null),
            "num_null_samples": len(null),
        }

    def _mean(self, name: str) -> float | None:
        batches = self.batches[name == "S"]
        if batches is not None:
            return batches.means().get(name)
        return _mean([scores[name] for scores in self.samples if name in scores])


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
