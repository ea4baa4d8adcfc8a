"""Ours against segment.json: logits, score map and mask of the original SAM 2, in both modes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import ground_case
from golden.drawn import weight

from tgs_pipeline.backends.segmenter.sam2 import Sam2Segmenter
from tgs_pipeline.backends.segmenter.sam2_config import build_model
from tgs_pipeline.metrics import levels
from tgs_pipeline.segmenting.maps import score_map

GOLDEN = json.loads(Path(__file__).with_name("segment.json").read_text())
SETTINGS = {
    "parity": {"input_size_px": ground_case.SQUARE_PX, "swap_channels": True},
    "corrected": {"input_size_px": None, "swap_channels": False},
}


@pytest.fixture(scope="module")
def answers():
    """The answer of each mode for the box of the case."""
    model = build_model(Path(__file__).with_name("sam2.yaml"))
    model.load_state_dict(
        {name: torch.from_numpy(weight(name, tuple(tensor.shape))) for name, tensor in model.state_dict().items()}
    )
    frame = ground_case.frame()
    height, width = frame.shape[:2]
    box = np.float32(ground_case.BOX) * np.float32([width, height, width, height])
    return {
        mode: Sam2Segmenter(model, device="cpu", dtype="float32", **changes).segment([frame], [box[None]])[0][0]
        for mode, changes in SETTINGS.items()
    }


@pytest.mark.parametrize("mode", SETTINGS)
def test_logits_and_score_map(answers, mode):
    logits = answers[mode].low_res_logits
    assert np.abs(logits[::4, ::4] - np.array(GOLDEN[mode]["low_res_logits"])).max() < 1e-4
    found = levels.encode(score_map(logits, size_px=ground_case.SQUARE_PX))[::8, ::8]
    expected = levels.encode(np.array(GOLDEN[mode]["score_map"], np.float32))
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1  # a level is 1/254, golden values have 5 digits


def test_the_mask_of_upstream_is_the_foreground_of_the_score_map(answers):
    """Upstream's mask is made at 224 px; ours is made at the size of the frame, and the protocol reads the levels."""
    mask = levels.foreground(levels.encode(score_map(answers["parity"].low_res_logits, size_px=ground_case.SQUARE_PX)))
    assert rows(mask) == GOLDEN["parity"]["mask_rows"]
    assert int(mask.sum()) == GOLDEN["parity"]["mask_area_px"]


def test_the_corrected_mask_has_the_size_of_the_frame(answers):
    mask = answers["corrected"].mask
    assert rows(mask) == GOLDEN["corrected"]["mask_rows"]
    assert int(mask.sum()) == GOLDEN["corrected"]["mask_area_px"]


def rows(mask):
    return ["".join(map(str, row)) for row in mask.astype(int)[::4, ::4].tolist()]
