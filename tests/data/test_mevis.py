import json

import numpy as np
import pytest
from data.expressions_example import LABELS, SIZE, write_mevis

from tgs_pipeline.data.mevis import read_samples
from tgs_pipeline.data.truth import read_truth, truth_size
from tgs_pipeline.metrics import rle

TOO_LONG = rle.encode(np.ones((40, 40), bool)).decode()


def test_the_mask_is_the_union_of_annotations(tmp_path):
    both, one = read_samples(write_mevis(tmp_path), splits=["valid_u"])
    assert (both.uid, one.uid, both.vid) == ("dd_0", "dd_1", "dd")
    assert str(both.masks[1]) == "valid_u/mask_dict.json#7+8@1"
    first, second = (read_truth(tmp_path / place) > 0 for place in both.masks)
    assert (first == (LABELS > 0)).all() and (second == (LABELS == 1)).all(), "8 is not seen in the second frame"
    assert not read_truth(tmp_path / one.masks[1]).any()
    assert truth_size(tmp_path / one.masks[1]) == SIZE


def test_valid_has_no_ground_truth(tmp_path):
    (sample,) = read_samples(write_mevis(tmp_path), splits=["valid"])
    assert (sample.masks, str(sample.frames[0])) == ((), "valid/JPEGImages/ee/00000.jpg")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda masks: masks.pop("8"), "holds no annotation 8"),
        (lambda masks: masks.update({"8": masks["8"][:1]}), "annotation 8 has 1 frames, expected one of index 1"),
        (lambda masks: masks.update({"8": [1, 2]}), "annotation 8 is not a list of COCO run lengths"),
        (lambda masks: masks.update({"8": [{"size": [9, 9], "counts": "0"}, None]}), "masks of annotations 7"),
        (lambda masks: masks.update({"7": [None, None], "8": [None, None]}), "annotations 7, 8 have no mask in any"),
        (lambda masks: masks.update({"7": [{"size": list(SIZE), "counts": TOO_LONG}] * 2}), "annotations 7.*fetch"),
    ],
)
def test_bad_masks_are_named(tmp_path, change, message):
    both, _ = read_samples(write_mevis(tmp_path), splits=["valid_u"])
    path = tmp_path / "valid_u" / "mask_dict.json"
    masks = json.loads(path.read_text())
    change(masks)
    path.write_text(json.dumps(masks))
    with pytest.raises(ValueError, match=rf"mask_dict\.json: .*{message}"):
        _ = [read_truth(tmp_path / place) for place in both.masks]


def test_a_truncated_file_is_named(tmp_path):
    both, _ = read_samples(write_mevis(tmp_path), splits=["valid_u"])
    path = tmp_path / "valid_u" / "mask_dict.json"
    path.write_text(path.read_text()[:-5])
    with pytest.raises(ValueError, match=r"mask_dict\.json: not valid JSON"):
        read_truth(tmp_path / both.masks[0])
    path.unlink()
    with pytest.raises(ValueError, match=r"mask_dict\.json: no such file"):
        read_truth(tmp_path / both.masks[0])


def test_an_empty_union_is_background(tmp_path):
    _, one = read_samples(write_mevis(tmp_path), splits=["valid_u"])
    assert read_truth(tmp_path / one.masks[1]).shape == SIZE
    assert np.count_nonzero(read_truth(tmp_path / one.masks[0])) == (LABELS == 2).sum()
