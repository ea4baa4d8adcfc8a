import numpy as np
import pytest

from tgs_pipeline.backends.segmenter.sam2_config import build_video_predictor
from tgs_pipeline.backends.segmenter.sam2_video import load_propagator

FRAMES = np.random.default_rng(1).integers(0, 255, (3, 48, 64, 3), dtype=np.uint8)
BOXES = np.float32([[5, 5, 30, 40], [20, 10, 60, 40]])


@pytest.fixture(scope="module")
def propagator(tiny_folder):
    return load_propagator(tiny_folder / "sam2.yaml", tiny_folder / "sam2.safetensors", device="cpu")


def answer_with_boxes(propagator, monkeypatch):
    """Let the predictor say of every frame that the object is where its box was, shifted by the frames between."""
    calls = []

    def propagate(state, start_frame_idx, reverse):
        import torch

        last = -1 if reverse else len(FRAMES)
        for frame in range(start_frame_idx, last, -1 if reverse else 1):
            calls.append((frame, reverse))
            logits = torch.full((2, 1, 48, 64), -1.0)
            logits[0, 0, frame, :] = logits[1, 0, :, frame] = 1.0
            yield frame, [0, 1], logits

    monkeypatch.setattr(propagator.predictor, "propagate_in_video", propagate)
    return calls


def test_masks_stand_at_their_object_and_frame(propagator, monkeypatch):
    calls = answer_with_boxes(propagator, monkeypatch)
    masks = propagator.propagate(FRAMES, BOXES, frame_index=1)
    assert (masks.shape, masks.dtype) == ((2, 3, 48, 64), bool)
    for frame in range(3):
        assert masks[0, frame, frame].all() and masks[0, frame].sum() == 64
        assert masks[1, frame, :, frame].all() and masks[1, frame].sum() == 48
    assert calls == [(1, False), (2, False), (1, True), (0, True)]


def test_the_model_is_asked_forward_and_backward_without_noise(propagator, capfd):
    masks = propagator.propagate(FRAMES, BOXES, frame_index=1)
    assert masks.shape == (2, 3, 48, 64)
    assert capfd.readouterr() == ("", "")


def test_no_box_at_all(propagator):
    assert propagator.propagate(FRAMES, np.zeros((0, 4), np.float32), frame_index=0).shape == (0, 3, 48, 64)


def test_settings_are_those_of_the_package(tiny_folder):
    predictor = build_video_predictor(tiny_folder / "sam2.yaml")
    assert predictor.binarize_mask_from_pts_for_mem_enc
    assert predictor.sam_mask_decoder.dynamic_multimask_via_stability


def test_weights_that_do_not_fit_are_refused(tiny_folder, tmp_path):
    import torch

    torch.save({"model": {}}, tmp_path / "sam2.pt")
    with pytest.raises(ValueError, match=r"sam2\.pt does not fit .*sam2\.yaml"):
        load_propagator(tiny_folder / "sam2.yaml", tmp_path / "sam2.pt", device="cpu")
