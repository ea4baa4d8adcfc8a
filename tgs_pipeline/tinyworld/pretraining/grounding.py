"""Training of the tiny Grounding-DINO: frames with captions, what the model says of them, and the loss on all of it.

The loss is ours: that of transformers 5.23 mixes up the tokens where the captions of a batch differ, and leaves the
encoder's proposals without gradient. Shapes: B frames, Q queries, T tokens, S cells (proposals), N targets,
P phrases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from transformers import BertTokenizer

from tgs_pipeline.tinyworld.pretraining.cells import SIDES, SIZE_PX, Cells, join, label_cells, normalise
from tgs_pipeline.tinyworld.pretraining.matching import (
    FOCAL_ALPHA,
    FOCAL_GAMMA,
    Assignment,
    Targets,
    assign_proposals,
    assign_queries,
    paired_iou,
    pairwise_iou,
)
from tgs_pipeline.tinyworld.pretraining.phrases import (
    Phrase,
    View,
    draw_phrase,
    draw_reference,
    join_caption,
    look,
)
from tgs_pipeline.tinyworld.render import render_scene
from tgs_pipeline.tinyworld.sampling import pool_of_split, sample_scene
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene

if TYPE_CHECKING:
    from transformers import GroundingDinoForObjectDetection

CLASS_WEIGHT, L1_WEIGHT, GIOU_WEIGHT = 2.0, 5.0, 2.0
_EMPTY_SHARE = 0.05  # of frames without any object
_SINGLE_SHARE = 0.4  # of captions with one phrase, as the pipeline sends them
_NUM_PHRASES = (3, 6)  # of the others, at least and at most
_REFERENCE_SHARE = 0.15  # of single phrases that are raw references
_ABSENT_SHARE = 0.5


@dataclass(frozen=True)
class Sample:
    """A frame, uint8 RGB (SIZE_PX, SIZE_PX, 3), what its cells show, and the phrases that it is asked for."""

    pixels: np.ndarray
    cells: Cells
    view: View
    phrases: tuple[Phrase, ...]


@dataclass(frozen=True)
class Batch:
    """Samples as the network takes them. text: what its tokenizer makes of the captions."""

    pixels: torch.Tensor
    text: dict[str, torch.Tensor]
    targets: Targets
    cells: Cells


@dataclass(frozen=True)
class Said:
    """What the network says. logits (B, Q, T) and boxes cxcywh (B, Q, 4) of each decoder layer; of the proposals
    (B, S, T) and (B, S, 4); memory, text: the encoder's features of cells (B, S, width) and words (B, T, width)."""

    logits: tuple[torch.Tensor, ...]
    boxes: tuple[torch.Tensor, ...]
    proposal_logits: torch.Tensor
    proposal_boxes: torch.Tensor
    memory: torch.Tensor
    text: torch.Tensor


def make_sample(seed: int, index: int) -> Sample:
    """Sample `index`: one moment of a new clip with any categories, or a frame without objects."""
    rng = np.random.default_rng([seed, index])
    pool, _ = pool_of_split("open")
    scene = Scene(()) if rng.random() < _EMPTY_SHARE else sample_scene(rng, pool=pool)
    moment = int(rng.integers(NUM_FRAMES))
    frames, masks_NFHW = render_scene(scene, frame_size_px=SIZE_PX, rng=rng, moments=[moment])
    view = look(scene, masks_NFHW[:, 0])
    return Sample(frames[0], label_cells(scene, masks_NFHW[:, 0]), view, draw_phrases(rng, view))


def draw_phrases(rng: np.random.Generator, view: View) -> tuple[Phrase, ...]:
    """What one caption asks for: a single phrase, as the pipeline does, or several different ones."""
    is_single = rng.random() < _SINGLE_SHARE
    if is_single and rng.random() < _REFERENCE_SHARE and (reference := draw_reference(rng, view)):
        return (reference,)
    number = 1 if is_single else int(rng.integers(_NUM_PHRASES[0], _NUM_PHRASES[1] + 1))
    drawn = [draw_phrase(rng, view, absent=bool(rng.random() < _ABSENT_SHARE)) for _ in range(number)]
    return tuple({phrase.text: phrase for phrase in drawn}.values())


def make_batch(seed: int, number: int, *, size: int, tokenizer: BertTokenizer) -> Batch:
    """Batch `number` of new samples."""
    return collate([make_sample(seed, number * size + offset) for offset in range(size)], tokenizer)


def collate(samples: Sequence[Sample], tokenizer: BertTokenizer) -> Batch:
    """Put samples together; captions are padded, and so are the targets."""
    captions, spans = zip(*(join_caption(sample.phrases) for sample in samples), strict=True)
    text = tokenizer(list(captions), padding="longest", return_tensors="pt", return_offsets_mapping=True)
    offsets = text.pop("offset_mapping")
    meant = [sorted({index for phrase in sample.phrases for index in phrase.meant}) for sample in samples]
    num_targets, num_phrases = max(1, *map(len, meant)), max(len(sample.phrases) for sample in samples)
    boxes = torch.tensor([0.5, 0.5, 1.0, 1.0]).repeat(len(samples), num_targets, 1)
    valid = torch.zeros((len(samples), num_targets), dtype=torch.bool)
    phrases = torch.zeros((len(samples), num_phrases, offsets.shape[1]), dtype=torch.bool)
    means = torch.zeros((len(samples), num_phrases, num_targets), dtype=torch.bool)
    for row, (sample, objects) in enumerate(zip(samples, meant, strict=True)):
        for number, (phrase, (start, end)) in enumerate(zip(sample.phrases, spans[row], strict=True)):
            starts, ends = offsets[row].unbind(-1)
            phrases[row, number] = (starts >= start) & (ends <= end) & (ends > starts)
            means[row, number, [objects.index(index) for index in phrase.meant]] = True
        for place, index in enumerate(objects):
            left, top, right, bottom = sample.view.boxes[index].tolist()
            boxes[row, place] = torch.tensor([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
            valid[row, place] = True
    targets = Targets(boxes, valid, phrases, means, real=text["attention_mask"].bool())
    pixels = normalise(np.stack([sample.pixels for sample in samples]))
    return Batch(pixels, dict(text), targets, join([sample.cells for sample in samples]))


def ask(model: "GroundingDinoForObjectDetection", batch: Batch) -> Said:
    """Run the network with the heads of every decoder layer."""
    found = model.model(pixel_values=batch.pixels, **batch.text)
    mask = batch.text["attention_mask"].bool()
    num_tokens = mask.shape[1]
    starts = [found.init_reference_points, *found.intermediate_reference_points.unbind(1)]
    logits, boxes = [], []
    for layer, hidden in enumerate(found.intermediate_hidden_states.unbind(1)):
        said = model.class_embed[layer](hidden, found.encoder_last_hidden_state_text, mask)
        logits.append(said[..., :num_tokens].float())
        moved = model.bbox_embed[layer](hidden).float() + torch.special.logit(starts[layer].float(), eps=1e-5)
        boxes.append(moved.sigmoid())
    return Said(
        logits=tuple(logits),
        boxes=tuple(boxes),
        proposal_logits=found.enc_outputs_class[..., :num_tokens].float(),
        proposal_boxes=found.enc_outputs_coord_logits.float().sigmoid(),
        memory=found.encoder_last_hidden_state_vision,
        text=found.encoder_last_hidden_state_text,
    )


def loss_of(said: Said, targets: Targets) -> tuple[torch.Tensor, dict[str, float]]:
    """The losses of all decoder layers and of the proposals; measures are of the last layer."""
    loss = torch.zeros(())
    measures: dict[str, float] = {}
    for logits, boxes in zip(said.logits, said.boxes, strict=True):
        assignment = assign_queries(logits, boxes, targets)
        of_layer, measures = _loss(logits, boxes, assignment, targets)
        loss = loss + of_layer
    of_proposals, of_kind = _proposal_loss(said, targets)
    measures |= {f"proposal_{name}": value for name, value in of_kind.items()}
    measures |= separation(said.logits[-1], said.boxes[-1], targets)
    return loss + of_proposals, measures


def _proposal_loss(said: Said, targets: Targets) -> tuple[torch.Tensor, dict[str, float]]:
    centers, strides = cell_geometry()
    return _loss(said.proposal_logits, said.proposal_boxes, assign_proposals(centers, strides, targets), targets)


def _loss(
    logits: torch.Tensor, boxes: torch.Tensor, assignment: Assignment, targets: Targets
) -> tuple[torch.Tensor, dict[str, float]]:
    """Focal loss of the tokens (Lin et al. 2017), L1 and generalised IoU of the boxes, for each positive query."""
    total = assignment.positive.sum().clamp(min=1)
    # Logits of padding are -inf: its weight is 0, but 0 * inf is no number.
    logits = logits.masked_fill(~targets.real[:, None], 0.0)
    focal = (focal_loss(logits, assignment.labels) * assignment.weights).sum() / total
    chosen = targets.boxes.gather(1, assignment.object[..., None].expand(-1, -1, 4))
    predicted, wanted = boxes[assignment.positive], chosen[assignment.positive]
    l1 = (predicted - wanted).abs().sum() / total
    iou, giou = paired_iou(predicted, wanted)
    loss = CLASS_WEIGHT * focal + L1_WEIGHT * l1 + GIOU_WEIGHT * (1 - giou).sum() / total
    return loss, {"class": focal.item(), "l1": l1.item(), "iou": (iou.sum() / total).item()}


def focal_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """alpha (1 - p)^gamma -log p of each label, p being the chance given to what is true; float32 of any shape."""
    entropy = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    chance = logits.sigmoid()
    missed = labels * (1 - chance) + (1 - labels) * chance
    alpha = labels * FOCAL_ALPHA + (1 - labels) * (1 - FOCAL_ALPHA)
    return alpha * missed**FOCAL_GAMMA * entropy


def cell_geometry() -> tuple[torch.Tensor, torch.Tensor]:
    """Centres (S, 2) and strides (S,) of the cells of all levels, as fractions of the frame."""
    centers, strides = [], []
    for side in SIDES:
        at = (torch.arange(side) + 0.5) / side
        rows, columns = torch.meshgrid(at, at, indexing="ij")
        centers.append(torch.stack([columns, rows], dim=-1).flatten(0, 1))
        strides.append(torch.full((side * side,), 1 / side))
    return torch.cat(centers), torch.cat(strides)


@torch.no_grad()
def separation(logits: torch.Tensor, boxes: torch.Tensor, targets: Targets) -> dict[str, float]:
    """How phrases are answered: how often the best box of those that mean something is right (IoU above .5), and the
    mean best score where something is meant and where nothing is."""
    scores = logits.sigmoid()[:, None].masked_fill(~targets.phrases[:, :, None], 0.0)  # (B, P, Q, T)
    best, query = scores.amax(dim=-1).max(dim=-1)  # (B, P)
    iou, _ = pairwise_iou(boxes.gather(1, query[..., None].expand(-1, -1, 4)), targets.boxes)
    right = iou.masked_fill(~targets.means, 0.0).amax(dim=-1) > 0.5
    present = targets.means.any(dim=-1)
    absent = targets.phrases.any(dim=-1) & ~present

    def mean(values: torch.Tensor) -> float:
        return values.float().mean().item() if len(values) else 0.0

    return {"right": mean(right[present]), "score_present": mean(best[present]), "score_absent": mean(best[absent])}
