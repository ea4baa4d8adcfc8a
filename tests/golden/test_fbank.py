"""Ours against fbank.json: what the original makes of the same sound."""

import json
from pathlib import Path

import numpy as np
from golden.drawn import numbers

from tgs_pipeline.data.fbank import log_mel

GOLDEN = json.loads(Path(__file__).with_name("fbank.json").read_text())


def test_filter_banks():
    found = log_mel(numbers("sound", (1, 4000))[0] / np.float32(10))
    expected = np.array(GOLDEN["fbank"])
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-3
