import numpy as np
import pytest
from PIL import Image
from report.artifacts_example import write_example

from tgs_pipeline.report.picture import MASK_RGB, NamedBox, overlay, picture, strip

GREY = np.full((8, 8, 3), 100, np.uint8)
MASK = np.zeros((8, 8), bool)
MASK[2:5, 2:5] = True


def test_a_mask_is_translucent_with_an_opaque_contour():
    got = overlay(GREY, MASK, [])
    assert got.dtype == np.uint8 and got.shape == GREY.shape
    assert got[2, 2].tolist() == list(MASK_RGB)
    assert got[3, 3].tolist() == [170, 122, 55]  # .55 * 100 + .45 * (255, 149, 0)
    np.testing.assert_array_equal(got[~MASK], GREY[~MASK])
    assert (GREY == 100).all()


def test_a_box_is_white_with_a_dark_rim():
    got = overlay(GREY, np.zeros((8, 8), bool), [NamedBox((2.0, 2.0, 5.0, 5.0))])
    assert got[2, 3].tolist() == [255, 255, 255] and got[1, 3].tolist() == [0, 0, 0] and got[7, 7].tolist() == [100] * 3


def test_boxes_of_one_place_have_their_names_under_each_other():
    dark, empty = np.full((80, 120, 3), 100, np.uint8), np.zeros((80, 120), bool)
    place = (10.0, 10.0, 100.0, 70.0)
    unnamed = overlay(dark, empty, [NamedBox(place), NamedBox(place)])
    named = overlay(dark, empty, [NamedBox(place, "man"), NamedBox(place, "guitar")])
    rows = np.flatnonzero((unnamed != named).any(axis=(1, 2)))
    assert rows.min() <= 11 and rows.max() - rows.min() > 15 + 10  # two lines of letters
    at_the_edge = overlay(dark, empty, [NamedBox((110.0, 75.0, 119.0, 79.0), "a very long name " * 2)])
    assert at_the_edge.shape == dark.shape and (at_the_edge[66:, :10] == 0).any()


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"the mask is \(height, width\) \(4, 4\), but the frame is \(8, 8\)"):
        overlay(GREY, MASK[:4, :4], [])


def test_a_strip_has_its_frames_and_wrapped_text():
    short = strip([GREY] * 3, [MASK] * 3, [[]] * 3, captions=[])
    assert short.size == (3 * 8 + 2 * 6, 8 + 6)
    wide = np.full((60, 200, 3), 100, np.uint8)
    image = strip([wide], [np.zeros((60, 200), bool)], [[]], captions=["one line", "two lines " * 4])
    assert image.width == 200 and image.height == 60 + 6 + 3 * 22
    assert np.asarray(image)[66:].min() < 100  # ink
    with pytest.raises(ValueError, match="at least one frame"):
        strip([], [], [], captions=[])


def test_a_picture_of_samples_of_all_kinds(tmp_path):
    workspace = write_example(tmp_path)
    path = tmp_path / "docs" / "picture.png"
    picture(workspace, path, rows=[5, 0, 2, 6], num_frames=4)
    first = path.read_bytes()
    picture(workspace, path, rows=[5, 0, 2, 6], num_frames=4)
    assert path.read_bytes() == first
    assert Image.open(path).width == 4 * 48 + 3 * 6 + 2 * 24
    with pytest.raises(ValueError, match=r"holds no rows \[77\]"):
        picture(workspace, path, rows=[0, 77])
    with pytest.raises(ValueError, match=r"gone_dog_7 \(row 7\): has no frames"):
        picture(workspace, path, rows=[7])
