"""SAM 2 as an image segmenter: one box in, one mask out (Ravi et al., 2024; the package `sam2`).

Follows SAM2ImagePredictor with a box and multimask_output=False, on batches: the frames of a batch are encoded together
and all their boxes decoded together. (The predictor itself fixes the feature sizes of 1024 px models, and decodes one
image at a time.) Dynamic multimask is on, as build_sam2 has it: where the single mask is unstable, the best of three
takes its place (UPSTREAM_FACTS 4.4, trap T26).

Loads the original files (`configs/sam2.1/sam2.1_hiera_l.yaml` and `sam2.1_hiera_large.pt`) and any smaller model in the
same format. Legend: B frames, N boxes of all of them, S = the model's image size.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.transforms.v2.functional import normalize, resize

from tgs_pipeline.backends.segmenter.base import Segmentation
from tgs_pipeline.backends.segmenter.sam2_config import build_model
from tgs_pipeline.weights import assign, load_state, mismatches, refuse, shapes_of, without_memory

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

MEAN_RGB = [0.485, 0.456, 0.406]  # ImageNet
STD_RGB = [0.229, 0.224, 0.225]
MAX_LOGIT = 32.0
BOX_CORNER_LABELS = (2, 3)  # top left, bottom right, for SAM's prompt encoder
BROKEN = "the segmenter yields NaN: broken weights, or segment.dtype is too narrow"


class Sam2Segmenter:
    """A Segmenter (backends/segmenter/base.py) around a SAM 2 model.

    input_size_px: squeeze each frame to a square of this side first, as upstream (224; trap T21), or None.
    swap_channels: show the model BGR frames, as upstream (trap T20).
    dtype: float32, or a narrower one for autocast.
    """

    def __init__(
        self, model: "SAM2Base", *, device: str, dtype: str, input_size_px: int | None, swap_channels: bool
    ) -> None:
        self.model = model.to(device).eval()
        self.device = torch.device(device)
        self.dtype = getattr(torch, dtype)
        self.input_size_px = input_size_px
        self.swap_channels = swap_channels

    @torch.no_grad()
    def segment(self, images: Sequence[np.ndarray], boxes_xyxy_px: Sequence[np.ndarray]) -> list[list[Segmentation]]:
        """See `Segmenter.segment`."""
        if not any(len(boxes) for boxes in boxes_xyxy_px):
            return [[] for _ in images]
        pixels_B3SS = torch.stack([self._preprocess(image) for image in images]).to(self.device)
        sizes = [image.shape[:2] for image in images]
        boxes_N4 = np.concatenate(
            [boxes / np.tile([size[1], size[0]], 2) for boxes, size in zip(boxes_xyxy_px, sizes, strict=True)]
        ).astype(np.float32)  # relative to the frame, so that no resizing matters
        image_of_box = torch.tensor([i for i, boxes in enumerate(boxes_xyxy_px) for _ in boxes], device=self.device)
        with self._autocast():
            logits_Nhw, iou_N = self._forward(pixels_B3SS, torch.from_numpy(boxes_N4).to(self.device), image_of_box)
        results: list[list[Segmentation]] = [[] for _ in images]
        for index, logits_hw, iou in zip(image_of_box.tolist(), logits_Nhw, iou_N.tolist(), strict=True):
            mask_HW = F.interpolate(logits_hw[None, None], sizes[index], mode="bilinear", align_corners=False)[0, 0] > 0
            clamped = logits_hw.clamp(-MAX_LOGIT, MAX_LOGIT)
            reason = BROKEN if bool(logits_hw.isnan().any()) else None
            results[index].append(Segmentation(mask_HW.cpu().numpy(), clamped.cpu().numpy(), iou, reason))
        return results

    def _forward(
        self, pixels_B3SS: torch.Tensor, boxes_N4: torch.Tensor, image_of_box: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(low-resolution logits float32 (N, h, w), predicted IoU float32 (N,)) of boxes relative to their image."""
        model = self.model
        features = model.forward_image(pixels_B3SS)["backbone_fpn"]
        embedding = features[-1]
        if model.directly_add_no_mem_embed:
            embedding = embedding + model.no_mem_embed.reshape(1, -1, 1, 1)
        corners_N22 = boxes_N4.reshape(-1, 2, 2) * model.image_size
        labels_N2 = torch.tensor([BOX_CORNER_LABELS], dtype=torch.int32, device=self.device).repeat(len(boxes_N4), 1)
        sparse, dense = model.sam_prompt_encoder(points=(corners_N22, labels_N2), boxes=None, masks=None)
        masks, iou, _, _ = model.sam_mask_decoder(
            image_embeddings=embedding[image_of_box],
            image_pe=model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
            repeat_image=False,
            high_res_features=[level[image_of_box] for level in features[:-1]],
        )
        return masks[:, 0].float(), iou[:, 0].float()

    def _preprocess(self, image: np.ndarray) -> torch.Tensor:
        """uint8 RGB (H, W, 3) -> float32 (3, S, S): stretched to a square and normalised, as SAM2Transforms does."""
        if self.input_size_px is not None:
            image = squeeze(image, size_px=self.input_size_px)
        if self.swap_channels:
            image = image[..., ::-1]
        unit = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255
        return normalize(resize(unit, [self.model.image_size] * 2, antialias=True), MEAN_RGB, STD_RGB)

    def _autocast(self) -> contextlib.AbstractContextManager:
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


def squeeze(image: np.ndarray, *, size_px: int) -> np.ndarray:
    """An image uint8 (H, W, 3) as a square uint8 (size_px, size_px, 3), bilinear without antialiasing, as upstream."""
    import cv2

    return cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_LINEAR)


def load_model(config: Path, weights: Path, *, device: str = "cpu") -> "SAM2Base":
    """A SAM 2 model from its configuration (YAML) and weights (`.pt` with {"model": state}, or `.safetensors`).

    ValueError where the configuration names anything but SAM 2's own modules, or the weights do not fit it exactly.
    """
    with without_memory():
        model = build_model(config)
    assign(model, fit(model, config=config, weights=weights), device=device, dtype=torch.float32)
    return model


def fit(model: "SAM2Base", *, config: Path, weights: Path) -> dict[str, torch.Tensor]:
    """The mapped tensors for a model that was built from `config`; ValueError where they do not fit it exactly."""
    content = load_state(weights)
    nested = content.get("model")
    state = nested if isinstance(nested, dict) else content
    problems = mismatches(state, shapes_of(model.state_dict()))
    refuse(problems, what=f"{weights} does not fit {config} (SAM 2.1 weights need a sam2.1 configuration)")
    return state
