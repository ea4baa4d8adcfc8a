import math

import numpy as np
import pytest
import torch
from tinyworld.samples import make_object, make_scene

from tgs_pipeline.backends.encoder.clip import resize
from tgs_pipeline.tinyworld.models import clip
from tgs_pipeline.tinyworld.pretraining import vision
from tgs_pipeline.tinyworld.pretraining.vision import (
    CATEGORY_NAMES,
    COLOR_NAMES,
    FRAMES_PER_CLIP,
    NOTHING,
    PatchReader,
    Views,
    features_of,
    loss_of,
    make_batch,
    render_views,
)
from tgs_pipeline.tinyworld.render import render_scene
from tgs_pipeline.tinyworld.sampling import pool_of_split, sample_scene
from tgs_pipeline.tinyworld.transcript import WORDS

CELL = 32  # px of a patch in a rendered frame of 224 px: 7 x 7 patches


def place_on(monkeypatch, scene):
    monkeypatch.setattr(vision, "sample_scene", lambda rng, pool: scene)


def words_of(slots_QW):
    return [{WORDS[number] for number in np.flatnonzero(slot)} for slot in slots_QW]


def test_labels_of_a_known_scene(monkeypatch):
    """A large drum in the middle of the frame and a far, small cat in the middle of the patch in column 1, row 1."""
    cat_at, drum_at = ((1.5 / 7, 1.5 / 7),) * 10, ((4 / 7, 4 / 7),) * 10
    cat = make_object(0, "cat", color="red", size=0.2, centers=cat_at)
    drum = make_object(1, "drum", color="blue", size=0.4, centers=drum_at, player=0)
    place_on(monkeypatch, make_scene(cat, drum))
    views = render_views(0, 0)
    assert (views.category.shape, views.category.dtype) == ((FRAMES_PER_CLIP, 49), np.int64)
    assert (views.pixels.shape, views.pixels.dtype) == ((FRAMES_PER_CLIP, 112, 112, 3), np.uint8)
    assert (views.box.shape, views.box.dtype, views.played.dtype) == ((FRAMES_PER_CLIP, 49, 4), np.float32, np.float32)
    for frame in range(FRAMES_PER_CLIP):
        category, color = (labels[frame].reshape(7, 7) for labels in (views.category, views.color))
        box, played = views.box[frame].reshape(7, 7, 4), views.played[frame].reshape(7, 7)
        assert (CATEGORY_NAMES[category[1, 1]], COLOR_NAMES[color[1, 1]], played[1, 1]) == ("cat", "red", 0)
        for row, column in ((3, 3), (3, 4), (4, 3), (4, 4)):
            assert (CATEGORY_NAMES[category[row, column]], COLOR_NAMES[color[row, column]]) == ("drum", "blue")
            assert played[row, column] == 1
            assert box[row, column] == pytest.approx([4 / 7 - 0.2, 4 / 7 - 0.2, 4 / 7 + 0.2, 4 / 7 + 0.2], abs=0.06)
        left, top, right, bottom = box[1, 1]
        assert 0.1 < left < 1.5 / 7 < right < 0.33 and 0.1 < top < 1.5 / 7 < bottom < 0.33
        assert words_of(views.slots[frame]) == [
            {"red", "cat", "column 2", "size 4"},
            {"blue", "drum", "column 5", "size 8", "played"},
            {"empty"},
            {"empty"},
        ]
        corner = category[6, 0]
        assert corner == color[6, 0] == NOTHING


def test_labels_are_what_most_of_a_patch_shows():
    """Against a rendering of all moments with the same random numbers, patch by patch."""
    owned = 0
    for index in range(3):
        rng = np.random.default_rng([11, index])
        scene = sample_scene(rng, pool=pool_of_split("open")[0])
        chosen = rng.choice(10, FRAMES_PER_CLIP, replace=False)
        frames, masks = render_scene(scene, frame_size_px=224, rng=rng)
        views = render_views(11, index)
        for place, moment in enumerate(chosen):
            assert np.array_equal(views.pixels[place], resize(frames[moment], side_px=112))
            for patch in range(49):
                rows = slice(patch // 7 * CELL, (patch // 7 + 1) * CELL)
                columns = slice(patch % 7 * CELL, (patch % 7 + 1) * CELL)
                counts = [int(mask[moment, rows, columns].sum()) for mask in masks]
                if max(counts) < 0.2 * CELL**2:
                    assert views.category[place, patch] == views.color[place, patch] == NOTHING
                    continue
                owned += 1
                item = scene.objects[counts.index(max(counts))]
                assert CATEGORY_NAMES[views.category[place, patch]] == item.category
                assert COLOR_NAMES[views.color[place, patch]] == item.color
                assert views.played[place, patch] == (item.player is not None)
                ys, xs = np.nonzero(masks[item.index, moment])
                box = [xs.min() / 224, ys.min() / 224, (xs.max() + 1) / 224, (ys.max() + 1) / 224]
                assert views.box[place, patch] == pytest.approx(box)
    assert owned > 100


def test_a_batch_depends_on_its_number_alone():
    batch = make_batch(5, 3, clips=2)
    assert batch.pixels.shape == (2 * FRAMES_PER_CLIP, 112, 112, 3)
    for place, index in enumerate((6, 7)):
        alone, part = render_views(5, index), slice(place * FRAMES_PER_CLIP, (place + 1) * FRAMES_PER_CLIP)
        for name in ("pixels", "category", "color", "box", "played", "slots"):
            assert np.array_equal(getattr(batch, name)[part], getattr(alone, name)), name
    assert not np.array_equal(batch.pixels[:FRAMES_PER_CLIP], batch.pixels[FRAMES_PER_CLIP:])


def make_views(category):
    """One frame of two patches, the first of a played red object of category number `category`, the second empty."""
    return Views(
        pixels=np.zeros((1, 112, 112, 3), np.uint8),
        category=np.array([[category, NOTHING]]),
        color=np.array([[COLOR_NAMES.index("red") if category >= 0 else NOTHING, NOTHING]]),
        box=np.array([[[0.1, 0.2, 0.3, 0.4], [9, 9, 9, 9]]], np.float32),
        played=np.array([[1.0, -1.0]], np.float32),
        slots=np.zeros((1, 4, len(WORDS)), np.float32),
    )


def make_reader():
    reader = PatchReader(2)
    for parameter in reader.parameters():
        torch.nn.init.zeros_(parameter)
    return reader


def test_the_loss_of_a_reader_that_knows_nothing():
    """All classes are as likely, nothing among them; boxes and players count where an object is, and only there."""
    loss, right = loss_of(make_reader(), torch.zeros(1, 2, 2), make_views(2))
    expected = math.log(len(CATEGORY_NAMES) + 1) + math.log(len(COLOR_NAMES) + 1) + 5 * 0.25 + math.log(2)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert right == {"category": 0.0, "color": float(COLOR_NAMES[0] == "red")}


def test_a_reader_that_is_right_has_no_loss():
    reader, views = make_reader(), make_views(2)
    for layer, labels in ((reader.category, views.category), (reader.color, views.color)):
        layer.weight.data[labels[0, 0], 0] = layer.weight.data[-1, 1] = 50.0  # the last class is nothing
    reader.box.weight.data[:, 0] = torch.tensor([0.1, 0.2, 0.3, 0.4])
    reader.played.weight.data[0, 0] = 50.0
    loss, right = loss_of(reader, torch.eye(2)[None], views)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert right == {"category": 1.0, "color": 1.0}


def test_frames_without_objects_have_a_finite_loss():
    loss, right = loss_of(make_reader(), torch.zeros(1, 2, 2), make_views(NOTHING))
    assert loss.item() == pytest.approx(math.log(len(CATEGORY_NAMES) + 1) + math.log(len(COLOR_NAMES) + 1))
    assert right == {"category": 0.0, "color": 0.0}


def test_features_are_those_of_the_patches():
    tower = clip.build(seed=0).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    with torch.no_grad():
        features = features_of(tower, pixels)
        changed = pixels.copy()
        changed[1] = 0
        again = features_of(tower, changed)
    assert features.shape == (2, 49, 128)
    assert torch.equal(features[0], again[0]) and not torch.equal(features[1], again[1])
