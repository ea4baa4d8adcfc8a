"""Pretraining of the tiny vision tower: each patch tells which object covers it, its colour, its box and its player.

Shapes: F frames, P patches.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tgs_pipeline.backends.encoder.clip import MEAN, STD, resize
from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS
from tgs_pipeline.tinyworld.models.clip import PATCH_PX, SIZE_PX
from tgs_pipeline.tinyworld.pretraining.slots import targets_of
from tgs_pipeline.tinyworld.render import render_scene
from tgs_pipeline.tinyworld.sampling import pool_of_split, sample_scene
from tgs_pipeline.tinyworld.scene import NUM_FRAMES
from tgs_pipeline.tinyworld.transcript import slots_of_frame

CATEGORY_NAMES, COLOR_NAMES = sorted(CATEGORIES), sorted(COLORS)
NOTHING = -1
FRAMES_PER_CLIP = 5
RENDERED_PX = 224
_SIDE = SIZE_PX // PATCH_PX
_MIN_COVER = 0.2  # of a patch, for an object to be what it shows


@dataclass(frozen=True)
class Views:
    """Frames and what each of their patches shows; labels are NOTHING where no object is.

    pixels: uint8 RGB (F, S, S, 3). category, color: int64 (F, P). box: float32 (F, P, 4), left, top, right, bottom of
    the visible part as fractions of the frame. played: float32 (F, P), 1 where a man plays it. slots: float32
    (F, Q, W), the transcript of each frame (slots.targets_of).
    """

    pixels: np.ndarray
    category: np.ndarray
    color: np.ndarray
    box: np.ndarray
    played: np.ndarray
    slots: np.ndarray


class PatchReader(nn.Module):
    """Linear readers of patch features; they are thrown away after pretraining."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.category = nn.Linear(width, len(CATEGORY_NAMES) + 1)
        self.color = nn.Linear(width, len(COLOR_NAMES) + 1)
        self.box = nn.Linear(width, 4)
        self.played = nn.Linear(width, 1)


def render_views(seed: int, index: int) -> Views:
    """Some frames of clip `index` with any categories, as the encoder sees them."""
    rng = np.random.default_rng([seed, index])
    pool, _ = pool_of_split("open")
    scene = sample_scene(rng, pool=pool)
    chosen = rng.choice(NUM_FRAMES, FRAMES_PER_CLIP, replace=False).tolist()
    frames, masks_NFHW = render_scene(scene, frame_size_px=RENDERED_PX, rng=rng, moments=chosen)
    cell = RENDERED_PX // _SIDE
    cover_NFP = masks_NFHW.reshape(len(masks_NFHW), len(chosen), _SIDE, cell, _SIDE, cell).mean(axis=(3, 5))
    cover_NFP = cover_NFP.reshape(len(masks_NFHW), len(chosen), -1)
    owner_FP = np.where(cover_NFP.max(axis=0) >= _MIN_COVER, cover_NFP.argmax(axis=0), NOTHING)
    boxes_NF4 = np.array([[_box(mask) for mask in masks] for masks in masks_NFHW], np.float32)

    def of_owner(values: list[int]) -> np.ndarray:
        return np.array([*values, NOTHING])[owner_FP]

    frame_numbers = np.arange(len(chosen))[:, None]
    return Views(
        pixels=np.stack([resize(frame, side_px=SIZE_PX) for frame in frames]),
        category=of_owner([CATEGORY_NAMES.index(item.category) for item in scene.objects]),
        color=of_owner([COLOR_NAMES.index(item.color) for item in scene.objects]),
        box=boxes_NF4[owner_FP, frame_numbers],
        played=of_owner([int(item.player is not None) for item in scene.objects]).astype(np.float32),
        slots=np.stack([targets_of(slots_of_frame(scene, frame)) for frame in chosen]),
    )


def _box(mask: np.ndarray) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    side = len(mask)
    return columns[0] / side, rows[0] / side, (columns[-1] + 1) / side, (rows[-1] + 1) / side


def make_batch(seed: int, number: int, *, clips: int) -> Views:
    """Batch `number`: frames of `clips` new clips."""
    views = [render_views(seed, number * clips + offset) for offset in range(clips)]
    names = ("pixels", "category", "color", "box", "played", "slots")
    return Views(**{name: np.concatenate([getattr(view, name) for view in views]) for name in names})


def features_of(tower: nn.Module, pixels: np.ndarray) -> torch.Tensor:
    """Patch features (F, P, width) of the last layer."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    normalised = (torch.tensor(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std
    return tower(normalised).last_hidden_state[:, 1:]


def loss_of(reader: PatchReader, features: torch.Tensor, views: Views) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross entropies, the L1 distance of boxes, and how often category and colour of covered patches are right.

    features: float32 (F, P, width). Where nothing is covered there are no boxes to tell, and nothing is right.
    """
    category, color = torch.from_numpy(views.category), torch.from_numpy(views.color)
    covered = category >= 0
    category_logits, color_logits = reader.category(features).float(), reader.color(features).float()
    loss = F.cross_entropy(category_logits.flatten(0, 1), (category % (len(CATEGORY_NAMES) + 1)).flatten())
    loss = loss + F.cross_entropy(color_logits.flatten(0, 1), (color % (len(COLOR_NAMES) + 1)).flatten())
    if not covered.any():
        return loss, {"category": 0.0, "color": 0.0}
    loss = loss + 5 * F.l1_loss(reader.box(features)[covered].float(), torch.from_numpy(views.box)[covered])
    played = reader.played(features)[..., 0][covered].float()
    loss = loss + F.binary_cross_entropy_with_logits(played, torch.from_numpy(views.played)[covered])
    right = {
        "category": (category_logits.argmax(-1) == category)[covered].float().mean().item(),
        "color": (color_logits.argmax(-1) == color)[covered].float().mean().item(),
    }
    return loss, right
