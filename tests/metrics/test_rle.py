import numpy as np
import pytest

from tgs_pipeline.metrics import rle


def test_encode_and_back():
    mask = np.zeros((3, 5), bool)
    mask[0, 1:4] = mask[2, 4] = True
    assert (rle.decode(rle.encode(mask), height=3, width=5) == mask).all()


def test_empty():
    assert not rle.decode(rle.empty(720, 1280), height=720, width=1280).any()
    assert rle.empty(720, 1280) == rle.encode(np.zeros((720, 1280), bool))


def test_decode_refuses_another_size():
    with pytest.raises(ValueError, match="do not fit a mask of 4 x 3 px"):
        rle.decode(rle.empty(30, 50), height=3, width=4)
