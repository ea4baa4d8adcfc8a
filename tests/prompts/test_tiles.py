import numpy as np
import pytest

from tgs_pipeline.prompts.tiles import CIRCLE, describe_layout, tile
from tgs_pipeline.prompts.visible_boxes import COLOURS, VisibleBox

GREY = [np.full((60, 80, 3), 40 * number, np.uint8) for number in range(1, 6)]


def has(picture, colour):
    return (np.abs(picture.astype(int) - np.array(colour)).max(axis=-1) < 8).any()


@pytest.mark.parametrize(("columns", "tiles_wide", "tiles_high"), [(5, 5, 1), (1, 1, 5), (3, 3, 2), (9, 5, 1)])
def test_frames_stand_in_reading_order(columns, tiles_wide, tiles_high):
    picture = tile(GREY, columns=columns, tile_width_px=80, boxes={})
    assert picture.shape == (60 * tiles_high, 80 * tiles_wide, 3) and picture.dtype == np.uint8
    for number, frame in enumerate(GREY):
        row, column = divmod(number, tiles_wide)
        one = picture[row * 60 : row * 60 + 60, column * 80 : column * 80 + 80]
        assert (one[-1, -1] == frame[0, 0]).all() and has(one[:24, :24], CIRCLE)


def test_frames_are_shrunk_never_enlarged_and_take_the_shape_of_the_first():
    frames = [np.zeros((60, 80, 3), np.uint8), np.zeros((120, 90, 3), np.uint8)]
    assert tile(frames, columns=2, tile_width_px=40, boxes={}).shape == (30, 80, 3)
    assert tile(frames, columns=2, tile_width_px=500, boxes={}).shape == (60, 160, 3)


def test_boxes_are_painted_in_their_colours_on_their_frame():
    boxes = [VisibleBox((0.1, 0.3, 0.5, 0.9), None), VisibleBox((0.6, 0.2, 1.2, 1.1), None)]
    frames = [np.zeros((120, 160, 3), np.uint8)] * 2
    picture = tile(frames, columns=2, tile_width_px=160, boxes={2: boxes})
    first, second = picture[:, :160], picture[:, 160:]
    green, magenta = COLOURS[0][1], COLOURS[1][1]
    assert not has(first, green) and not has(first, magenta)
    assert tuple(second[50, 16]) == green and tuple(second[36, 50]) == green
    assert tuple(second[50, 96]) == magenta and tuple(second[24, 120]) == magenta
    assert has(second[-20:, -20:], magenta)  # what reaches out of the frame is drawn on its edge


def test_numbers_differ():
    frames = [np.zeros((200, 200, 3), np.uint8)] * 12
    picture = tile(frames, columns=12, tile_width_px=200, boxes={})
    circles = [picture[:, low : low + 60].tobytes() for low in range(0, 2400, 200)]
    assert len(set(circles)) == 12


def test_the_same_input_gives_the_same_pixels():
    boxes = {1: [VisibleBox((0.5, 0.5, 0.1, 0.1), "x")]}  # corners in any order
    one, other = (tile(GREY, columns=5, tile_width_px=80, boxes=boxes) for _ in range(2))
    assert (one == other).all()


@pytest.mark.parametrize(
    ("frames", "boxes", "reason"),
    [
        ([], {}, "at least one frame"),
        (GREY, {0: [], 6: []}, r"boxes for frames \[0, 6\]"),
        (GREY, {1: [VisibleBox((0, 0, 1, 1), None)] * 7}, "7 boxes cannot be told apart"),
    ],
)
def test_what_cannot_be_drawn_is_told(frames, boxes, reason):
    with pytest.raises(ValueError, match=reason):
        tile(frames, columns=5, tile_width_px=80, boxes=boxes)


@pytest.mark.parametrize(
    ("num_frames", "columns", "text"),
    [
        (1, 5, "one frame"),
        (5, 5, "5 frames of a video, from left to right"),
        (5, 1, "5 frames of a video, from top to bottom"),
        (10, 5, "row by row from left to right: 1 to 5, then 6 to 10"),
        (7, 5, "row by row from left to right: 1 to 5, then 6 to 7"),
    ],
)
def test_the_layout_in_words(num_frames, columns, text):
    assert text in describe_layout(num_frames, columns=columns)
