from dataclasses import replace

import numpy as np
import pytest
from tinyworld.samples import make_object, make_scene, make_voice, plans

from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS
from tgs_pipeline.tinyworld.facts import column, size
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene, SoundEvent, Voice
from tgs_pipeline.tinyworld.transcript import EMPTY, NUM_SLOTS, WORDS, crowd, frame_slots, misread, second_slots


def rng():
    return np.random.default_rng(0)


def filled(moment):
    return [slot for slot in moment if slot != [EMPTY]]


def test_slots_of_frames_by_hand():
    centers = tuple((0.95 if frame < 5 else 0.05, 0.5) for frame in range(NUM_FRAMES))
    late = tuple(frame >= 2 for frame in range(NUM_FRAMES))
    cat = make_object(0, "cat", color="red", size=0.2, centers=centers, visible=late)
    guitar = make_object(1, "guitar", player=2)
    frames = frame_slots(rng(), make_scene(cat, guitar))
    cat_slot, guitar_slot = ["red", "cat", "column 9", "size 4"], ["blue", "guitar", "column 4", "size 6", "played"]
    assert [filled(frame) for frame in frames] == [
        *[[guitar_slot]] * 2,
        *[[guitar_slot, cat_slot]] * 3,
        *[[["red", "cat", "column 0", "size 4"], guitar_slot]] * 5,  # from left to right in each frame
    ]


def test_slots_of_seconds_by_hand():
    train = Voice((SoundEvent(1, 3), SoundEvent(4, 5)), 3, None, pitch=1.0)
    dog = make_object(0, "dog", voice=make_voice(2, 10, loudness=1, pulse_hz=4.0))
    scene = Scene((dog,), (("train", train),))
    bark, rumble = ["heard dog", "loudness 1", "rhythm 4"], ["heard train", "loudness 3"]
    expected = [[], [rumble], [bark, rumble], [bark], [bark, rumble], *[[bark]] * 5]
    assert [filled(second) for second in second_slots(rng(), scene)] == expected


def test_every_moment_has_all_its_slots_and_the_empty_ones_change_places():
    scene = make_scene(make_object(0, "dog", voice=make_voice(0, 10)))
    for slots in (frame_slots(rng(), scene), second_slots(rng(), scene)):
        assert [len(moment) for moment in slots] == [NUM_SLOTS] * NUM_FRAMES
        assert len({tuple(map(tuple, moment)) for moment in slots}) > 1


def test_a_full_moment_has_no_empty_slot():
    things = [make_object(index, name) for index, name in enumerate(("dog", "cat", "lamp", "chair"))]
    turned = [replace(thing, index=3 - thing.index) for thing in reversed(things)]
    for order in (things, turned):
        [frame, *_] = frame_slots(rng(), make_scene(*order))
        assert [slot[1] for slot in frame] == ["dog", "cat", "lamp", "chair"]


def test_everything_in_view_and_every_voice_stands_once_and_in_known_words():
    known, used = set(WORDS), set()
    assert len(known) == len(WORDS)
    for _, _, plan in plans():
        scene = plan.null.scene if plan.null else plan.scene
        frames, seconds = frame_slots(rng(), scene), second_slots(rng(), scene)
        used.update(word for moment in (*frames, *seconds) for slot in moment for word in slot)
        for number, (frame, second) in enumerate(zip(frames, seconds, strict=True)):
            seen = sorted(
                (item.category, item.color, column(item.centers[number][0]), size(item), item.player is not None)
                for item in scene.objects
                if item.visible[number]
            )
            assert seen == sorted(
                (slot[1], slot[0], int(slot[2].split()[1]), int(slot[3].split()[1]), slot[4:] == ["played"])
                for slot in filled(frame)
            )
            voices = [(item.category, item.voice) for item in scene.sounding()] + list(scene.unseen_voices)
            sounding = sorted(
                (f"heard {category}", f"loudness {voice.loudness}")
                for category, voice in voices
                if any(event.onset_sec <= number + 0.5 < event.offset_sec for event in voice.events)
            )
            assert sounding == sorted(tuple(slot[:2]) for slot in filled(second))
    assert used <= known
    assert len(known - used) < 6  # and no word is there for nothing


def test_what_is_misread_stays_a_word_of_its_kind_and_scales_err_by_one():
    slot = ["red", "cat", "column 9", "size 4", "played"]
    misread_slots = [misread(rng, slot) for rng in [np.random.default_rng(3)] for _ in range(4000)]
    changed = [sum(other[place] != word for other in misread_slots) / 4000 for place, word in enumerate(slot)]
    assert changed == pytest.approx([0.04, 0.08, 0.25, 0.3, 0.0], abs=0.03)
    colors, categories, columns, sizes, _ = (set(words) for words in zip(*misread_slots, strict=True))
    assert colors == set(COLORS) and categories == set(CATEGORIES)
    assert columns == {"column 8", "column 9"} and sizes == {"size 3", "size 4", "size 5"}
    assert misread(np.random.default_rng(0), [EMPTY]) == [EMPTY]


def test_of_two_objects_that_stand_close_the_one_behind_is_overlooked_or_merged():
    cat, dog = ["red", "cat", "column 4", "size 4"], ["blue", "dog", "column 5", "size 6", "played"]
    lamp = ["white", "lamp", "column 7", "size 5"]
    seen = [crowd(generator, [[cat, dog, [EMPTY], lamp]] * 10) for generator in [rng()] for _ in range(400)]
    of_cat, of_dog = ([moment[place] for clip in seen for moment in clip] for place in (0, 1))
    for slots, true, merged in (
        (of_cat, cat, ["blue", "dog", "column 4", "size 4"]),
        (of_dog, dog, ["red", "cat", "column 5", "size 6", "played"]),
    ):
        assert slots.count([EMPTY]) / 4000 == pytest.approx(0.2, abs=0.03)
        assert slots.count(merged) / 4000 == pytest.approx(0.03, abs=0.01)
        assert slots.count([EMPTY]) + slots.count(merged) + slots.count(true) == 4000
    assert all(moment[2:] == [[EMPTY], lamp] for clip in seen for moment in clip)
    assert all(clip[0][0] == cat or clip[9][1] == dog for clip in seen), "the same one is behind in all frames"


def test_what_stands_apart_and_what_sounds_is_not_crowded():
    apart = [[["red", "cat", "column 1", "size 4"], ["red", "dog", "column 3", "size 4"], [EMPTY], [EMPTY]]]
    bark, rumble = ["heard dog", "loudness 1", "rhythm 4"], ["heard train", "loudness 3"]
    assert [crowd(rng(), slots) for slots in (apart, [[bark, rumble]])] == [apart, [[bark, rumble]]]
