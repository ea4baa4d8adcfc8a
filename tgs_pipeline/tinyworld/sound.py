"""From a scene to its soundtrack: every voice is rendered, brought to its loudness level and added to a faint noise."""

import numpy as np

from tgs_pipeline.tinyworld.scene import DURATION_SEC, Scene, SoundEvent, Voice
from tgs_pipeline.tinyworld.timbres import PULSES, STEADY

LOUDNESS_STEP = 1.8  # ratio of two neighbouring levels (5.1 dB)
LOUDEST_RMS = 0.14  # of level 4, over the loudest window
PEAK = 0.95
_TOP_LEVEL = 4
_WINDOW_SEC = 0.125
_FADE_SEC = 0.02
_BACKGROUND_RMS = (0.0006, 0.002)


def render_sound(scene: Scene, *, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Mix the soundtrack of a scene: float32 mono (DURATION_SEC * sample_rate_hz,), within [-PEAK, PEAK].

    Where the sum would exceed PEAK all of it is scaled down, which keeps the ratios between voices.
    """
    num_samples = round(DURATION_SEC * sample_rate_hz)
    mix = rng.standard_normal(num_samples, dtype=np.float32) * np.float32(rng.uniform(*_BACKGROUND_RMS))
    voices = [(item.category, item.voice) for item in scene.sounding() if item.voice is not None]
    for category, voice in [*voices, *scene.unseen_voices]:
        mix += render_voice(category, voice, sample_rate_hz=sample_rate_hz, rng=rng)
    peak = float(np.abs(mix).max())
    return mix * np.float32(PEAK / peak) if peak > PEAK else mix


def render_voice(category: str, voice: Voice, *, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Render what one object makes heard: float32 mono over the whole clip, silent outside its events.

    Its loudness, the RMS of the loudest window of _WINDOW_SEC, is LOUDEST_RMS * LOUDNESS_STEP ** (level - 4).
    Raises ValueError for a category that makes no sound.
    """
    track = np.zeros(round(DURATION_SEC * sample_rate_hz), np.float32)
    for event in voice.events:
        start, stop = round(event.onset_sec * sample_rate_hz), round(event.offset_sec * sample_rate_hz)
        track[start:stop] = _render_event(category, voice, event, sample_rate_hz, rng)
    target = LOUDEST_RMS * LOUDNESS_STEP ** (voice.loudness - _TOP_LEVEL)
    return track * np.float32(target / (measure_loudness(track, sample_rate_hz=sample_rate_hz) + 1e-9))


def measure_loudness(waveform: np.ndarray, *, sample_rate_hz: int) -> float:
    """Return the largest RMS over windows of _WINDOW_SEC of a mono waveform."""
    window = round(_WINDOW_SEC * sample_rate_hz)
    whole = len(waveform) // window * window
    power = np.mean(np.square(waveform[:whole].reshape(-1, window)), axis=1)
    return float(np.sqrt(power.max()))


def _render_event(
    category: str, voice: Voice, event: SoundEvent, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    num_samples = round((event.offset_sec - event.onset_sec) * sample_rate_hz)
    if category in STEADY:
        sound = STEADY[category](rng, num_samples, sample_rate_hz, voice.pitch)
    elif category in PULSES and voice.pulse_hz is not None:
        sound = _render_pulses(category, voice.pulse_hz, voice.pitch, num_samples, sample_rate_hz, rng)
    else:
        raise ValueError(f"no sound for {category!r} with pulse_hz={voice.pulse_hz}: see timbres.PULSES and STEADY")
    fade = np.linspace(0, 1, round(_FADE_SEC * sample_rate_hz), dtype=np.float32)
    sound[-len(fade) :] *= fade[::-1]
    return sound


def _render_pulses(
    category: str, pulse_hz: float, pitch: float, num_samples: int, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """Repeat a timbre's pulse; each of four steps of its melody is synthesised once."""
    period = round(sample_rate_hz / pulse_hz)
    pulses = [PULSES[category](rng, sample_rate_hz, pitch, period, step) for step in range(4)]
    sound = np.zeros(num_samples, np.float32)
    for step, start in enumerate(range(0, num_samples, period)):
        pulse = pulses[step % 4][: num_samples - start]
        sound[start : start + len(pulse)] = pulse
    return sound
