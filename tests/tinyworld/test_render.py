import numpy as np
from tinyworld.samples import clips, make_object, make_scene

from tgs_pipeline.tinyworld.render import render_scene
from tgs_pipeline.tinyworld.scene import NUM_FRAMES


def _render(*objects, side=96):
    return render_scene(make_scene(*objects), frame_size_px=side, rng=np.random.default_rng(0))


def test_shapes_and_types():
    frames, masks = _render(make_object(0, "drum"), make_object(1, "lamp"))
    assert (frames.shape, frames.dtype) == ((NUM_FRAMES, 96, 96, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((2, NUM_FRAMES, 96, 96), bool)


def test_chosen_moments_have_the_pixels_of_the_whole_clip():
    for clip in clips()[:2]:
        arguments = {"frame_size_px": 64, "rng": np.random.default_rng(3)}
        frames, masks = render_scene(clip.plan.scene, **arguments)
        for moments in ([7, 0, 3], [9], list(range(10))):
            arguments["rng"] = np.random.default_rng(3)
            some_frames, some_masks = render_scene(clip.plan.scene, **arguments, moments=moments)
            assert np.array_equal(some_frames, frames[moments])
            assert np.array_equal(some_masks, masks[:, moments])


def test_masks_of_a_frame_are_disjoint():
    for clip in clips():
        assert clip.masks.sum(axis=0).max() <= 1


def test_masks_are_the_pixels_that_drawing_changes():
    drum = make_object(0, "drum", color="red", size=0.5)
    with_drum, masks = _render(drum)
    absent = make_object(0, "drum", color="red", size=0.5, visible=(True,) + (False,) * (NUM_FRAMES - 1))
    without, _ = _render(absent)
    changed = (with_drum[5] != without[5]).any(axis=2)
    mask = masks[0, 5]
    assert (changed | ~mask).mean() > 0.999  # whatever the mask holds was painted ...
    assert (changed & ~mask).sum() < 0.35 * np.sqrt(mask.sum()) * 8  # ... and beyond it only half covered edge pixels


def test_the_nearer_object_hides_the_farther():
    centers = ((0.5, 0.5),) * NUM_FRAMES
    far = make_object(0, "piano", size=0.6, centers=centers, depth=0)
    near = make_object(1, "clock", size=0.3, centers=centers, depth=1)
    _, both = _render(far, near)
    _, alone = _render(far)
    _, swapped = _render(make_object(0, "piano", size=0.6, centers=centers, depth=2), near)
    assert np.array_equal(both[0] | both[1], alone[0] | both[1])
    assert not (both[0] & both[1]).any()
    assert swapped[0].sum() == alone[0].sum() > both[0].sum()


def test_absent_objects_have_empty_masks():
    late = tuple(frame >= 4 for frame in range(NUM_FRAMES))
    _, masks = _render(make_object(0, "cat", visible=late))
    assert [bool(mask.any()) for mask in masks[0]] == list(late)


def test_every_object_can_be_seen_while_it_is_in_the_scene():
    for clip in clips():
        for item, mask in zip(clip.plan.scene.objects, clip.masks, strict=True):
            areas = mask.sum(axis=(1, 2))
            assert all(area > 150 for area, visible in zip(areas, item.visible, strict=True) if visible), item
