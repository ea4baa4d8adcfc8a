import av
import numpy as np
import pytest
import soundfile
from PIL import Image
from video_example import write_video

from tgs_pipeline.data.media import read_audio
from tgs_pipeline.data.video import extract


def test_ten_frames_a_second_apart_and_ten_seconds_of_sound(tmp_path):
    extract(write_video(tmp_path / "v.mkv", seconds=12), tmp_path / "clip", start_sec=1.0)
    levels = [np.asarray(Image.open(tmp_path / "clip" / "frames" / f"{i}.jpg")).mean() for i in range(10)]
    assert np.allclose(levels, [(5 + 5 * i) * 3 for i in range(10)], atol=1)
    sound = read_audio(tmp_path / "clip" / "audio.wav", sample_rate_hz=16_000)
    assert len(sound) == 160_000 and 0.3 < np.sqrt((sound**2).mean()) < 0.4


def write_ramp(path, *, rate_hz=48_000, seconds=14):
    """Sound whose sample i has the value i of PCM16, modulo 30000."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("ffv1", rate=1)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "bgr0"
        sound = container.add_stream("pcm_s16le", rate=rate_hz, layout="mono")
        for _ in range(seconds):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(picture.encode())
        ramp = (np.arange(seconds * rate_hz) % 30_000).astype(np.int16)[None]
        for start in range(0, ramp.shape[1], 1000):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(ramp[:, start : start + 1000]), "s16", "mono")
            frame.rate, frame.pts = rate_hz, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


@pytest.mark.parametrize("start_sec", [0.0, 2.5, 4.2])
def test_the_sound_is_that_of_the_clip_and_silent_after_its_end(tmp_path, start_sec):
    extract(write_ramp(tmp_path / "v.mkv"), tmp_path / "clip", start_sec=start_sec)
    sound, rate_hz = soundfile.read(tmp_path / "clip" / "audio.wav", dtype="int16")
    wanted = np.arange(480_000) + round(start_sec * 48_000)
    assert rate_hz == 48_000
    assert np.abs(sound - np.where(wanted < 14 * 48_000, wanted % 30_000, 0)).max() <= 1


def test_a_video_without_sound_gets_no_sound_file(tmp_path):
    extract(write_video(tmp_path / "v.mkv", seconds=10, audio=False), tmp_path / "clip")
    assert not (tmp_path / "clip" / "audio.wav").exists()
    assert len(list((tmp_path / "clip" / "frames").iterdir())) == 10


def test_bad_videos_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"short\.mkv: the picture ends at 3\.0 s"):
        extract(write_video(tmp_path / "short.mkv", seconds=3), tmp_path / "clip")
    (tmp_path / "junk.mp4").write_bytes(b"no video at all" * 100)
    with pytest.raises(ValueError, match=r"junk\.mp4: cannot be decoded"):
        extract(tmp_path / "junk.mp4", tmp_path / "clip")
    with pytest.raises(ValueError, match=r"absent\.mp4: cannot be decoded"):
        extract(tmp_path / "absent.mp4", tmp_path / "clip")
    assert not (tmp_path / "clip").exists()


def test_real_clips(shared_data, tmp_path):
    for video in sorted((shared_data / "clips").glob("*.mp4")):
        extract(video, tmp_path / video.stem)
        assert len(list((tmp_path / video.stem / "frames").iterdir())) == 10
        assert len(read_audio(tmp_path / video.stem / "audio.wav", sample_rate_hz=16_000)) == 160_000
