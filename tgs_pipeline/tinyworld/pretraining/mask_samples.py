"""Samples that the tiny segmenter learns from: frames and clips, the box of an object and its exact masks.

Each batch is made from its number alone. In the world as sampled, things are at most partly covered and never come
back; so some scenes are changed: another object passes in front of one, or one is out of the scene for some frames.
Shapes: F frames, C clips, T = CLIP_FRAMES frames of each, N objects, S = SIZE_PX.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tgs_pipeline.tinyworld.models.sam2 import IMAGE_SIZE_PX as SIZE_PX
from tgs_pipeline.tinyworld.render import render_scene
from tgs_pipeline.tinyworld.sampling import pool_of_split, sample_scene
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene, SceneObject

CLIP_FRAMES = 8
MIN_BOXED_PX = 64  # visible pixels from which an object gets a box
MAX_BOX_ERROR = 0.1  # standard deviation of the error of a box's edges, as a share of its sides, at most
OBJECTS_PER_CLIP = 3  # at most
MASK_PROMPT_SHARE = 0.25  # of the batches of clips: an exact mask instead of a box
_CROSSED_SHARE, _INTERRUPTED_SHARE = 0.35, 0.2  # of the scenes
_AT_AN_END_SHARE = 0.5  # of the batches of clips: the prompt is on the first or on the last frame


@dataclass(frozen=True)
class BoxedFrames:
    """pixels: uint8 RGB (F, S, S, 3). frame: int64 (N,), the frame of each object. boxes_xyxy_px: float32 (N, 4).
    masks: bool (N, S, S), of its visible part."""

    pixels: np.ndarray
    frame: np.ndarray
    boxes_xyxy_px: np.ndarray
    masks: np.ndarray


@dataclass(frozen=True)
class Tracks:
    """pixels: uint8 RGB (C, T, S, S, 3). clip: int64 (N,), the clip of each object. prompted: the frame of all prompts.
    boxes_xyxy_px: float32 (N, 4), there. masks: bool (N, T, S, S), of its visible part. has_mask_prompt: the prompt is
    the mask of that frame."""

    pixels: np.ndarray
    clip: np.ndarray
    prompted: int
    boxes_xyxy_px: np.ndarray
    masks: np.ndarray
    has_mask_prompt: bool


def make_frames(seed: int, number: int, *, frames: int) -> BoxedFrames:
    """Batch `number` of single frames, each of a new scene, with all objects that are seen in it."""
    pixels, owners, boxes, masks = [], [], [], []
    for place in range(frames):
        rng = np.random.default_rng([seed, number * frames + place])
        frame, seen = _sample_frame(rng)
        pixels.append(frame)
        owners += [place] * len(seen)
        boxes += [jitter_box(rng, box_of(mask)) for mask in seen]
        masks += seen
    return BoxedFrames(np.stack(pixels), np.array(owners), np.stack(boxes), np.stack(masks))


def make_tracks(seed: int, number: int, *, clips: int) -> Tracks:
    """Batch `number` of clips, each of a new scene, with some objects that are seen in the prompted frame."""
    rng = np.random.default_rng([seed, number, 1])
    at_an_end = rng.random() < _AT_AN_END_SHARE
    prompted = int(rng.choice((0, CLIP_FRAMES - 1)) if at_an_end else rng.integers(CLIP_FRAMES))
    has_mask_prompt = bool(rng.random() < MASK_PROMPT_SHARE)
    pixels, owners, boxes, masks = [], [], [], []
    for place in range(clips):
        rng = np.random.default_rng([seed, number * clips + place])
        frames, seen = _sample_clip(rng, prompted=prompted)
        pixels.append(frames)
        owners += [place] * len(seen)
        boxes += [jitter_box(rng, box_of(mask[prompted])) for mask in seen]
        masks += seen
    return Tracks(
        np.stack(pixels), np.array(owners), prompted, np.stack(boxes), np.stack(masks), has_mask_prompt=has_mask_prompt
    )


def _sample_frame(rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
    """A frame and the masks of all objects that are seen in it, at least one."""
    while True:
        moment = int(rng.integers(NUM_FRAMES))
        scene, _ = sample_varied_scene(rng, covered_at=(moment - 1, moment + 1))
        [frame], masks_N1HW = render_scene(scene, frame_size_px=SIZE_PX, rng=rng, moments=[moment])
        if seen := [mask for [mask] in masks_N1HW if mask.sum() >= MIN_BOXED_PX]:
            return frame, seen


def _sample_clip(rng: np.random.Generator, *, prompted: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Frames (T, S, S, 3) and masks (T, S, S) of objects that are seen in frame `prompted`, at least of one.

    The object that the scene was changed for comes first, so that it is taken.
    """
    while True:
        start = int(rng.integers(NUM_FRAMES - CLIP_FRAMES + 1))
        scene, changed = sample_varied_scene(rng, covered_at=(1, NUM_FRAMES - 2), spared=start + prompted)
        moments = range(start, start + CLIP_FRAMES)
        frames, masks_NTHW = render_scene(scene, frame_size_px=SIZE_PX, rng=rng, moments=moments)
        order = sorted(rng.permutation(len(masks_NTHW)).tolist(), key=lambda index: index != changed)
        if seen := [masks_NTHW[index] for index in order if masks_NTHW[index, prompted].sum() >= MIN_BOXED_PX]:
            return frames, seen[:OBJECTS_PER_CLIP]


def box_of(mask: np.ndarray) -> np.ndarray:
    """The box of a mask bool (H, W) with at least one pixel: float32 (4,), left, top, right, bottom in pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def jitter_box(rng: np.random.Generator, box_xyxy_px: np.ndarray) -> np.ndarray:
    """A box as a detector would err: some exact to the pixel, others off by a tenth of their sides; in the frame."""
    sides = np.tile(box_xyxy_px[2:] - box_xyxy_px[:2], 2)
    errors = rng.normal(0, rng.uniform(0, MAX_BOX_ERROR), 4).clip(-2 * MAX_BOX_ERROR, 2 * MAX_BOX_ERROR)
    return (box_xyxy_px + errors * sides).clip(0, SIZE_PX).astype(np.float32)


def sample_varied_scene(
    rng: np.random.Generator, *, covered_at: tuple[int, int], spared: int | None = None
) -> tuple[Scene, int | None]:
    """A scene with any categories, and the index of the object that is covered or out of the scene for a while.

    covered_at: the first and the last frame in the middle of which something may pass in front of it. spared: a frame
    in which it is not taken out of the scene; None: it never is.
    """
    pool, _ = pool_of_split("open")
    scene = sample_scene(rng, pool=pool)
    target = int(rng.integers(len(scene.objects)))
    chance = rng.random()
    if chance < _CROSSED_SHARE:
        middle = min(max(int(rng.integers(covered_at[0], covered_at[1] + 1)), 0), NUM_FRAMES - 1)
        crossed = cross(rng, scene, target, middle=middle)
        return (scene, None) if crossed is None else (crossed, target)
    if chance < _CROSSED_SHARE + _INTERRUPTED_SHARE and spared is not None:
        length = int(rng.integers(1, 4))
        first = int(rng.integers(1, NUM_FRAMES - length))
        without = [frame for frame in range(first, first + length) if frame != spared]
        return interrupt(scene, target, without=without), target
    return scene, None


def cross(rng: np.random.Generator, scene: Scene, target: int, *, middle: int) -> Scene | None:
    """Let the nearest of all objects pass in front of `target`, over its centre in frame `middle`.

    What passes is in the scene while its centre is within the frame. None where nothing can: who plays stays there.
    """
    playing = {item.player for item in scene.objects} | {
        item.index for item in scene.objects if item.player is not None
    }
    free = [item for item in scene.objects if item.index != target and item.index not in playing]
    if not free:
        return None
    passing = free[int(rng.integers(len(free)))]
    x, y = scene.objects[target].centers[middle]
    size = min(0.6, max(passing.size, float(rng.uniform(1.0, 1.4)) * scene.objects[target].size))
    step = float(rng.uniform(0.1, 0.22)) * (1 if rng.random() < 0.5 else -1)
    y = y + float(rng.uniform(-0.06, 0.06))
    centers = tuple((x + step * (frame - middle), y) for frame in range(NUM_FRAMES))
    moved = replace(
        passing,
        centers=centers,
        visible=tuple(0 <= center[0] <= 1 for center in centers),
        size=size,
        depth=1 + max(item.depth for item in scene.objects),
    )
    return _with(scene, moved)


def interrupt(scene: Scene, target: int, *, without: Sequence[int]) -> Scene:
    """Take `target` out of the scene for the frames `without`."""
    item = scene.objects[target]
    shown = tuple(visible and frame not in without for frame, visible in enumerate(item.visible))
    return _with(scene, replace(item, visible=shown))


def _with(scene: Scene, changed: SceneObject) -> Scene:
    return replace(scene, objects=tuple(changed if one.index == changed.index else one for one in scene.objects))
