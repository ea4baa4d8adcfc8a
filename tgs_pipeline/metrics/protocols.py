"""The protocols by name: the scores of one sample, and how samples are averaged (UPSTREAM_FACTS 5.1).

tgs       TGS-Agent on Ref-AVSBench. Mean over samples.
refavs    the evaluator of Ref-AVS: p > 0.4, a grid of 256 px. Mean over batches of four samples.
avsbench  the evaluator of AVSBench S4 and MS3. Mean over batches of four samples.
alref     AL-Ref-SAM 2 on AVSBench: binary masks at the size of the frame. Mean over all frames.
davis     DAVIS 2017, Ref-YouTube-VOS, MeViS: J and the F of boundaries at the size of the frame. Mean over samples.

Legend: H, W = size of the grid that is scored. A mask is bool (H, W), levels are uint8 (H, W) (metrics/levels.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tgs_pipeline.metrics import alref, avsbench, davis, levels, refavs, tgs
from tgs_pipeline.metrics.tally import Batches, Tally

Protocol = Literal["tgs", "refavs", "avsbench", "alref", "davis"]
NAMES: tuple[Protocol, ...] = get_args(Protocol)
FRAME_SIZED: tuple[Protocol, ...] = ("alref", "davis")  # score masks at the size of the frame, the others score maps


@dataclass(frozen=True)
class Predicted:
    """One or more frames of one sample, as far as the protocol looks at them.

    Each holds one array for each frame. masks: bool (H, W), at p > 0.5 for score maps. levels: score maps, uint8
    (H, W). low: bool (H, W), at p > 0.4 (refavs).
    """

    masks: Sequence[np.ndarray]
    levels: Sequence[np.ndarray] = ()
    low: Sequence[np.ndarray] = ()


def from_levels(levels_THW: Sequence[np.ndarray], low_THW: Sequence[np.ndarray] = ()) -> Predicted:
    """Score maps as predictions."""
    return Predicted([levels.foreground(levels_HW) for levels_HW in levels_THW], levels_THW, low_THW)


def resize_gt(
    grey_HW: np.ndarray, *, height: int, width: int, protocol: Protocol, how: Literal["nearest", "bicubic_bool"]
) -> np.ndarray:
    """Ground truth bool (height, width) on the grid of a score map, from grey uint8 of any size; how: under `tgs`."""
    if protocol == "refavs":
        return refavs.resize_gt(grey_HW, height=height, width=width)
    return tgs.resize_gt(grey_HW, height=height, width=width, how=how if protocol == "tgs" else "nearest")


def score_sample(
    predicted: Predicted, gt_THW: Sequence[np.ndarray], *, protocol: Protocol
) -> tuple[dict[str, float], Tally | None]:
    """{"J", "F"} of one sample, 0..1, and what it adds to its batch (None where samples are averaged).

    Where a protocol scores batches, the scores are those of a batch of this sample alone.
    """
    match protocol:
        case "tgs":
            return dict(zip(("J", "F"), tgs.score_video(predicted.levels, gt_THW), strict=True)), None
        case "davis":
            return dict(zip(("J", "F"), davis.score_video(predicted.masks, gt_THW), strict=True)), None
        case "avsbench":
            tally = avsbench.tally(predicted.levels, gt_THW)
            return avsbench.scores(tally), tally
        case "refavs":
            tally = avsbench.tally_masks(predicted.low, predicted.levels, gt_THW)
            return avsbench.scores(tally), tally
        case "alref":
            tally = alref.tally(predicted.masks, gt_THW)
            return alref.scores(tally), tally


def score_null(masks_THW: Sequence[np.ndarray], *, protocol: Protocol) -> tuple[float, Tally | None]:
    """S of one sample where nothing is referred to, 0..1, and what it adds to its batch.

    avsbench, alref and davis know no such samples; theirs is the S of `tgs`.
    """
    if protocol != "refavs":
        return tgs.null_score(masks_THW), None
    tally = refavs.null_tally(masks_THW)
    return refavs.null_scores(tally)["S"], tally


def worst(*, num_frames: int, num_px: int, is_null: bool) -> Tally:
    """What a sample of J = F = 0, or of S = 1, adds to its batch."""
    if is_null:
        return Tally(num_frames=num_frames, num_foreground_px=num_px, num_px=num_px)
    return Tally(num_frames=num_frames, num_curves=num_frames)


def batches(protocol: Protocol) -> Batches | None:
    """Collects the samples of a split; None where the protocol is a mean over samples."""
    match protocol:
        case "tgs" | "davis":
            return None
        case "avsbench" | "refavs":
            return Batches(size=avsbench.BATCH_SIZE, scores=avsbench.scores)
        case "alref":
            return Batches(size=alref.BATCH_SIZE, scores=alref.scores)


def null_batches(protocol: Protocol) -> Batches | None:
    """As `batches`, for null samples."""
    return Batches(size=refavs.BATCH_SIZE, scores=refavs.null_scores) if protocol == "refavs" else None
