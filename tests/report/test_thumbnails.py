import base64
import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from tgs_pipeline.metrics import rle
from tgs_pipeline.report import thumbnails

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(160_000) / 16_000)).astype(np.float32)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(720, 1280, (126, 224)), (100, 50, (100, 50)), (0, 0, (1, 1)), (1, 9000, (1, 224))]
)
def test_thumbnails_are_never_enlarged(height, width, size):
    assert thumbnails.size_of(height, width, width_px=224) == size


def test_jpeg_shows_the_frame_at_the_size():
    frame = np.full((40, 80, 3), (200, 30, 90), np.uint8)
    image = Image.open(io.BytesIO(base64.b64decode(thumbnails.jpeg(frame, (10, 20)))))
    assert (image.format, image.size) == ("JPEG", (20, 10))
    assert np.abs(np.asarray(image).astype(int) - (200, 30, 90)).max() < 6


def test_a_mask_pixel_is_set_where_half_its_area_is():
    mask = np.zeros((4, 4), bool)
    mask[:, :1] = True  # half of the left column of the thumbnail
    mask[3, 2] = True  # a quarter of its lower right pixel
    counts = thumbnails.run_lengths(mask, (2, 2)).encode()
    np.testing.assert_array_equal(rle.decode(counts, height=2, width=2), [[True, False], [True, False]])


def test_run_lengths_at_full_size_are_the_mask():
    mask = np.random.default_rng(0).random((13, 17)) > 0.5
    counts = thumbnails.run_lengths(mask, (13, 17)).encode()
    np.testing.assert_array_equal(rle.decode(counts, height=13, width=17), mask)


def test_mp3_holds_the_sound_and_is_the_same_every_time():
    text = thumbnails.mp3(TONE)
    assert text == thumbnails.mp3(TONE)
    sound, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(text)))
    assert rate_hz == 16_000 and abs(len(sound) - 160_000) < 3000
    spectrum = np.abs(np.fft.rfft(sound[:16_000]))
    assert abs(spectrum.argmax() - 440) <= 1
    assert len(text) < 100_000


def test_peaks_are_the_extremes_of_each_part():
    sound = np.concatenate([np.full(200, 0.5), np.full(200, -1.5)]).astype(np.float32)  # one sample for each part
    pairs = np.frombuffer(base64.b64decode(thumbnails.peaks(sound)), np.int8).reshape(-1, 2)
    assert pairs.shape == (thumbnails.NUM_PEAKS, 2)
    assert pairs[0].tolist() == [64, 64] and pairs[-1].tolist() == [-127, -127]
    assert np.frombuffer(base64.b64decode(thumbnails.peaks(sound[:3])), np.int8).shape == (800,)
