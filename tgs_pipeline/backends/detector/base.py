"""Detector: what every detector backend offers, and what the Grounding-DINO backends share around their network.

Shapes: B pairs of a batch, Q decoder queries, T tokens of a caption, n candidates.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from transformers import AutoTokenizer, PreTrainedTokenizerBase

MEAN_RGB = (0.485, 0.456, 0.406)  # ImageNet
STD_RGB = (0.229, 0.224, 0.225)
MAX_TEXT_TOKENS = 256
SUB_SENTENCE_ENDS = ("[CLS]", "[SEP]", ".", "?")  # text attention stays within what lies between them

# pixels float32 (B, 3, H, W), B captions -> logits float32 (B, Q, >= T), boxes cxcywh float32 (B, Q, 4) relative 0..1
Forward = Callable[[torch.Tensor, list[str]], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Candidates:
    """What the detector proposes for one frame and caption: every query whose score is above the floor, in query order.

    boxes_xyxy: float32 (n, 4), relative to the frame (0..1; a box may reach a little outside it).
    scores: float32 (n,), highest token probability. The maximum runs over all tokens, [CLS], [SEP] and '.' too, as
        upstream (UPSTREAM_FACTS 4.3).
    token_scores: float32 (n, T), 0..1.  query_index: int32 (n,), ascending.
    tokens: the T word pieces of the caption, special tokens included, at most MAX_TEXT_TOKENS.
    reason: why there is no result, else None.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    token_scores: np.ndarray
    query_index: np.ndarray
    tokens: list[str]
    reason: str | None = None


class Detector(Protocol):
    """An open-vocabulary detector."""

    def detect(self, images: Sequence[np.ndarray], captions: Sequence[str], *, floor: float) -> list[Candidates]:
        """Candidates of each (image, caption) pair; images are uint8 RGB (H, W, 3) of any sizes.

        A pair's result does not depend on the other pairs of the batch (to about 1e-5, the order of summation).
        Captions come from prompts/caption.py; one longer than MAX_TEXT_TOKENS is cut there, as upstream.
        ValueError for a caption without a word or final dot, and where the network yields NaN.
        """
        ...


def detect_batch(
    images: Sequence[np.ndarray],
    captions: Sequence[str],
    *,
    forward: Forward,
    tokenizer: PreTrainedTokenizerBase,
    floor: float,
    shortest_edge_px: int,
    longest_edge_px: int,
) -> list[Candidates]:
    """Candidates of each pair, by a network `forward` that takes pairs of one image size.

    Images are never padded: padding would leak into the windows of the Swin backbone and into the statistics of the
    group norms, so that a result would depend on the other images of the batch. Pairs of one size go together instead
    (the frames of a benchmark have few sizes). Captions are padded; their padding is masked everywhere.
    """
    for caption in captions:
        _check(caption)
    groups: dict[torch.Size, list[int]] = defaultdict(list)
    pixels = [preprocess(image, shortest_edge_px=shortest_edge_px, longest_edge_px=longest_edge_px) for image in images]
    for index, one in enumerate(pixels):
        groups[one.shape].append(index)
    found: dict[int, Candidates] = {}
    for members in groups.values():
        logits, boxes = forward(torch.stack([pixels[i] for i in members]), [captions[i] for i in members])
        for i, one_logits, one_boxes in zip(members, logits, boxes, strict=True):
            found[i] = _above(floor, one_logits, one_boxes, tokens=tokens_of(tokenizer, captions[i]))
    return [found[i] for i in range(len(images))]


def resized_size(height: int, width: int, *, shortest_edge_px: int, longest_edge_px: int) -> tuple[int, int]:
    """(height, width) after resizing, with upstream's rounding (groundingdino/datasets/transforms.py).

    The short side becomes `shortest_edge_px`, less where the long side would pass `longest_edge_px`; the long side is
    cut to an integer, not rounded.
    """
    short, long = min(height, width), max(height, width)
    size = shortest_edge_px
    if long / short * size > longest_edge_px:
        size = round(longest_edge_px * short / long)
    if size < 1:
        raise ValueError(f"a frame of {width} x {height} px is too narrow: resized to {longest_edge_px} px it vanishes")
    if short == size:
        return height, width
    return (size, int(size * width / height)) if height <= width else (int(size * height / width), size)


def preprocess(image: np.ndarray, *, shortest_edge_px: int, longest_edge_px: int) -> torch.Tensor:
    """uint8 RGB (H, W, 3) -> float32 (3, H', W'): PIL's bilinear resizing (antialiased), ImageNet normalisation."""
    height, width = resized_size(*image.shape[:2], shortest_edge_px=shortest_edge_px, longest_edge_px=longest_edge_px)
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    unit = torch.from_numpy(np.asarray(resized, np.float32) / np.float32(255)).permute(2, 0, 1)
    return ((unit - torch.tensor(MEAN_RGB)[:, None, None]) / torch.tensor(STD_RGB)[:, None, None]).contiguous()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder; ValueError where its files are missing, since transformers would make an empty one."""
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt")):
        raise ValueError(f"{folder} lacks tokenizer.json or vocab.txt, the vocabulary of the text encoder")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    ends = [tokenizer.convert_tokens_to_ids(token) for token in SUB_SENTENCE_ENDS]
    if len(set(ends)) < len(ends) or tokenizer.unk_token_id in ends:
        raise ValueError(f"{folder}: its vocabulary lacks some of {SUB_SENTENCE_ENDS}, which end parts of a caption")
    return tokenizer


def tokens_of(tokenizer: PreTrainedTokenizerBase, caption: str) -> list[str]:
    """Word pieces that the network sees."""
    ids: list[int] = tokenizer(caption, verbose=False)["input_ids"][:MAX_TEXT_TOKENS]
    return list(tokenizer.convert_ids_to_tokens(ids))


def _check(caption: str) -> None:
    if not (caption.endswith(".") and any(char.isalnum() for char in caption)):
        raise ValueError(
            f"caption {caption!r}: expected at least one word and a final dot; make it with prompts/caption.py"
        )


def _above(floor: float, logits: torch.Tensor, boxes: torch.Tensor, *, tokens: list[str]) -> Candidates:
    """Candidates of one pair from logits (Q, >= T) and boxes cxcywh (Q, 4)."""
    token_scores = logits[:, : len(tokens)].sigmoid()
    scores = token_scores.amax(dim=1)
    broken = bool(scores.isnan().any() or boxes.isnan().any())
    kept = (scores > floor).nonzero()[:, 0]
    centre, size = boxes[kept, :2], boxes[kept, 2:]
    return Candidates(
        boxes_xyxy=torch.cat([centre - size / 2, centre + size / 2], dim=1).numpy(),
        scores=scores[kept].numpy(),
        token_scores=token_scores[kept].numpy(),
        query_index=kept.to(torch.int32).numpy(),
        tokens=tokens,
        reason="the detector yields NaN: broken weights, or detect.dtype is too narrow" if broken else None,
    )
