import re

import numpy as np
import pytest
from tinyworld.samples import SEED, clips, plans

from tgs_pipeline.tinyworld.clip import generate_clip, make_vid, plan_clip


def test_the_same_arguments_give_the_same_clip():
    again = generate_clip(SEED, "open", 1)
    assert again.plan == clips()[1].plan == plan_clip(SEED, "open", 1)
    for name in ("frames", "masks", "waveform", "null_waveform"):
        assert np.array_equal(getattr(again, name), getattr(clips()[1], name)), name


def test_seed_split_and_index_matter():
    scenes = [plan_clip(seed, split, index).scene for seed, split, index in ((0, "train", 0), (1, "train", 0))]
    scenes += [plan_clip(0, "val", 0).scene, plan_clip(0, "train", 1).scene]
    assert len({str(scene) for scene in scenes}) == 4


def test_vids_look_like_the_benchmarks():
    vids = [plan.vid for _, _, plan in plans()]
    assert len(set(vids)) == len(vids)
    for vid in vids:
        match = re.fullmatch(r"[\w-]{11}_(\d+)_(\d+)", vid, re.ASCII)
        assert match and int(match[2]) - int(match[1]) == 10000
    assert make_vid(0, "train", 0) == make_vid(0, "train", 0) != make_vid(1, "train", 0)


@pytest.mark.parametrize("sizes", [{"frame_size_px": 16}, {"sample_rate_hz": 8000}])
def test_sizes_too_small(sizes):
    with pytest.raises(ValueError, match="frames need >= 32 px"):
        generate_clip(0, "train", 0, **sizes)
