from dataclasses import fields

import numpy as np
import pytest
from tinyworld.samples import make_object, make_scene

from tgs_pipeline.tinyworld.pretraining import mask_samples
from tgs_pipeline.tinyworld.pretraining.mask_samples import (
    CLIP_FRAMES,
    MIN_BOXED_PX,
    OBJECTS_PER_CLIP,
    box_of,
    cross,
    interrupt,
    jitter_box,
    make_frames,
    make_tracks,
)
from tgs_pipeline.tinyworld.render import render_scene

SIDE = 224


def same(first, second):
    return all(np.array_equal(getattr(first, f.name), getattr(second, f.name)) for f in fields(first))


def test_a_box_holds_the_visible_pixels_and_no_more():
    mask = np.zeros((6, 9), bool)
    mask[2, 3] = mask[4, 7] = True
    assert box_of(mask).tolist() == [3, 2, 8, 5]


def test_boxes_err_by_shares_of_their_sides_and_stay_in_the_frame():
    rng = np.random.default_rng(0)
    box = np.float32([60, 100, 160, 120])
    errors = np.array([jitter_box(rng, box) - box for _ in range(400)])
    spread = errors.std(axis=0)
    assert spread[0] == pytest.approx(5 * spread[1], rel=0.3) and 4 < spread[0] < 8  # of a side of 100 px
    assert np.abs(errors[:, 0]).max() <= 20 and np.abs(errors.mean(axis=0)).max() < 1
    assert (np.abs(errors).max(axis=1) < 1).mean() > 0.03  # some are right to the pixel
    edge = np.array([jitter_box(rng, np.float32([0, 0, 224, 30])) for _ in range(50)])
    assert edge.min() >= 0 and edge.max() <= 224 and edge.dtype == np.float32


@pytest.mark.parametrize("number", [0, 3])
def test_a_batch_of_frames_depends_on_its_number_alone(number):
    batch = make_frames(5, number, frames=2)
    assert batch.pixels.shape == (2, SIDE, SIDE, 3) and batch.pixels.dtype == np.uint8
    assert set(batch.frame.tolist()) == {0, 1}
    assert len(batch.frame) == len(batch.masks) == len(batch.boxes_xyxy_px)
    assert (batch.masks.sum(axis=(1, 2)) >= MIN_BOXED_PX).all()
    second = make_frames(5, 2 * number + 1, frames=1)
    of_second = batch.frame == 1
    assert np.array_equal(batch.pixels[1], second.pixels[0])
    assert np.array_equal(batch.masks[of_second], second.masks)
    assert np.array_equal(batch.boxes_xyxy_px[of_second], second.boxes_xyxy_px)
    assert not np.array_equal(batch.pixels[0], batch.pixels[1])


def test_a_batch_of_clips_depends_on_its_number_alone():
    batches = [make_tracks(5, number, clips=2) for number in range(6)]
    assert same(batches[3], make_tracks(5, 3, clips=2))
    for batch in batches:
        assert batch.pixels.shape == (2, CLIP_FRAMES, SIDE, SIDE, 3)
        assert batch.masks.shape == (len(batch.clip), CLIP_FRAMES, SIDE, SIDE)
        assert all(1 <= (batch.clip == clip).sum() <= OBJECTS_PER_CLIP for clip in (0, 1))
        prompted = batch.masks[:, batch.prompted]
        assert (prompted.sum(axis=(1, 2)) >= MIN_BOXED_PX).all()
        for box, mask in zip(batch.boxes_xyxy_px, prompted, strict=True):
            assert np.abs(box - box_of(mask)).max() <= 0.2 * max(box_of(mask)[2:] - box_of(mask)[:2]) + 1e-3
    assert {batch.has_mask_prompt for batch in batches} == {True, False}
    assert len({batch.prompted for batch in batches}) > 2


def test_some_objects_are_absent_for_a_while_and_some_are_covered(monkeypatch):
    """In the world itself nothing comes back."""
    hidden = 0
    for number in range(12):
        batch = make_tracks(9, number, clips=1)
        for mask in batch.masks:
            seen = mask.any(axis=(1, 2))
            hidden += not seen.all()
    assert hidden >= 3


def two_objects():
    return make_scene(
        make_object(0, "drum", color="red", centers=((0.3, 0.5),) * 10, depth=1),
        make_object(1, "cat", color="green", centers=((0.8, 0.5),) * 10, depth=0),
    )


def test_an_object_passes_in_front_of_another():
    scene = cross(np.random.default_rng(1), two_objects(), 0, middle=4)
    passing = scene.objects[1]
    assert scene.objects[0] == two_objects().objects[0]
    assert passing.depth > scene.objects[0].depth and passing.size >= 0.3
    assert passing.centers[4] == pytest.approx((0.3, 0.5), abs=0.06)
    assert passing.visible == tuple(0 <= x <= 1 for x, _ in passing.centers)
    steps = np.diff([x for x, _ in passing.centers])
    assert np.allclose(steps, steps[0]) and 0.1 <= abs(steps[0]) <= 0.22
    _, masks = render_scene(scene, frame_size_px=SIDE, rng=np.random.default_rng(0))
    seen = masks[0].sum(axis=(1, 2))
    assert seen[4] < 0.6 * seen.max()


def test_who_plays_and_what_is_played_does_not_pass():
    band = make_scene(
        make_object(0, "man"), make_object(1, "drum", player=0), make_object(2, "cat", centers=((0.8, 0.5),) * 10)
    )
    moved = cross(np.random.default_rng(0), band, 0, middle=4)
    assert [moved.objects[i] == band.objects[i] for i in range(3)] == [True, True, False]
    assert cross(np.random.default_rng(0), band, 2, middle=4) is None


def test_an_interrupted_object_is_absent_in_those_frames_alone():
    scene = interrupt(two_objects(), 1, without=[2, 3])
    assert scene.objects[0] == two_objects().objects[0]
    assert [frame for frame, visible in enumerate(scene.objects[1].visible) if not visible] == [2, 3]


def test_frames_without_objects_are_not_taken(monkeypatch):
    seen = []
    render = mask_samples.render_scene

    def render_nothing_at_first(*arguments, **keywords):
        frames, masks = render(*arguments, **keywords)
        seen.append(len(seen))
        return (frames, np.zeros_like(masks)) if len(seen) <= 2 else (frames, masks)

    monkeypatch.setattr(mask_samples, "render_scene", render_nothing_at_first)
    assert len(make_frames(5, 0, frames=1).masks) >= 1 and len(seen) == 3
    seen.clear()
    assert len(make_tracks(5, 0, clips=1).masks) >= 1 and len(seen) == 3
