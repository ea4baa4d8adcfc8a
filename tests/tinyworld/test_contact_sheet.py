import numpy as np
from tinyworld.samples import clips

from tgs_pipeline.tinyworld.contact_sheet import draw_contact_sheet


def test_two_clips_in_a_row():
    one, three = draw_contact_sheet(clips()[:1]), draw_contact_sheet(clips()[:3])
    assert three.size == (one.width, 2 * one.height)
    assert one.width > 2 * 4 * 224
    assert np.asarray(one).std() > 20


def test_no_clips():
    assert draw_contact_sheet([]).mode == "RGB"
