import pytest

from tgs_pipeline.grounding.windows import windows


@pytest.mark.parametrize(
    ("num_frames", "step", "expected"),
    [
        (5, 1, [(0, 1, 2, 3, 4)]),
        (7, 1, [(0, 1, 2, 3, 4), (5, 6)]),
        (6, 1, [(0, 1, 2, 3, 4)]),  # a tail of one frame is dropped
        (1, 1, [(0,)]),
        (12, 2, [(0, 2, 4, 6, 8)]),
        (14, 2, [(0, 2, 4, 6, 8), (10, 12)]),
        (3, 5, [(0,)]),
    ],
)
def test_every_stepth_frame_in_windows(num_frames, step, expected):
    assert windows(num_frames, frames_per_window=5, step=step) == expected


@pytest.mark.parametrize("numbers", [(0, 5, 1), (5, 0, 1), (5, 5, 0)])
def test_numbers_must_be_positive(numbers):
    num_frames, frames_per_window, step = numbers
    with pytest.raises(ValueError, match="expected positive numbers"):
        windows(num_frames, frames_per_window=frames_per_window, step=step)
