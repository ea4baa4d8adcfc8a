"""The sound of every category: one pulse, or a steady noise, synthesised from sines and filtered noise.

Each timbre differs from all others in at least two of: band of frequencies, harmonic structure, envelope, movement.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

PulseTimbre = Callable[[np.random.Generator, int, float, int, float], np.ndarray]
SteadyTimbre = Callable[[np.random.Generator, int, int, float], np.ndarray]


def _times(num_samples: int, sample_rate_hz: int) -> np.ndarray:
    return np.arange(num_samples, dtype=np.float32) / np.float32(sample_rate_hz)


def _tone(frequency_hz: np.ndarray | float, times: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """A sine whose frequency may vary from sample to sample."""
    if isinstance(frequency_hz, np.ndarray):
        phase = np.cumsum(frequency_hz / sample_rate_hz, dtype=np.float64)
        return np.sin(2 * np.pi * (phase % 1.0)).astype(np.float32)
    return np.sin(np.float32(2 * np.pi * frequency_hz) * times)


def _band_noise(rng: np.random.Generator, num: int, low_hz: float, high_hz: float, sample_rate_hz: int) -> np.ndarray:
    """Gaussian noise of unit power between two frequencies, with soft edges."""
    size = 1 << max(4, (num - 1).bit_length())
    frequencies = np.fft.rfftfreq(size, 1 / sample_rate_hz)
    gain = np.clip((frequencies - low_hz * 0.8) / (low_hz * 0.2 + 1), 0, 1)
    gain *= np.clip((high_hz * 1.2 - frequencies) / (high_hz * 0.2), 0, 1)
    spectrum = gain * np.exp(2j * np.pi * rng.random(len(frequencies)))
    noise = np.fft.irfft(spectrum, size)[:num]
    return (noise / (np.sqrt(np.mean(noise**2)) + 1e-9)).astype(np.float32)


def _harmonics(base_hz: np.ndarray | float, weights: list[float], times: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    total = np.zeros_like(times)
    for number, weight in enumerate(weights, start=1):
        total += np.float32(weight) * _tone(base_hz * number, times, sample_rate_hz)
    return total


def _attack(times: np.ndarray, seconds: float) -> np.ndarray:
    return np.minimum(1.0, times / seconds, dtype=np.float32)


def _guitar(rng: np.random.Generator, rate: int, pitch: float, num: int, step: float) -> np.ndarray:
    times = _times(num, rate)
    base = 98.0 * pitch * (1.0, 1.335, 1.498, 1.782)[int(step) % 4]
    total = np.zeros_like(times)
    for number in range(1, 13):
        decay = np.exp(-times * (1.5 + 0.55 * number))
        total += decay * _tone(base * number * (1 + 0.0004 * number**2), times, rate) / number**0.7
    return total * _attack(times, 0.004)


def _piano(rng: np.random.Generator, rate: int, pitch: float, num: int, step: float) -> np.ndarray:
    times = _times(num, rate)
    total = np.zeros_like(times)
    root = 523.0 * pitch * (1.0, 1.122, 0.891, 1.335)[int(step) % 4]
    for ratio in (1.0, 1.26, 1.5):
        total += _harmonics(root * ratio, [1.0, 0.28, 0.1], times, rate)
    return total * np.exp(-times * 3.2) * _attack(times, 0.006)


def _drum(rng: np.random.Generator, rate: int, pitch: float, num: int, step: float) -> np.ndarray:
    times = _times(num, rate)
    sweep = (62.0 + 95.0 * np.exp(-times * 28)) * pitch
    skin = _tone(sweep, times, rate) * np.exp(-times * 11)
    hit = _band_noise(rng, num, 150, 900, rate) * np.exp(-times * 60)
    return skin + 0.4 * hit


def _trumpet(rng: np.random.Generator, rate: int, pitch: float, num: int, step: float) -> np.ndarray:
    times = _times(num, rate)
    note = 311.0 * pitch * (1.0, 1.26, 1.498, 1.26)[int(step) % 4]
    vibrato = note * (1 + 0.008 * np.sin(2 * np.pi * 5.5 * times))
    brass = _harmonics(vibrato.astype(np.float32), [0.55, 0.8, 1.0, 0.95, 0.8, 0.65, 0.5, 0.36, 0.25], times, rate)
    return brass * _attack(times, 0.05) * _attack(times[::-1], 0.04)


def _dog(rng: np.random.Generator, rate: int, pitch: float, num: int, step: float) -> np.ndarray:
    num = min(num, int(0.2 * rate))
    times = _times(num, rate)
    falling = (420.0 * np.exp(-times * 4.5)) * pitch
    throat = _harmonics(falling.astype(np.float32), [0.7, 1.0, 0.9, 0.5, 0.25], times, rate)
    rough = _band_noise(rng, num, 500, 1500, rate)
    return (throat + 0.8 * rough) * _attack(times, 0.012) * np.exp(-times * 9)


def _cat(rng: np.random.Generator, rate: int, pitch: float, num: int, step: float) -> np.ndarray:
    num = min(num, int(0.7 * rate))
    times = _times(num, rate)
    phase = times / times[-1]
    glide = pitch * (620.0 + 420.0 * np.sin(np.pi * phase**0.7))
    meow = _harmonics(glide.astype(np.float32), [0.5, 1.0, 0.55, 0.2], times, rate)
    return meow * np.abs(np.sin(np.pi * phase)) ** 0.7


def _bird(rng: np.random.Generator, rate: int, pitch: float, num: int, step: float) -> np.ndarray:
    length = min(num // 3, int(0.08 * rate))
    times = _times(length, rate)
    phase = times / times[-1]
    sweep = pitch * (3200.0 + 2300.0 * phase)
    chirp = _tone(sweep.astype(np.float32), times, rate) * np.sin(np.pi * phase)
    return np.concatenate([chirp, chirp, chirp])


def _sheep(rng: np.random.Generator, rate: int, pitch: float, num: int, step: float) -> np.ndarray:
    num = min(num, int(0.75 * rate))
    times = _times(num, rate)
    tremble = np.sin(2 * np.pi * 9.0 * times)
    base = pitch * 245.0 * (1 + 0.05 * tremble)
    bleat = _harmonics(base.astype(np.float32), [0.2, 0.35, 0.6, 1.0, 1.0, 0.6, 0.8, 0.4, 0.2], times, rate)
    return bleat * (0.6 + 0.4 * tremble) * np.abs(np.sin(np.pi * times / times[-1])) ** 0.5


def _train(rng: np.random.Generator, rate: int, pitch: float, num: int, step: float) -> np.ndarray:
    times = _times(num, rate)
    steam = _band_noise(rng, num, 900, 2600, rate) * np.exp(-times * 7) * _attack(times, 0.03)
    whistle = sum(_tone(pitch * tone, times, rate) for tone in (349.0, 415.0, 494.0))
    return steam + (0.3 * whistle if int(step) % 4 == 0 else 0.0)


def _clock(rng: np.random.Generator, rate: int, pitch: float, num: int, step: float) -> np.ndarray:
    num = min(num, int(0.1 * rate))
    times = _times(num, rate)
    ring = (2350.0 if int(step) % 2 else 1750.0) * pitch
    click = 0.6 * _band_noise(rng, num, 2000, 6500, rate) * np.exp(-times * 90)
    return (click + _tone(ring, times, rate) * np.exp(-times * 40)) * _attack(times, 0.003)


def _telephone(rng: np.random.Generator, rate: int, pitch: float, num: int, step: float) -> np.ndarray:
    num = int(num * 0.72)
    times = _times(num, rate)
    trill = np.where(np.sin(2 * np.pi * 22.0 * times) > 0, 1.0, 0.25).astype(np.float32)
    bells = _tone(1480.0 * pitch, times, rate) + 0.8 * _tone(1870.0 * pitch, times, rate)
    bells += 0.35 * _tone(4630.0 * pitch, times, rate)
    return bells * trill * _attack(times, 0.01) * _attack(times[::-1], 0.02)


def _car(rng: np.random.Generator, num: int, rate: int, pitch: float) -> np.ndarray:
    times = _times(num, rate)
    rev = pitch * (44.0 + 7.0 * np.sin(2 * np.pi * 0.4 * times + rng.uniform(0, 6)))
    engine = _harmonics(rev.astype(np.float32), [0.6, 1.0, 0.9, 0.7, 0.6, 0.4, 0.3, 0.2], times, rate)
    return engine + 0.35 * _band_noise(rng, num, 60, 320, rate)


def _hair_dryer(rng: np.random.Generator, num: int, rate: int, pitch: float) -> np.ndarray:
    times = _times(num, rate)
    hum = _harmonics(235.0 * pitch, [0.25, 0.12, 0.2], times, rate)
    return _band_noise(rng, num, 1600, 6200, rate) + hum


def _helicopter(rng: np.random.Generator, num: int, rate: int, pitch: float) -> np.ndarray:
    times = _times(num, rate)
    blade = (times * 12.5 * pitch) % 1.0
    return _band_noise(rng, num, 120, 800, rate) * np.exp(-3.5 * blade).astype(np.float32)


PULSES: Mapping[str, PulseTimbre] = MappingProxyType(
    {
        "bird": _bird,
        "cat": _cat,
        "clock": _clock,
        "dog": _dog,
        "drum": _drum,
        "guitar": _guitar,
        "piano": _piano,
        "sheep": _sheep,
        "telephone": _telephone,
        "train": _train,
        "trumpet": _trumpet,
    }
)
STEADY: Mapping[str, SteadyTimbre] = MappingProxyType(
    {"car": _car, "hair-dryer": _hair_dryer, "helicopter": _helicopter}
)
