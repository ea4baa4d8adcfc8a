"""Dense pretraining of the detector's backbone: each cell of each feature map tells what covers it, and its colour.

Shapes: F frames, N objects of a frame, L levels (strides), C cells of all levels, finest level first, row by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tgs_pipeline.backends.detector.base import MEAN_RGB, STD_RGB
from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS
from tgs_pipeline.tinyworld.chains import PLACES, place_of
from tgs_pipeline.tinyworld.render import render_scene
from tgs_pipeline.tinyworld.sampling import pool_of_split, sample_scene
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene

CATEGORY_NAMES, COLOR_NAMES, PLACE_NAMES = sorted(CATEGORIES), sorted(COLORS), list(PLACES)
NOTHING = -1
SIZE_PX = 224  # of a frame
STRIDES_PX = (8, 16, 32)
SIDES = tuple(SIZE_PX // stride for stride in STRIDES_PX)  # cells in a row
FRAMES_PER_CLIP = 2  # painting a second moment of a clip is cheap
_MIN_COVER = 0.25  # of a cell, for an object to be what it shows
_NOTHING_WEIGHT = 0.2  # of cells without an object: they are many, and easy


@dataclass(frozen=True)
class Cells:
    """What the cells of frames show; labels are NOTHING where no object is. All int64 (F, C)."""

    category: np.ndarray
    color: np.ndarray
    place: np.ndarray  # of the object over its whole clip, not of the cell


@dataclass(frozen=True)
class Frames:
    """Frames, uint8 RGB (F, SIZE_PX, SIZE_PX, 3), and what their cells show."""

    pixels: np.ndarray
    cells: Cells


class CellReader(nn.Module):
    """Linear readers of the cells of each level, of these widths; they are thrown away after training."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.category = nn.ModuleList(nn.Linear(width, len(CATEGORY_NAMES) + 1) for width in widths)
        self.color = nn.ModuleList(nn.Linear(width, len(COLOR_NAMES) + 1) for width in widths)


def make_batch(seed: int, number: int, *, clips: int) -> Frames:
    """Batch `number`: frames of `clips` new clips with any categories."""
    pool, _ = pool_of_split("open")
    pixels, cells = [], []
    for index in range(number * clips, (number + 1) * clips):
        rng = np.random.default_rng([seed, index])
        scene = sample_scene(rng, pool=pool)
        moments = rng.choice(NUM_FRAMES, FRAMES_PER_CLIP, replace=False).tolist()
        frames, masks_NFHW = render_scene(scene, frame_size_px=SIZE_PX, rng=rng, moments=moments)
        pixels.append(frames)
        cells += [label_cells(scene, masks_NFHW[:, place]) for place in range(len(moments))]
    return Frames(np.concatenate(pixels), join(cells))


def label_cells(scene: Scene, masks_NHW: np.ndarray) -> Cells:
    """What the cells of one frame show: the object that covers the most of a cell, if that is enough. F is 1."""
    owners = []
    for side in SIDES:
        cell = SIZE_PX // side
        cover_NC = masks_NHW.reshape(len(masks_NHW), side, cell, side, cell).mean(axis=(2, 4)).reshape(-1, side * side)
        if len(cover_NC):
            owners.append(np.where(cover_NC.max(axis=0) >= _MIN_COVER, cover_NC.argmax(axis=0), NOTHING))
        else:
            owners.append(np.full(side * side, NOTHING))
    owner_C = np.concatenate(owners)
    shown = [
        (CATEGORY_NAMES.index(item.category), COLOR_NAMES.index(item.color), PLACE_NAMES.index(place_of(item)))
        for item in scene.objects
    ]
    return Cells(*np.array([*shown, (NOTHING,) * 3])[owner_C].T[:, None])


def join(cells: Sequence[Cells]) -> Cells:
    """The labels of several frames as one."""
    labels = ((one.category, one.color, one.place) for one in cells)
    return Cells(*(np.concatenate(of_kind) for of_kind in zip(*labels, strict=True)))


def normalise(pixels: np.ndarray) -> torch.Tensor:
    """uint8 RGB (F, H, W, 3) -> float32 (F, 3, H, W), as the detector backends normalise frames."""
    mean, std = torch.tensor(MEAN_RGB).view(3, 1, 1), torch.tensor(STD_RGB).view(3, 1, 1)
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std


def features_of(backbone: nn.Module, pixels: np.ndarray) -> list[torch.Tensor]:
    """Feature maps (F, cells, width) of the levels. backbone: the convolutional encoder of the detector."""
    whole = torch.ones((len(pixels), SIZE_PX, SIZE_PX), dtype=torch.long)
    return [features.flatten(2).transpose(1, 2) for features, _ in backbone(normalise(pixels), whole)]


def split_levels(features_FCD: torch.Tensor) -> list[torch.Tensor]:
    """The features of all cells, level by level."""
    return list(features_FCD.split([side * side for side in SIDES], dim=1))


def loss_of(
    reader: CellReader, features: Sequence[torch.Tensor], cells: Cells
) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross entropies summed over the levels, and how often category and colour of covered cells are right.

    features: (F, cells, width) of each level. Where nothing is covered, nothing is right.
    """
    loss, right = torch.zeros(()), {}
    levels = zip(STRIDES_PX, features, reader.category, reader.color, strict=True)
    bounds = np.cumsum([0, *(side * side for side in SIDES)])
    for (stride, of_level, category_head, color_head), start, end in zip(levels, bounds[:-1], bounds[1:], strict=True):
        for name, head, labels in (
            ("category", category_head, cells.category[:, start:end]),
            ("color", color_head, cells.color[:, start:end]),
        ):
            logits = head(of_level).flatten(0, 1).float()
            wanted = torch.from_numpy(labels).flatten()
            weights = torch.ones(logits.shape[-1])
            weights[NOTHING] = _NOTHING_WEIGHT
            loss = loss + F.cross_entropy(logits, wanted % logits.shape[-1], weight=weights)
            covered = wanted != NOTHING
            right[f"{name}_{stride}"] = (logits.argmax(-1) == wanted)[covered].float().sum().item() / max(
                1, int(covered.sum())
            )
    return loss, right
