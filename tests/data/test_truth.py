from pathlib import PurePosixPath

import numpy as np
import pytest
from data.expressions_example import LABELS, SIZE, write_labels
from PIL import Image

from tgs_pipeline.data import truth


def test_places_name_a_part_of_a_file():
    place = truth.labelled(PurePosixPath("a/00000.png"), 2)
    assert (str(place), str(truth.file_of(place))) == ("a/00000.png#2", "a/00000.png")
    place = truth.annotated(PurePosixPath("v/mask_dict.json"), (1, 22), frame_index=3)
    assert (str(place), str(truth.file_of(place))) == ("v/mask_dict.json#1+22@3", "v/mask_dict.json")
    assert str(truth.file_of(PurePosixPath("a/0.png"))) == "a/0.png"


def test_labels_and_plain_masks(tmp_path):
    write_labels(tmp_path, "x")
    file = tmp_path / "x" / "00000.png"
    assert ((truth.read_truth(truth.labelled(file, 1)) > 0) == (LABELS == 1)).all()
    assert truth.truth_size(truth.labelled(file, 1)) == SIZE
    assert ((truth.read_truth(file) > 0) == (LABELS > 0)).all(), "all objects, by their colours"


def test_bad_images_of_labels_are_named(tmp_path):
    write_labels(tmp_path, "x")
    file = tmp_path / "x" / "00000.png"
    whole = file.read_bytes()
    file.write_bytes(whole[:-30])
    with pytest.raises(ValueError, match=r"00000\.png: the image is truncated"):
        truth.read_truth(truth.labelled(file, 1))
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(file)
    with pytest.raises(ValueError, match=r"00000\.png: PIL mode 'RGB', expected a palette"):
        truth.read_truth(truth.labelled(file, 1))
    file.unlink()
    with pytest.raises(ValueError, match=r"00000\.png: no such file"):
        truth.read_truth(truth.labelled(file, 1))
