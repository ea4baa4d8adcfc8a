import numpy as np
import pytest
import torch

from tgs_pipeline.metrics import levels


def test_thresholds_are_those_of_torch_bit_for_bit():
    expected = torch.linspace(0, 1 - 1e-10, 255).numpy()
    assert levels.thresholds().tobytes() == expected.tobytes()
    assert levels.thresholds()[-1] == 1  # 1 - 1e-10 is 1 in float32


def test_levels_tell_every_threshold_and_the_binary_mask():
    thresholds = levels.thresholds()
    around = [thresholds, np.nextafter(thresholds, np.float32(-1)), np.nextafter(thresholds, np.float32(2))]
    probabilities = np.clip(np.concatenate([*around, np.float32([0.5])]), 0, 1).astype(np.float32)
    encoded = levels.encode(probabilities)
    for threshold, level in zip(thresholds, levels.THRESHOLD_LEVELS, strict=True):
        assert ((encoded >= level) == (probabilities >= threshold)).all()
    assert (levels.foreground(encoded) == (probabilities > 0.5)).all()


def test_levels_of_some_probabilities():
    probabilities = np.float32([0, 1e-9, 0.5, np.nextafter(np.float32(0.5), np.float32(1)), 1])
    assert levels.encode(probabilities).tolist() == [0, 0, 127, 128, 255]
    assert levels.foreground(levels.encode(probabilities)).tolist() == [False, False, False, True, True]


@pytest.mark.parametrize("bad", [np.float32([0.2, np.nan]), np.float32([1.5]), np.float32([-0.1])])
def test_encode_refuses_what_is_no_probability(bad):
    with pytest.raises(ValueError, match=r"must lie in 0\.\.1 and not be NaN"):
        levels.encode(bad)


def test_encode_refuses_float64():
    with pytest.raises(ValueError, match=r"must be float32.*got float64"):
        levels.encode(np.array([0.5]))


def test_compress_and_back():
    probabilities = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    stored = levels.compress(probabilities)
    assert (levels.decompress(stored, size=4) == levels.encode(probabilities)).all()
    assert (levels.decompress_low(stored, size=4) == (probabilities > np.float32(0.4))).all()
    assert levels.decompress(None, size=3).tolist() == [[0] * 3] * 3
    assert not levels.decompress_low(None, size=3).any()


def test_the_cut_at_four_tenths_is_kept_within_its_level():
    cut = np.float32(0.4)
    around = np.float32([0.398, np.nextafter(cut, np.float32(0)), cut, np.nextafter(cut, np.float32(1)), 0.4015, 0.41])
    assert set(levels.encode(around[:5]).tolist()) == {levels.LOW_LEVEL}, "a byte cannot tell them apart"
    low = levels.decompress_low(levels.compress(np.resize(around, (6, 6))), size=6)
    assert low[0].tolist() == [False, False, False, True, True, True]
    torch_says = torch.from_numpy(around) > 0.4  # upstream's comparison
    assert low[0].tolist() == torch_says.tolist()


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("value", [0.0, 0.4])
def test_decompress_refuses_another_size(size, value):
    with pytest.raises(ValueError, match=f"not one of {size} x {size} px"):
        levels.decompress(levels.compress(np.full((4, 4), value, np.float32)), size=size)


def test_decompress_refuses_damage():
    with pytest.raises(ValueError, match="the score map is damaged"):
        levels.decompress(b"not zlib", size=4)


def test_merging_stored_maps_is_storing_their_maximum():
    first, second = np.random.default_rng(3).random((2, 64, 64), np.float32)
    first[0], second[0] = np.float32(0.3995), np.float32(0.4005)  # of one level, on either side of LOW_CUT
    merged = levels.merge([levels.compress(first), levels.compress(second)], size=64)
    assert merged == levels.compress(np.maximum(first, second))
