"""Training of the tiny SAM 2: on frames, a box becomes a mask; on clips, memory carries it to the other frames.

Both go through the package's own modules, in the order in which its image and video predictors call them: on a clip the
prompted frame first, then forward to the end, then backward to the start with the same memory bank. Shapes: F frames,
N objects, M masks, h x w logits, S the side of a frame.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torchvision.transforms.v2.functional import normalize

from tgs_pipeline.backends.segmenter.sam2 import BOX_CORNER_LABELS, MEAN_RGB, STD_RGB
from tgs_pipeline.tinyworld.models.sam2 import FEATURE_RMS
from tgs_pipeline.tinyworld.pretraining.mask_loss import MIN_SEEN_PX, num_seen_px, proposal_loss, score_loss
from tgs_pipeline.tinyworld.pretraining.mask_samples import CLIP_FRAMES, BoxedFrames, Tracks

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

Measures = dict[str, float]
Decoded = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # logits (N, M, h, w), predicted IoU (N, M), score (N,)


def frames_loss(model: "SAM2Base", batch: BoxedFrames) -> tuple[torch.Tensor, Measures]:
    """Loss of boxes on single frames; also IoU of the mask that answers a box, and the size of the embedding."""
    features = model.forward_image(to_input(batch.pixels))["backbone_fpn"]
    frame = torch.from_numpy(batch.frame)
    decoded = decode_boxes(model, [level[frame] for level in features], corners_of(batch.boxes_xyxy_px))
    loss, iou_N = _loss_of_prompt(decoded, torch.from_numpy(batch.masks))
    of_scale, rms = scale_loss(features)
    return loss + of_scale, {"iou": float(iou_N.mean()), "rms": rms}


def tracks_loss(model: "SAM2Base", batch: Tracks) -> tuple[torch.Tensor, Measures]:
    """Mean loss over the frames of clips; also IoU and share of right object scores, of the frames without prompt.

    Where the object is not seen (mask_loss.MIN_SEEN_PX) there is no IoU.
    """
    encoded = model.forward_image(to_input(batch.pixels.reshape(-1, *batch.pixels.shape[2:])))
    first = torch.from_numpy(batch.clip) * CLIP_FRAMES
    masks_NTHW = torch.from_numpy(batch.masks)
    corners = corners_of(batch.boxes_xyxy_px)
    features = [level[first + batch.prompted] for level in encoded["backbone_fpn"]]
    total, _ = _loss_of_prompt(decode_boxes(model, features, corners), masks_NTHW[:, batch.prompted])
    bank: dict[str, dict[int, dict]] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    ious, rights = [], []
    for frame, is_reverse in tracking_order(batch.prompted):
        is_prompted = frame == batch.prompted
        current = {
            name: [level[first + frame] for level in encoded[name]] for name in ("backbone_fpn", "vision_pos_enc")
        }
        _, vision, positions, sizes = model._prepare_backbone_features(current)
        points = {"point_coords": corners, "point_labels": _labels(len(corners))}
        masks_NHW = masks_NTHW[:, frame]
        with _recording(model.sam_mask_decoder) as recorded:
            output = model.track_step(
                frame_idx=frame,
                is_init_cond_frame=is_prompted,
                current_vision_feats=vision,
                current_vision_pos_embeds=positions,
                feat_sizes=sizes,
                point_inputs=points if is_prompted and not batch.has_mask_prompt else None,
                mask_inputs=masks_NHW[:, None].float() if is_prompted and batch.has_mask_prompt else None,
                output_dict=bank,
                num_frames=CLIP_FRAMES,
                track_in_reverse=is_reverse,
            )
        bank["cond_frame_outputs" if is_prompted else "non_cond_frame_outputs"][frame] = output
        if is_prompted:
            continue
        [(logits_NMhw, iou_NM, score_N)] = recorded
        loss, iou_N = proposal_loss(logits_NMhw, iou_NM, masks_NHW)
        total = total + loss + score_loss(score_N, masks_NHW)
        pixels_N = num_seen_px(masks_NHW)
        ious.append(iou_N[pixels_N >= MIN_SEEN_PX])
        rights.append(((score_N > 0) == (pixels_N > 0)).float())
    of_scale, rms = scale_loss(encoded["backbone_fpn"])
    iou = torch.cat(ious).sum() / max(1, len(torch.cat(ious)))
    score = torch.cat(rights).mean()
    return total / CLIP_FRAMES + of_scale, {"iou": float(iou), "score": float(score), "rms": rms}


def scale_loss(features: list[torch.Tensor]) -> tuple[torch.Tensor, float]:
    """Keeps features from outgrowing their position encoding; also the root mean square of the coarsest level.

    They start at FEATURE_RMS. Left alone they were five times as large after 30 steps, and masks ignored their boxes.
    """
    rms = torch.stack([level.float().square().mean().sqrt() for level in features])
    return (rms / FEATURE_RMS).log().clamp(min=0).square().sum(), rms[-1].item()


def tracking_order(prompted: int) -> list[tuple[int, bool]]:
    """(frame, whether time runs backward) in the order in which a clip is tracked from its prompted frame."""
    forward = [(frame, False) for frame in range(prompted, CLIP_FRAMES)]
    return forward + [(frame, True) for frame in range(prompted - 1, -1, -1)]


def decode_boxes(model: "SAM2Base", features: list[torch.Tensor], corners_N22: torch.Tensor) -> Decoded:
    """All M = 4 masks of boxes: that of the token for one mask, then those of the three for several.

    features: of each object's frame, by level, the coarsest last. corners_N22: in pixels of the model's input.
    """
    sparse, dense = model.sam_prompt_encoder(points=(corners_N22, _labels(len(corners_N22))), boxes=None, masks=None)
    logits_NMhw, iou_NM, _, score_N1 = model.sam_mask_decoder.predict_masks(
        image_embeddings=features[-1] + model.no_mem_embed.reshape(1, -1, 1, 1),
        image_pe=model.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        repeat_image=False,
        high_res_features=features[:-1],
    )
    return logits_NMhw, iou_NM, score_N1[:, 0]


def to_input(pixels: np.ndarray) -> torch.Tensor:
    """uint8 RGB (F, S, S, 3) -> float32 (F, 3, S, S), normalised."""
    unit = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return normalize(unit, MEAN_RGB, STD_RGB)


def corners_of(boxes_xyxy_px: np.ndarray) -> torch.Tensor:
    """Boxes float32 (N, 4) as their corners (N, 2, 2), for the prompt encoder."""
    return torch.from_numpy(boxes_xyxy_px).reshape(-1, 2, 2)


def _labels(number: int) -> torch.Tensor:
    return torch.tensor([BOX_CORNER_LABELS], dtype=torch.int32).expand(number, -1)


def _loss_of_prompt(decoded: Decoded, masks_NHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of boxes: the token for one mask answers them, the others take its place where its mask is unstable."""
    logits_NMhw, iou_NM, score_N = decoded
    single, iou_N = proposal_loss(logits_NMhw[:, :1], iou_NM[:, :1], masks_NHW)
    several, _ = proposal_loss(logits_NMhw[:, 1:], iou_NM[:, 1:], masks_NHW)
    return single + several + score_loss(score_N, masks_NHW), iou_N


@contextmanager
def _recording(decoder: torch.nn.Module) -> Iterator[list[Decoded]]:
    """What the mask decoder returns in the meantime, before masks of objects that seem absent are blanked."""
    recorded: list[Decoded] = []

    def record(_decoder: torch.nn.Module, _inputs: tuple, output: tuple[torch.Tensor, ...]) -> None:
        recorded.append((output[0], output[1], output[3][:, 0]))

    handle = decoder.register_forward_hook(record)
    try:
        yield recorded
    finally:
        handle.remove()
