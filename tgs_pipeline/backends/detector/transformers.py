"""Grounding-DINO by the port in transformers, from a local folder in the layout of the Hugging Face hub.

The folder holds config.json, model.safetensors and the tokenizer's files (tokenizer.json or vocab.txt).
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection
from transformers.utils import logging as transformers_logging

from tgs_pipeline.backends.detector.base import (
    MAX_TEXT_TOKENS,
    SUB_SENTENCE_ENDS,
    Candidates,
    detect_batch,
    load_tokenizer,
)
from tgs_pipeline.weights import WHERE_FROM, load_state


class TransformersDetector:
    """A Detector (base.py). ValueError where the folder is incomplete or its tensors do not fit its config."""

    def __init__(self, weights: Path, *, shortest_edge_px: int, longest_edge_px: int, device: str, dtype: str) -> None:
        self._size = {"shortest_edge_px": shortest_edge_px, "longest_edge_px": longest_edge_px}
        self._device, self._dtype = torch.device(device), getattr(torch, dtype)
        _check_files(weights)
        transformers_logging.disable_progress_bar()
        self._tokenizer = load_tokenizer(weights)
        model = _load(weights, dtype=self._dtype).to(self._device).eval()
        # The port assumes the token ids of bert-base-uncased.
        ends = self._tokenizer.convert_tokens_to_ids(list(SUB_SENTENCE_ENDS))
        model.get_buffer("model.special_tokens").copy_(torch.tensor(ends))
        self._model = model

    def detect(self, images: Sequence[np.ndarray], captions: Sequence[str], *, floor: float) -> list[Candidates]:
        """See base.Detector."""
        return detect_batch(
            images, captions, forward=self._forward, tokenizer=self._tokenizer, floor=floor, **self._size
        )

    @torch.inference_mode()
    def _forward(self, pixels: torch.Tensor, captions: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        text = self._tokenizer(captions, padding="longest", return_tensors="pt", verbose=False).to(self._device)
        found = self._model(
            pixel_values=pixels.to(self._device, self._dtype),
            # All ids go in: the network derives its sub-sentences before it cuts at MAX_TEXT_TOKENS, as upstream.
            input_ids=text["input_ids"],
            token_type_ids=text["token_type_ids"],
            attention_mask=text["attention_mask"][:, :MAX_TEXT_TOKENS],
        )
        return found.logits.float().cpu(), found.pred_boxes.float().cpu()


def _check_files(folder: Path) -> None:
    missing = [name for name in ("config.json", "model.safetensors") if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder} lacks {', '.join(missing)}: {WHERE_FROM}")


def _load(folder: Path, *, dtype: torch.dtype) -> nn.Module:
    """The network; ValueError names the first tensor that is missing, unknown or of another shape."""
    config = GroundingDinoConfig.from_pretrained(folder, local_files_only=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You'd better set embed_dim")  # about speed of a CUDA kernel
        loaded: tuple = GroundingDinoForObjectDetection.from_pretrained(  # type: ignore[assignment]
            None,
            config=config,
            state_dict=load_state(folder / "model.safetensors"),
            dtype=dtype,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            output_loading_info=True,
        )
    model, info = loaded  # a pair because of output_loading_info
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := sorted(str(name) for name in info[problem]):
            raise ValueError(
                f"{folder / 'model.safetensors'} does not fit {folder / 'config.json'}: "
                f"{len(names)} {problem.replace('_', ' ')}, the first is {names[0]}"
            )
    return model
