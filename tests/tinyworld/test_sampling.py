from collections import Counter

import numpy as np
import pytest
from tinyworld.samples import plans

from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS
from tgs_pipeline.tinyworld.sampling import sample_scene
from tgs_pipeline.tinyworld.scene import NUM_FRAMES

SCENES = [plan.scene for _, _, plan in plans()]


def test_variety():
    objects = [item for scene in SCENES for item in scene.objects]
    assert {len(scene.objects) for scene in SCENES} == {2, 3, 4}
    assert {item.category for item in objects} == set(CATEGORIES)
    assert {item.color for item in objects} == set(COLORS)
    assert {item.motion for item in objects} == {"still", "left", "right"}
    assert {len(scene.sounding()) for scene in SCENES} >= {0, 1, 2, 3}
    assert all(45 <= 224 * item.size <= 110 for item in objects)
    assert any(item.first_frame > 0 for item in objects) and any(item.last_frame < NUM_FRAMES - 1 for item in objects)


def test_what_sounds_can_be_attributed_to_what_is_seen():
    for scene in SCENES:
        voices = [item for item in scene.sounding() if item.voice is not None]
        assert len({item.voice.loudness for item in voices}) == len(voices)
        assert len({item.category for item in voices}) == len(voices)
        for item in voices:
            assert CATEGORIES[item.category].noise
            assert item.first_frame <= item.voice.onset_sec < item.voice.offset_sec <= item.last_frame + 1
            if len(scene.of_category(item.category)) > 1:
                assert item.player is not None


def test_twins_differ_in_colour():
    for scene in SCENES:
        names = Counter((item.category, item.color) for item in scene.objects)
        assert max(names.values()) == 1


def test_players_stand_behind_what_they_play_and_it_sounds():
    played = [(scene, item) for scene in SCENES for item in scene.objects if item.player is not None]
    assert played
    for scene, item in played:
        player = scene.objects[item.player]
        assert player.category == "man" and CATEGORIES[item.category].family == "instrument"
        assert item.voice is not None and item.depth > player.depth


def test_an_empty_pool_is_refused():
    with pytest.raises(ValueError, match="pool of categories is empty"):
        sample_scene(np.random.default_rng(0), pool=())
