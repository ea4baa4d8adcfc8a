import numpy as np
import pytest

from tgs_pipeline.data.fbank import log_mel, second_log_mels, segment_log_mels, unscaled_log_mel


def kaldi_log_mel(waveform: np.ndarray, *, num_bins: int, exponent: float) -> np.ndarray:
    """kaldi's filter banks, written down from the definition in float64; exponent: of the Hanning window."""
    wave = waveform.astype(np.float64)
    num_frames = 1 + (len(wave) - 400) // 160
    frames = np.stack([wave[160 * index : 160 * index + 400] for index in range(num_frames)])
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** exponent
    power = np.abs(np.fft.rfft((frames - 0.97 * before) * window, n=512)) ** 2

    def mel(hz):
        return 1127 * np.log(1 + hz / 700)

    edges = np.linspace(mel(20), mel(8000), num_bins + 2)
    bins = mel(np.arange(257) * 16000 / 512)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bank = np.clip(np.minimum(rising, falling), 0, None)
    return np.log(np.maximum(power @ bank.T, np.finfo(np.float32).eps))


def sounds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    time = np.arange(16000) / 16000
    return {
        "noise": rng.standard_normal(16000) / 10,
        # With noise, because kaldi's float32 loses what lies more than about 60 dB below the loudest partial.
        "tone": 0.5 * np.sin(2 * np.pi * 440 * time) + 1e-2 * rng.standard_normal(16000),
        "sweep": 0.3 * np.sin(2 * np.pi * (100 + 3500 * time) * time) + 1e-2 * rng.standard_normal(16000),
    }


@pytest.mark.parametrize("name", ["noise", "tone", "sweep"])
def test_equals_the_definition_of_kaldi(name):
    waveform = sounds()[name].astype(np.float32)
    found = log_mel(waveform)
    assert found.shape == (98, 128) and found.dtype == np.float32
    expected = (kaldi_log_mel(waveform * 2**15, num_bins=128, exponent=0.85) - 15.41663) / (2 * 6.55582)
    assert np.abs(found - expected).max() < 1e-3


@pytest.mark.parametrize("name", ["noise", "tone", "sweep"])
def test_for_languagebind_samples_are_not_scaled_and_the_window_is_hannings(name):
    waveform = sounds()[name].astype(np.float32)
    found = unscaled_log_mel(waveform, num_mel_bins=112)
    assert found.shape == (98, 112) and found.dtype == np.float32
    assert np.abs(found - kaldi_log_mel(waveform, num_bins=112, exponent=1.0)).max() < 2e-2


def test_silence_is_the_floor():
    floor = (np.log(np.finfo(np.float32).eps) - 15.41663) / (2 * 6.55582)
    assert np.allclose(log_mel(np.zeros(16000, np.float32)), floor, atol=1e-5)


def test_is_the_same_every_time():
    waveform = sounds()["noise"].astype(np.float32)
    assert np.array_equal(log_mel(waveform), log_mel(waveform))


def test_too_short_is_refused():
    with pytest.raises(ValueError, match="399 samples of sound are too short"):
        log_mel(np.zeros(399, np.float32))


def test_segments_are_the_tenths_of_the_clip():
    clip = np.random.default_rng(1).standard_normal(160_000).astype(np.float32) / 10
    found = segment_log_mels(clip)
    assert found.shape == (10, 98, 128)
    assert np.array_equal(found[3], log_mel(clip[48_000:64_000]))


@pytest.mark.parametrize(("num_samples", "num_frames"), [(158_400, 97), (161_600, 99)])
def test_clips_of_almost_ten_seconds_have_segments_of_a_tenth(num_samples, num_frames):
    clip = np.random.default_rng(1).standard_normal(num_samples).astype(np.float32)
    found = segment_log_mels(clip)
    assert found.shape == (10, num_frames, 128)
    length = num_samples // 10
    assert np.array_equal(found[9], log_mel(clip[9 * length : 10 * length]))


@pytest.mark.parametrize("seconds", [3, 9.85, 10.15, 30])
def test_clips_of_other_lengths_are_refused(seconds):
    with pytest.raises(ValueError, match=rf"{seconds:.2f} s of sound, expected 10 s \(within 0.1 s\)"):
        segment_log_mels(np.zeros(int(seconds * 16_000), np.float32))


@pytest.mark.parametrize(
    ("num_samples", "num_frames"),
    [(48_000, [98] * 3), (55_999, [98, 98, 148]), (56_000, [98, 98, 98, 48]), (7_000, [42])],
)
def test_seconds_of_a_clip_of_any_length(num_samples, num_frames):
    """A rest of less than half a second lies in the last one."""
    waveform = np.random.default_rng(0).normal(size=num_samples).astype(np.float32)
    found = second_log_mels(waveform)
    assert [len(mel) for mel in found] == num_frames
    assert np.array_equal(found[0][:42], log_mel(waveform[:16_000])[:42])


def test_sound_too_short_for_a_second():
    with pytest.raises(ValueError, match="399 samples of sound are too short"):
        second_log_mels(np.zeros(399, np.float32))
