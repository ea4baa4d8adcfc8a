import numpy as np
import pytest
from PIL import Image

from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS
from tgs_pipeline.tinyworld.silhouettes import SUPERSAMPLING, draw_sprite


def test_silhouettes_differ():
    shapes = {}
    for name in CATEGORIES:
        sprite = draw_sprite(name, color="red", size_px=40, flipped=False, rng=np.random.default_rng(0))
        box = Image.new("L", (80, 80))
        box.paste(sprite.getchannel("A"), ((80 - sprite.width) // 2, (80 - sprite.height) // 2))
        shapes[name] = np.asarray(box) > 127
    for name, shape in shapes.items():
        for other, rival in shapes.items():
            if name < other:
                assert (shape & rival).sum() / (shape | rival).sum() < 0.85, (name, other)


def test_the_colour_of_an_object_is_its_own():
    for name in CATEGORIES:
        for color in ("red", "green", "blue"):
            sprite = draw_sprite(name, color=color, size_px=60, flipped=False, rng=np.random.default_rng(0))
            pixels = np.asarray(sprite)
            body = pixels[pixels[:, :, 3] > 127][:, :3].astype(int)
            near = np.abs(body - np.array(COLORS[color])).sum(axis=1) < 150
            assert near.mean() > 0.18, (name, color)


def test_size_and_flip():
    upright, flipped = (
        draw_sprite("dog", color="red", size_px=50, flipped=flip, rng=np.random.default_rng(0))
        for flip in (False, True)
    )
    assert (upright.mode, upright.width) == ("RGBA", 50 * SUPERSAMPLING)
    assert np.array_equal(np.asarray(upright)[:, ::-1, 3], np.asarray(flipped)[:, :, 3])


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="cannot draw 'pink' 'dog'"):
        draw_sprite("dog", color="pink", size_px=50, flipped=False, rng=np.random.default_rng(0))
