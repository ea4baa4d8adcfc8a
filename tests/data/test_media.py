import numpy as np
import pyarrow as pa
import pytest
import soundfile
from PIL import Image

from tgs_pipeline.data import media


@pytest.fixture
def jpeg(tmp_path):
    path = tmp_path / "0.jpg"
    Image.fromarray(np.arange(64 * 48 * 3, dtype=np.uint8).reshape(64, 48, 3)).save(path)
    return path


def test_frames_are_rgb_whatever_is_stored(tmp_path, jpeg):
    assert media.read_image(jpeg).shape == (64, 48, 3) and media.image_size(jpeg) == (64, 48)
    Image.new("L", (3, 2), 7).save(tmp_path / "grey.png")
    assert media.read_image(tmp_path / "grey.png").tolist() == [[[7, 7, 7]] * 3] * 2
    assert media.read_mask(tmp_path / "grey.png").tolist() == [[7] * 3] * 2


def test_bad_images_are_named(tmp_path, jpeg, monkeypatch):
    with pytest.raises(ValueError, match=r"absent\.jpg: no such file"):
        media.read_image(tmp_path / "absent.jpg")
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.jpg: not a readable JPEG or PNG image"):
        media.read_image(tmp_path / "text.jpg")
    (tmp_path / "cut.jpg").write_bytes(jpeg.read_bytes()[:-400])
    with pytest.raises(ValueError, match=r"cut\.jpg: the image is truncated or corrupt"):
        media.read_image(tmp_path / "cut.jpg")
    monkeypatch.setattr(media, "MAX_IMAGE_PX", 1000)
    with pytest.raises(ValueError, match=r"48 x 64 px is over the limit"):
        media.read_image(jpeg)


def test_images_travel_through_tables(jpeg, tmp_path):
    hashes = [media.content_hash(jpeg), "0" * 32, media.content_hash(jpeg), "0" * 32]
    units = pa.table({"path": ["0.jpg", "absent.jpg", "0.jpg", "0.jpg"], "frame_hash": hashes})
    loaded = media.load_frames(units, root=tmp_path)
    first, absent, again, changed = loaded["reason"].to_pylist()
    assert first is None and again is None and "absent.jpg: no such file" in absent
    assert "0.jpg: has changed since the manifest was made" in changed
    images = media.to_images(loaded["image"].take([0, 2]))
    assert all(np.array_equal(image, media.read_image(jpeg)) for image in images)


def test_sound_is_mono_at_the_wanted_rate(tmp_path):
    time_sec = np.arange(48_000) / 48_000
    tone = np.sin(2 * np.pi * 440 * time_sec).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, np.zeros_like(tone)], axis=1), 48_000)
    sound = media.read_audio(tmp_path / "a.wav", sample_rate_hz=16_000)
    assert sound.dtype == np.float32 and sound.shape == (16_000,)
    expected = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000) / 2
    assert np.abs(sound - expected)[200:-200].max() < 1e-3


def test_bad_sounds_are_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"absent\.wav: no such file"):
        media.read_audio(tmp_path / "absent.wav", sample_rate_hz=16_000)
    (tmp_path / "junk.wav").write_bytes(b"RIFFjunk")
    with pytest.raises(ValueError, match=r"junk\.wav: not a readable sound file"):
        media.read_audio(tmp_path / "junk.wav", sample_rate_hz=16_000)
    (tmp_path / "zero.wav").write_bytes(b"")
    with pytest.raises(ValueError, match=r"zero\.wav"):
        media.read_audio(tmp_path / "zero.wav", sample_rate_hz=16_000)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 16_000)
    with pytest.raises(ValueError, match=r"empty\.wav: the sound file is empty"):
        media.read_audio(tmp_path / "empty.wav", sample_rate_hz=16_000)
    soundfile.write(tmp_path / "nan.wav", np.full(10, np.nan, np.float32), 16_000, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"nan\.wav: the sound file holds NaN"):
        media.read_audio(tmp_path / "nan.wav", sample_rate_hz=16_000)
    soundfile.write(tmp_path / "long.wav", np.zeros(32_000, np.float32), 16_000)
    monkeypatch.setattr(media, "MAX_AUDIO_SEC", 1)
    with pytest.raises(ValueError, match=r"long\.wav: 2 s of sound, the limit is 1 s"):
        media.read_audio(tmp_path / "long.wav", sample_rate_hz=16_000)


def test_a_header_that_promises_too_much_is_refused(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "wide.wav", np.zeros((100, 8), np.float32), 16_000)
    monkeypatch.setattr(media, "MAX_SOUND_SAMPLES", 799)
    with pytest.raises(ValueError, match=r"wide\.wav: 8 channels at 16000 Hz are 800 samples, the limit is 799"):
        media.read_audio(tmp_path / "wide.wav", sample_rate_hz=16_000)


def test_other_formats_are_not_even_opened(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg", format="BMP")
    with pytest.raises(ValueError, match=r"a\.jpg: not a readable JPEG or PNG"):
        media.read_image(tmp_path / "a.jpg")
