import numpy as np

from tgs_pipeline.tinyworld.clip import generate_clip
from tgs_pipeline.tinyworld.pretraining.mask_samples import CLIP_FRAMES, MIN_BOXED_PX
from tgs_pipeline.training.evaluation.held_out import GAP, KINDS, MIDDLE, held_out_clips


def clips(seed, numbers):
    return [clip for number in numbers for clip in held_out_clips(seed, number)]


def test_clips_depend_on_seed_and_number_alone():
    first, second = clips(5, [2]), clips(5, [2])
    assert [clip.kind for clip in first] == [kind for kind in KINDS if kind in {clip.kind for clip in first}]
    for one, other in zip(first, second, strict=True):
        assert (one.seed, one.number, one.kind) == (other.seed, other.number, other.kind)
        assert np.array_equal(one.frames, other.frames) and np.array_equal(one.masks, other.masks)


def test_plain_clips_show_the_scenes_of_both_test_splits():
    for number, split in ((4, "test_s"), (5, "test_u")):
        plain = next(held_out_clips(7, number))
        objects = generate_clip(7, split, 2).masks
        assert plain.kind == "plain" and plain.frames.shape == (CLIP_FRAMES, 224, 224, 3)
        assert plain.masks.shape == (len(objects), CLIP_FRAMES, 224, 224)
        covered = (plain.masks & objects[:, :CLIP_FRAMES]).sum() / objects[:, :CLIP_FRAMES].sum()
        assert covered > 0.9  # the same things at the same places


def test_covered_objects_are_seen_before_and_after_and_gone_ones_are_gone():
    found = clips(3, range(6))
    kinds = [clip.kind for clip in found]
    assert kinds.count("plain") == 6 and kinds.count("covered") >= 3 and kinds.count("gone") >= 4
    for clip in found:
        if clip.kind == "plain":
            continue
        assert len(clip.masks) == 1
        seen = clip.masks[0].sum(axis=(1, 2))
        assert min(seen[0], seen[-1]) >= MIN_BOXED_PX
        if clip.kind == "covered":
            assert seen[MIDDLE] < 0.5 * seen[0]
        else:
            assert [frame for frame in range(CLIP_FRAMES) if seen[frame] == 0] == list(GAP)
