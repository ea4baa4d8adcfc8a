import math

import numpy as np
import pytest
import torch
from tinyworld.samples import make_object, make_scene, make_voice

from tgs_pipeline.data.fbank import log_mel, segment_log_mels
from tgs_pipeline.tinyworld.models import beats
from tgs_pipeline.tinyworld.models.beats import LABELS
from tgs_pipeline.tinyworld.pretraining import sound
from tgs_pipeline.tinyworld.pretraining.sound import (
    UNHEARD,
    SecondReader,
    Soundtracks,
    features_of,
    loss_of,
    make_batch,
)
from tgs_pipeline.tinyworld.sampling import NUM_LOUDNESS_LEVELS, PULSES_HZ, pool_of_split, sample_scene
from tgs_pipeline.tinyworld.scene import SoundEvent, Voice
from tgs_pipeline.tinyworld.sound import render_sound
from tgs_pipeline.tinyworld.transcript import WORDS

LABEL_NAMES = ("heard", "loudness", "rhythm")
NAMES = ("seconds", "slots", *LABEL_NAMES)


def test_labels_of_a_known_scene(monkeypatch):
    engine = Voice((SoundEvent(1, 3), SoundEvent(6, 7)), 4, None, pitch=1.0)
    dog = make_object(0, "dog", voice=make_voice(2, 10, loudness=1, pulse_hz=4.0))
    scene = make_scene(dog, make_object(1, "helicopter", voice=engine), make_object(2, "lamp"))
    monkeypatch.setattr(sound, "sample_scene", lambda rng, pool, num_sounding_min: scene)
    batch = make_batch(0, 0, clips=1)
    bark, rumble = LABELS.index("dog"), LABELS.index("helicopter")
    assert batch.heard.shape == batch.loudness.shape == batch.rhythm.shape == (1, 10, len(LABELS))
    assert (batch.seconds.shape, batch.heard.dtype, batch.loudness.dtype) == ((1, 10, 98, 128), np.float32, np.int64)
    assert batch.heard[0, :, bark].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    assert batch.heard[0, :, rumble].tolist() == [0, 1, 1, 0, 0, 0, 1, 0, 0, 0]
    assert batch.heard.sum() == 11
    assert batch.loudness[0, :, bark].tolist() == [UNHEARD] * 2 + [0] * 8
    assert batch.loudness[0, :, rumble].tolist() == [UNHEARD, 3, 3, UNHEARD, UNHEARD, UNHEARD, 3, *[UNHEARD] * 3]
    assert batch.rhythm[0, :, bark].tolist() == [UNHEARD] * 2 + [PULSES_HZ.index(4.0)] * 8
    assert set(batch.rhythm[0, :, rumble]) == {UNHEARD}  # an engine has no pulses
    third = [{WORDS[number] for number in np.flatnonzero(slot)} for slot in batch.slots[0, 2]]
    expected = [{"heard dog", "loudness 1", "rhythm 4"}, {"heard helicopter", "loudness 4"}, {"empty"}, {"empty"}]
    assert third == expected
    loud = batch.seconds[0].mean(axis=(1, 2))
    assert loud[0] == loud.min()  # nothing sounds in the first second alone


def test_labels_are_what_the_scene_says():
    told = 0
    for number in range(4):
        batch = make_batch(9, number, clips=2)
        for clip in range(2):
            rng = np.random.default_rng([9, 2 * number + clip])
            scene = sample_scene(rng, pool=pool_of_split("open")[0], num_sounding_min=int(rng.integers(4)))
            waveform = render_sound(scene, sample_rate_hz=16000, rng=rng)
            assert np.array_equal(batch.seconds[clip], segment_log_mels(waveform))
            if clip == 0:
                assert np.array_equal(batch.whole, log_mel(waveform)[None])
            voices = {item.category: item.voice for item in scene.sounding()}
            for second in range(10):
                for label, category in enumerate(LABELS):
                    voice = voices.get(category)
                    sounds = voice is not None and any(
                        event.onset_sec < second + 0.5 < event.offset_sec for event in voice.events
                    )
                    told += sounds
                    loudness = voice.loudness - 1 if sounds else UNHEARD
                    rhythm = PULSES_HZ.index(voice.pulse_hz) if sounds and voice.pulse_hz else UNHEARD
                    found = [getattr(batch, name)[clip, second, label] for name in LABEL_NAMES]
                    assert found == [sounds, loudness, rhythm], (number, clip, second, category)
    assert told > 40


def test_a_batch_depends_on_its_number_alone():
    pair, second = make_batch(9, 1, clips=2), make_batch(9, 3, clips=1)
    for name in NAMES:
        assert np.array_equal(getattr(pair, name)[1:], getattr(second, name)), name
    assert not np.array_equal(pair.whole, second.whole)


def make_tracks(*, is_silent):
    """One clip: the first category sounds in the first second at level 2 and the second rhythm, or nothing does."""
    shape = (1, 10, len(LABELS))
    heard, loudness, rhythm = np.zeros(shape, np.float32), np.full(shape, UNHEARD), np.full(shape, UNHEARD)
    if not is_silent:
        heard[0, 0, 0], loudness[0, 0, 0], rhythm[0, 0, 0] = 1, 1, 1
    generator = np.random.default_rng(0)
    seconds = generator.normal(size=(1, 10, 98, 128)).astype(np.float32)
    whole = generator.normal(size=(1, 998, 128)).astype(np.float32)
    return Soundtracks(seconds, whole, heard, np.zeros((1, 10, 4, len(WORDS)), np.float32), loudness, rhythm)


@pytest.mark.parametrize("is_silent", [False, True])
def test_the_loss_of_readers_that_know_nothing(is_silent):
    """Each class as likely as not: 10 ln 2 for the seconds, ln 2 for the clip; loudness and rhythm where they are."""
    model, reader = beats.build(seed=0).eval(), SecondReader(128)
    for layer in (model.predictor, reader.loudness, reader.rhythm):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    with torch.no_grad():
        tracks = make_tracks(is_silent=is_silent)
        loss, right = loss_of(model, reader, features_of(model, tracks), tracks)
    told = 0 if is_silent else math.log(NUM_LOUDNESS_LEVELS) + math.log(len(PULSES_HZ))
    assert loss.item() == pytest.approx(11 * math.log(2) + told, rel=1e-5)
    assert right == {"heard": pytest.approx(1.0 if is_silent else 0.9), "loudness": 0.0, "rhythm": 0.0}


def test_what_is_right_is_counted():
    model, reader = beats.build(seed=0).eval(), SecondReader(128)
    for layer, answer in ((reader.loudness, 1), (reader.rhythm, 1)):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        layer.bias.data[answer] = 50.0  # the first numbers are those of the first category
    with torch.no_grad():
        tracks = make_tracks(is_silent=False)
        _, right = loss_of(model, reader, features_of(model, tracks), tracks)
    assert (right["loudness"], right["rhythm"]) == (1.0, 1.0)
