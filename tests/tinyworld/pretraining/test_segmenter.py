import copy
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from tgs_pipeline.backends.segmenter.sam2 import Sam2Segmenter, load_model
from tgs_pipeline.backends.segmenter.sam2_config import build_video_predictor
from tgs_pipeline.tinyworld.models import sam2 as tiny
from tgs_pipeline.tinyworld.pretraining.loop import Plan, train
from tgs_pipeline.tinyworld.pretraining.mask_samples import CLIP_FRAMES, Tracks, make_frames, make_tracks
from tgs_pipeline.tinyworld.pretraining.segmenter import (
    corners_of,
    decode_boxes,
    frames_loss,
    scale_loss,
    to_input,
    tracking_order,
    tracks_loss,
)
from tgs_pipeline.training.segmenter import matrices_of

# Neither prompt is ever a click, and the first frame of a clip never attends to an empty memory.
NEVER = {"sam_prompt_encoder.point_embeddings.0.weight", "sam_prompt_encoder.point_embeddings.1.weight"}
NEVER |= {"no_mem_pos_enc"}
OF_MEMORY = ("memory_", "obj_ptr", "maskmem_tpos_enc")
OF_ABSENCE = {"no_obj_ptr", "no_obj_embed_spatial"}
OF_MASK_PROMPTS = ("mask_downsample.", "sam_prompt_encoder.mask_downscaling")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sam2")
    tiny.write(folder, seed=0)
    return folder


@pytest.fixture
def model(folder):
    return load_model(folder / "sam2.yaml", folder / "sam2.safetensors").train()


@cache
def tracks(*, prompted=3, has_mask_prompt=False):
    """One object of one clip."""
    batch = make_tracks(4, 0, clips=1)
    return Tracks(
        batch.pixels,
        batch.clip[:1],
        prompted,
        batch.boxes_xyxy_px[:1],
        batch.masks[:1],
        has_mask_prompt=has_mask_prompt,
    )


def believe(model, *, score):
    """Let the model think of every object that it is seen (score > 0) or not."""
    last = model.sam_mask_decoder.pred_obj_score_head.layers[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, score)


def untaught(model, loss):
    """Names of parameters without gradient; of the heads of the three masks that compete, only if none has any."""
    model.zero_grad(set_to_none=True)
    loss.backward()
    left = {name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()}
    competing = {
        number: {name for name in left if f"output_hypernetworks_mlps.{number}." in name} for number in (1, 2, 3)
    }
    return left if all(competing.values()) else left.difference(*competing.values())


def test_the_embedding_starts_no_larger_than_its_position_encoding(model):
    _, measures = frames_loss(model, make_frames(0, 0, frames=1))
    assert 0.2 < measures["rms"] < 0.9 and 0 <= measures["iou"] <= 1


def test_features_are_kept_from_growing_by_hand():
    """By a factor of e and of e squared on two levels; what is smaller than at the start costs nothing."""
    levels = [torch.full((1, 2, 3, 3), tiny.FEATURE_RMS * factor) for factor in (torch.e, 0.5, torch.e**2)]
    loss, rms = scale_loss(levels)
    assert loss.item() == pytest.approx(1 + 4, rel=1e-5)
    assert rms == pytest.approx(tiny.FEATURE_RMS * torch.e**2, rel=1e-5)


def test_boxes_on_frames_teach_everything_but_memory(model):
    batch = make_frames(0, 1, frames=2)
    left = untaught(model, frames_loss(model, batch)[0])
    expected = {n for n, _ in model.named_parameters() if n.startswith((*OF_MEMORY, *OF_MASK_PROMPTS))}
    assert left == expected | NEVER | OF_ABSENCE


def test_clips_teach_memory_and_each_prompt_its_encoder(model):
    """Once objects are believed to be seen, as after the phase on frames."""
    everything = {name for name, _ in model.named_parameters()}
    of_mask_prompts = {name for name in everything if name.startswith(OF_MASK_PROMPTS)}
    believe(model, score=3.0)
    for has_mask_prompt in (False, True):
        left = untaught(model, tracks_loss(model, tracks(has_mask_prompt=has_mask_prompt))[0])
        left -= {name for name in everything if "pred_obj_score_head.layers" in name}  # see believe()
        assert left == NEVER | OF_ABSENCE | (set() if has_mask_prompt else of_mask_prompts)


def test_masks_are_taught_where_the_model_believes_that_nothing_is_seen(model):
    """The package blanks such masks, which would cut their gradient."""
    believe(model, score=-3.0)
    left = untaught(model, tracks_loss(model, tracks())[0])
    assert not left & OF_ABSENCE
    assert not [name for name in left if "output_hypernetworks_mlps" in name or name.startswith("memory_attention")]


def test_frames_before_the_prompt_are_tracked_backward():
    assert tracking_order(0) == [(frame, False) for frame in range(CLIP_FRAMES)]
    assert tracking_order(6) == [
        (6, False),
        (7, False),
        (5, True),
        (4, True),
        (3, True),
        (2, True),
        (1, True),
        (0, True),
    ]


@torch.no_grad()
def test_boxes_are_decoded_as_by_the_segmenter_of_the_pipeline(model):
    batch = make_frames(0, 2, frames=1)
    model.eval()
    model.sam_mask_decoder.dynamic_multimask_via_stability = False
    features = model.forward_image(to_input(batch.pixels))["backbone_fpn"]
    features = [level[torch.from_numpy(batch.frame)] for level in features]
    logits, iou, _ = decode_boxes(model, features, corners_of(batch.boxes_xyxy_px))
    segmenter = Sam2Segmenter(model, device="cpu", dtype="float32", input_size_px=None, swap_channels=False)
    for number, answer in enumerate(segmenter.segment(list(batch.pixels), [batch.boxes_xyxy_px])[0]):
        assert np.abs(answer.low_res_logits - logits[number, 0].numpy()).max() < 1e-4
        assert answer.predicted_iou == pytest.approx(float(iou[number, 0]), abs=1e-5)


def test_clips_are_tracked_as_by_the_video_predictor(model, folder, tmp_path, monkeypatch):
    """Frame by frame, forward and backward; the predictor keeps its memories in bfloat16."""
    believe(model.eval(), score=3.0)
    batch, found = tracks(), {}
    track_step = model.track_step

    def recorded(**arguments):
        output = track_step(**arguments)
        found[arguments["frame_idx"]] = output["pred_masks"][0, 0]
        return output

    monkeypatch.setattr(model, "track_step", recorded)
    with torch.no_grad():
        tracks_loss(model, batch)
    predictor = build_video_predictor(folder / "sam2.yaml").eval()
    predictor.load_state_dict(model.state_dict())
    predictor.binarize_mask_from_pts_for_mem_enc = False  # in training, memories of prompts are soft
    for number in range(CLIP_FRAMES):
        Image.new("RGB", (224, 224)).save(tmp_path / f"{number}.jpg")
    state = predictor.init_state(str(tmp_path))
    state["images"], state["cached_features"] = to_input(batch.pixels[0]), {}
    predictor.add_new_points_or_box(state, batch.prompted, obj_id=0, box=torch.from_numpy(batch.boxes_xyxy_px[0]))
    for is_reverse in (False, True):
        list(predictor.propagate_in_video(state, start_frame_idx=batch.prompted, reverse=is_reverse))
    outputs = state["output_dict_per_obj"][0]
    expected = outputs["cond_frame_outputs"] | outputs["non_cond_frame_outputs"]
    assert found.keys() == expected.keys() == set(range(CLIP_FRAMES))
    for frame, logits in found.items():
        scale = logits.std().item()
        assert (logits - expected[frame]["pred_masks"][0, 0]).abs().max().item() < 0.05 * scale, frame


def test_a_single_frame_is_learned_by_heart(model, tmp_path):
    """Four objects in one frame, by the real loop: their boxes must tell them apart."""
    torch.manual_seed(0)
    batch = make_frames(0, 3, frames=1)
    assert len(batch.masks) == 4
    rates = {"matrix_rate": 1e-2, "other_rate": 2e-3, "decay_power": 1.0, "warmup_steps": 5}
    plan = Plan(num_steps=60, bfloat16=False, log_every_steps=5, save_every_steps=1000, **rates)
    matrices = matrices_of(model)
    curve = train(
        "by heart",
        model,
        lambda _: frames_loss(model, batch),
        is_matrix=matrices.__contains__,
        plan=plan,
        folder=tmp_path,
    )
    assert curve[0]["iou"] < 0.2 and curve[-1]["iou"] > 0.4, curve
    assert curve[-1]["loss"] < 0.5 * curve[0]["loss"]


def test_a_single_clip_is_learned_by_heart(model):
    torch.manual_seed(0)
    believe(model, score=3.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    losses = []
    for _ in range(10):
        loss, _ = tracks_loss(model, tracks())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-2:]) < 0.7 * losses[0], losses


def test_absent_objects_count_by_their_score_alone(model):
    batch = tracks()
    masks = np.zeros_like(batch.masks)
    masks[:, batch.prompted] = batch.masks[:, batch.prompted]
    nothing = Tracks(batch.pixels, batch.clip, batch.prompted, batch.boxes_xyxy_px, masks, has_mask_prompt=False)
    believe(model, score=-9.0)
    with torch.no_grad():
        model.eval()
        loss, measures = tracks_loss(model, nothing)
        alone, _ = tracks_loss(copy.deepcopy(model), batch)
    assert measures["score"] == 1.0 and measures["iou"] == 0.0
    assert loss < alone
