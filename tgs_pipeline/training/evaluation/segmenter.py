"""Measures a segmenter on clips of the tiny world that it was not trained on, through the backends of the product.

On single frames: boxes of all objects, true ones and some that err as a detector would. On clips of eight frames: one
box in the first frame, carried forward, and one in the last, carried backward; and through occlusions, frame by frame.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tgs_pipeline.backends.segmenter.base import Prompt, Propagator, Segmenter
from tgs_pipeline.segmenting.maps import resize
from tgs_pipeline.tinyworld.pretraining.mask_samples import CLIP_FRAMES, MIN_BOXED_PX, box_of, jitter_box
from tgs_pipeline.training.evaluation.held_out import GAP, MIDDLE, HeldOutClip, held_out_clips
from tgs_pipeline.training.evaluation.seeds import check_seeds
from tgs_pipeline.training.evaluation.segmenter_scores import Observation, SegmenterEvaluation
from tgs_pipeline.weights import digest

Named = Iterator[tuple[str, float]]  # measure, value


def evaluate_weights(config: Path, weights: Path, *, seeds: Sequence[int], num_clips: int) -> SegmenterEvaluation:
    """Evaluate a SAM 2 on the CPU. ValueError where the files do not fit, or as `evaluate`."""
    from tgs_pipeline.backends.segmenter.sam2 import Sam2Segmenter, load_model
    from tgs_pipeline.backends.segmenter.sam2_config import check_config
    from tgs_pipeline.backends.segmenter.sam2_video import load_propagator

    segmenter = Sam2Segmenter(
        load_model(check_config(config), weights),
        device="cpu",
        dtype="float32",
        input_size_px=None,
        swap_channels=False,
    )
    return evaluate(
        segmenter,
        load_propagator(config, weights, device="cpu", dtype="float32", input_size_px=None, swap_channels=False),
        seeds=seeds,
        num_clips=num_clips,
        description={"weights": str(weights), "config": str(config), "digest": digest(weights)},
    )


def evaluate(
    segmenter: Segmenter,
    propagator: Propagator,
    *,
    seeds: Sequence[int],
    num_clips: int,
    description: Mapping[str, object],
) -> SegmenterEvaluation:
    """Measure on clips 0, 1, ... of each seed. ValueError where there is nothing to measure, or a seed twice."""
    check_seeds(seeds)
    if num_clips < 1:
        raise ValueError(f"clips must be at least 1: got {num_clips}")
    observations = []
    for seed in seeds:
        for number in tqdm(range(num_clips), desc=f"seed {seed}", unit="clip", disable=None):
            for clip in held_out_clips(seed, number):
                measured = _measure(segmenter, propagator, clip)
                observations += [Observation(name, seed, number, value) for name, value in measured]
    return SegmenterEvaluation(observations, seeds, num_clips, description)


def iou(found: np.ndarray, true: np.ndarray) -> float:
    """Intersection over union of two masks; ValueError where the true one is empty."""
    if not true.any():
        raise ValueError("there is no IoU with an empty mask: ask whether the mask that was found is empty too")
    return float((found & true).sum() / (found | true).sum())


def _measure(segmenter: Segmenter, propagator: Propagator, clip: HeldOutClip) -> Named:
    match clip.kind:
        case "plain":
            yield from _measure_frames(segmenter, clip)
            yield from _measure_propagation(propagator, clip, first=0, direction="forward")
            yield from _measure_propagation(propagator, clip, first=CLIP_FRAMES - 1, direction="backward")
        case "covered":
            yield from _measure_cover(propagator, clip)
        case "gone":
            yield from _measure_gap(propagator, clip)


def _measure_frames(segmenter: Segmenter, clip: HeldOutClip) -> Named:
    rng = np.random.default_rng([clip.seed, clip.number])
    seen = [[mask for mask in masks if mask.sum() >= MIN_BOXED_PX] for masks in clip.masks.swapaxes(0, 1)]
    boxes = [[box_of(mask) for mask in masks] for masks in seen]
    erring = [[jitter_box(rng, box) for box in of_frame] for of_frame in boxes]
    for name, asked in (("frame, true box", boxes), ("frame, box with errors", erring)):
        prompts = [np.array(of_frame, np.float32).reshape(-1, 4) for of_frame in asked]
        for found, masks in zip(segmenter.segment(list(clip.frames), prompts), seen, strict=True):
            for one, mask in zip(found, masks, strict=True):
                yield f"{name}: IoU", iou(one.mask, mask)


def _measure_propagation(propagator: Propagator, clip: HeldOutClip, *, first: int, direction: str) -> Named:
    """From boxes of all objects that are seen in frame `first`; the frame of the box does not count."""
    masks_NTHW = np.stack([mask for mask in clip.masks if mask[first].sum() >= MIN_BOXED_PX])
    found_NTHW = _propagate(propagator, clip, masks_NTHW, first=first)
    for mask_THW, found_THW in zip(masks_NTHW, found_NTHW, strict=True):
        for frame in range(CLIP_FRAMES):
            if frame == first:
                continue
            if not mask_THW[frame].any():
                yield f"clip, {direction}: empty where nothing is seen", float(not found_THW[frame].any())
            elif mask_THW[frame].sum() >= MIN_BOXED_PX:
                value = iou(found_THW[frame], mask_THW[frame])
                yield f"clip, {direction}: IoU", value
                yield f"clip, {direction}, {abs(frame - first)} frames from the box: IoU", value


def _measure_cover(propagator: Propagator, clip: HeldOutClip) -> Named:
    [found_THW] = _propagate(propagator, clip, clip.masks, first=0)
    [mask_THW] = clip.masks
    for frame in range(1, CLIP_FRAMES):
        name = f"covered, {frame - MIDDLE:+d} frames from the middle"
        yield f"{name}: share seen", float(mask_THW[frame].sum() / mask_THW[0].sum())
        if mask_THW[frame].sum() >= MIN_BOXED_PX:
            yield f"{name}: IoU", iou(found_THW[frame], mask_THW[frame])


def _measure_gap(propagator: Propagator, clip: HeldOutClip) -> Named:
    [found_THW] = _propagate(propagator, clip, clip.masks, first=0)
    [mask_THW] = clip.masks
    for frame in range(1, CLIP_FRAMES):
        if frame in GAP:
            yield "gone: empty in the meantime", float(not found_THW[frame].any())
        elif mask_THW[frame].sum() >= MIN_BOXED_PX:
            yield f"gone, {'before' if frame < GAP[0] else 'after'}: IoU", iou(found_THW[frame], mask_THW[frame])


def _propagate(propagator: Propagator, clip: HeldOutClip, masks_NTHW: np.ndarray, *, first: int) -> np.ndarray:
    prompts = [[Prompt(first, box_of(mask[first]))] for mask in masks_NTHW]
    size = clip.frames.shape[1:3]
    found = [resize(logits, size=size) > 0 for logits in propagator.propagate(list(clip.frames), prompts)]
    return np.stack(found, axis=1)
