import copy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from tgs_pipeline.backends.segmenter import sam2

BOX = np.float32([[28, 18, 62, 42]])
TWO_BOXES = np.float32([[28, 18, 62, 42], [0, 0, 90, 30]])


@cache
def tiny_model(folder: Path):
    return sam2.load_model(folder / "sam2.yaml", folder / "sam2.safetensors")


def segmenter(folder: Path, **changes) -> sam2.Sam2Segmenter:
    options = {"device": "cpu", "dtype": "float32", "input_size_px": None, "swap_channels": False} | changes
    return sam2.Sam2Segmenter(copy.deepcopy(tiny_model(folder)), **options)


def test_shapes(tiny_folder, image):
    wide = np.zeros((32, 200, 3), np.uint8)
    first, none, last = segmenter(tiny_folder).segment(
        [image, image, wide], [TWO_BOXES, np.zeros((0, 4), np.float32), np.float32([[0, 0, 20, 20]])]
    )
    assert [len(first), len(none), len(last)] == [2, 0, 1]
    assert (first[0].mask.shape, first[0].mask.dtype) == ((60, 90), bool)
    assert last[0].mask.shape == (32, 200)
    assert (first[0].low_res_logits.shape, first[0].low_res_logits.dtype) == ((56, 56), np.float32)
    assert 0 <= first[0].predicted_iou <= 1
    assert not np.array_equal(first[0].low_res_logits, first[1].low_res_logits)


def test_no_box_at_all(tiny_folder, image):
    assert segmenter(tiny_folder).segment([image], [np.zeros((0, 4), np.float32)]) == [[]]


@pytest.mark.parametrize("boxes", [BOX, TWO_BOXES])
def test_equals_the_predictor_of_the_package(tiny_folder, image, boxes):
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    ours = segmenter(tiny_folder)
    predictor = SAM2ImagePredictor(ours.model)
    predictor._bb_feat_sizes = [(56, 56), (28, 28), (14, 14)]
    predictor.set_image(image)
    masks, iou, logits = predictor.predict(box=boxes, multimask_output=False)
    for index, result in enumerate(ours.segment([image], [boxes])[0]):
        assert np.abs(result.low_res_logits - logits.reshape(-1, 56, 56)[index]).max() < 1e-5
        assert (result.mask == masks.reshape(-1, 60, 90)[index]).all()
        assert result.predicted_iou == pytest.approx(float(iou.reshape(-1)[index]), abs=1e-6)


def test_a_batch_gives_what_single_frames_give(tiny_folder, image):
    ours = segmenter(tiny_folder)
    images = [image, image[::-1].copy(), image[:, ::-1].copy()]
    together = ours.segment(images, [TWO_BOXES, BOX, BOX])
    for frame, boxes, results in zip(images, [TWO_BOXES, BOX, BOX], together, strict=True):
        for alone, result in zip(ours.segment([frame], [boxes])[0], results, strict=True):
            assert np.abs(alone.low_res_logits - result.low_res_logits).max() < 1e-5


def test_dynamic_multimask_is_on(tiny_folder, image):
    ours = segmenter(tiny_folder)
    decoder = ours.model.sam_mask_decoder
    assert decoder.dynamic_multimask_via_stability
    assert (decoder.dynamic_multimask_stability_delta, decoder.dynamic_multimask_stability_thresh) == (0.05, 0.98)
    unstable = ours.segment([image], [BOX])[0][0]  # untrained logits are all near 0
    decoder.dynamic_multimask_stability_thresh = 0.0
    assert not np.array_equal(ours.segment([image], [BOX])[0][0].low_res_logits, unstable.low_res_logits)


def test_swap_channels_is_the_same_as_a_swapped_frame(tiny_folder, image):
    swapped = segmenter(tiny_folder, swap_channels=True).segment([image], [BOX])[0][0]
    expected = segmenter(tiny_folder).segment([image[..., ::-1].copy()], [BOX])[0][0]
    assert np.array_equal(swapped.low_res_logits, expected.low_res_logits)


def test_input_size_squeezes_the_frame_and_keeps_the_mask_at_its_size(tiny_folder, image):
    squeezed = segmenter(tiny_folder, input_size_px=40).segment([image], [BOX])[0][0]
    small = sam2.squeeze(image, size_px=40)
    scaled = BOX * np.float32([40 / 90, 40 / 60, 40 / 90, 40 / 60])
    expected = segmenter(tiny_folder).segment([small], [scaled])[0][0]
    assert np.abs(squeezed.low_res_logits - expected.low_res_logits).max() < 1e-5
    assert squeezed.mask.shape == (60, 90)
    assert expected.mask.shape == (40, 40)


def test_squeeze_weighs_the_four_nearest_pixels():
    row = np.repeat(np.array([[0, 100, 200, 40]], np.uint8), 4, axis=0)[:, :, None].repeat(3, axis=2)
    assert sam2.squeeze(row, size_px=2)[:, :, 0].tolist() == [[50, 120]] * 2  # halfway between columns, no wider filter


def test_narrow_dtype_stays_close(tiny_folder, image):
    full = segmenter(tiny_folder).segment([image], [BOX])[0][0]
    narrow = segmenter(tiny_folder, dtype="bfloat16").segment([image], [BOX])[0][0]
    assert narrow.low_res_logits.dtype == np.float32
    assert np.abs(full.low_res_logits - narrow.low_res_logits).max() < 0.1
    assert not np.array_equal(full.low_res_logits, narrow.low_res_logits)


def test_nan_is_no_result_and_says_so(tiny_folder, image):
    ours = segmenter(tiny_folder)
    ours.model.no_mem_embed.data.fill_(float("nan"))
    assert "the segmenter yields NaN" in ours.segment([image], [BOX])[0][0].reason


def test_pt_file_with_a_model_key(tiny_folder, tmp_path, image):
    model = sam2.load_model(tiny_folder / "sam2.yaml", tiny_folder / "sam2.safetensors")
    torch.save({"model": model.state_dict()}, tmp_path / "sam2.pt")
    again = sam2.load_model(tiny_folder / "sam2.yaml", tmp_path / "sam2.pt")
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_weights_that_do_not_fit(tiny_folder, tmp_path):
    model = sam2.load_model(tiny_folder / "sam2.yaml", tiny_folder / "sam2.safetensors")
    state = model.state_dict()
    state["surplus"] = state.pop("no_mem_embed")
    state["no_mem_pos_enc"] = torch.zeros(3)
    torch.save({"model": state}, tmp_path / "sam2.pt")
    with pytest.raises(ValueError, match=r"sam2\.pt does not fit .*sam2\.yaml") as caught:
        sam2.load_model(tiny_folder / "sam2.yaml", tmp_path / "sam2.pt")
    assert "missing key no_mem_embed;" in str(caught.value)
    assert "unexpected key surplus;" in str(caught.value)
    assert "no_mem_pos_enc has shape [3], expected [1, 1, 96]" in str(caught.value)
