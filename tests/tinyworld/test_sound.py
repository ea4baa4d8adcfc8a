from itertools import pairwise

import numpy as np
import pytest
from tinyworld.samples import clips, make_object, make_scene, make_voice

from tgs_pipeline.tinyworld.categories import CATEGORIES, SOUNDING
from tgs_pipeline.tinyworld.scene import Scene
from tgs_pipeline.tinyworld.sound import LOUDNESS_STEP, PEAK, measure_loudness, render_sound, render_voice

RATE = 16000


def _voice_of(category, rng, loudness=3):
    pulse_hz = float(rng.choice([1, 2, 4])) if CATEGORIES[category].has_rhythm else None
    return make_voice(2, 5, loudness=loudness, pulse_hz=pulse_hz)


def test_soundtracks_last_ten_seconds_and_do_not_clip():
    for clip in clips():
        for waveform in (clip.waveform, clip.null_waveform):
            if waveform is not None:
                assert (waveform.shape, waveform.dtype) == ((10 * RATE,), np.float32)
                assert np.abs(waveform).max() <= PEAK + 1e-6


def test_sound_happens_within_its_events():
    voice = make_voice(2, 5)
    track = render_voice("guitar", voice, sample_rate_hz=RATE, rng=np.random.default_rng(0))
    seconds = np.sqrt(np.mean(track.reshape(10, RATE) ** 2, axis=1))
    assert np.flatnonzero(seconds > 1e-3).tolist() == [2, 3, 4]


@pytest.mark.parametrize("category", SOUNDING)
def test_levels_are_loudness(category):
    loudness = []
    for level in (1, 2, 3, 4):
        rng = np.random.default_rng(1)
        track = render_voice(category, _voice_of(category, rng, level), sample_rate_hz=RATE, rng=rng)
        loudness.append(measure_loudness(track, sample_rate_hz=RATE))
    assert [b / a for a, b in pairwise(loudness)] == pytest.approx([LOUDNESS_STEP] * 3, rel=1e-3)


def test_the_louder_of_two_is_louder_in_the_mix():
    scene = make_scene(
        make_object(0, "dog", voice=make_voice(0, 4, loudness=1)),
        make_object(1, "trumpet", voice=make_voice(6, 10, loudness=4)),
    )
    mix = render_sound(scene, sample_rate_hz=RATE, rng=np.random.default_rng(0))
    quiet, loud = (measure_loudness(mix[a * RATE : b * RATE], sample_rate_hz=RATE) for a, b in ((0, 4), (6, 10)))
    assert loud > 4 * quiet > 0.05


def test_pulses_come_at_their_rate():
    for pulse_hz in (1.0, 2.0, 4.0):
        voice = make_voice(0, 8, pulse_hz=pulse_hz)
        track = render_voice("drum", voice, sample_rate_hz=RATE, rng=np.random.default_rng(0))
        envelope = np.sqrt(np.mean(track.reshape(-1, 400) ** 2, axis=1))
        onsets = np.flatnonzero((envelope[1:] > 0.3 * envelope.max()) & (envelope[:-1] <= 0.3 * envelope.max()))
        assert abs(len(onsets) - 8 * pulse_hz) <= 1


def test_timbres_are_told_apart_by_their_spectra():
    """Nearest centroid on log band energies of three seconds in noise; half of the examples make the centroids."""
    edges = np.unique(np.geomspace(1, 200, 25).astype(int))
    features = {}
    for category in SOUNDING:
        rows = []
        for seed in range(8):
            rng = np.random.default_rng([2, seed])
            track = render_voice(category, _voice_of(category, rng), sample_rate_hz=RATE, rng=rng)
            piece = track[2 * RATE : 5 * RATE] + 0.0015 * rng.standard_normal(3 * RATE)
            power = np.abs(np.fft.rfft(piece.reshape(-1, 400) * np.hanning(400), axis=1)) ** 2
            bands = np.log(np.add.reduceat(power, edges[:-1], axis=1) + 1e-4)
            bands -= bands.max()
            rows.append(np.concatenate([np.percentile(bands, 90, axis=0), bands.mean(axis=0), bands.std(axis=0)]))
        features[category] = np.array(rows)
    centroids = np.array([features[category][:4].mean(axis=0) for category in SOUNDING])
    right = [
        SOUNDING[((centroids - row) ** 2).sum(axis=1).argmin()] == category
        for category in SOUNDING
        for row in features[category][4:]
    ]
    assert np.mean(right) > 0.95


def test_an_unseen_voice_is_heard():
    scene = Scene((make_object(0, "lamp"),), (("train", make_voice(3, 6, loudness=4)),))
    mix = render_sound(scene, sample_rate_hz=RATE, rng=np.random.default_rng(0))
    assert measure_loudness(mix[3 * RATE : 6 * RATE], sample_rate_hz=RATE) > 0.05


def test_what_makes_no_sound_is_refused():
    with pytest.raises(ValueError, match="no sound for 'lamp'"):
        render_voice("lamp", make_voice(0, 2), sample_rate_hz=RATE, rng=np.random.default_rng(0))
