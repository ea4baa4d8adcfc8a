import json

import pytest
from data.expressions_example import LABELS, video, write_expressions, write_ref_youtube_vos

from tgs_pipeline.data.ref_youtube_vos import read_samples
from tgs_pipeline.data.truth import read_truth


def test_train_has_the_masks_of_its_objects(tmp_path):
    left, right = read_samples(write_ref_youtube_vos(tmp_path), splits=["train"])
    assert (left.uid, left.vid, left.row, left.reference, left.audio) == ("aa-1_0", "aa-1", 0, "the left one", ())
    assert [str(path) for path in right.frames] == [f"train/JPEGImages/aa-1/{name}.jpg" for name in ("00000", "00005")]
    assert str(right.masks[1]) == "train/Annotations/aa-1/00005.png#2"
    assert ((read_truth(tmp_path / right.masks[1]) > 0) == (LABELS == 2)).all()


def test_videos_of_test_are_taken_out_of_valid(tmp_path):
    meta = write_ref_youtube_vos(tmp_path)
    assert [(sample.uid, sample.masks) for sample in read_samples(meta, splits=["valid"])] == [("bb_0", ())]
    assert [sample.row for sample in read_samples(meta, splits=["valid", "train"])] == [0, 1, 2]
    (meta / "test" / "meta_expressions.json").unlink()
    with pytest.raises(ValueError, match=r"test/meta_expressions\.json: no such file; .* put it there"):
        list(read_samples(meta, splits=["valid"]))


def test_converted_davis_needs_no_list_of_test_videos(tmp_path):
    write_expressions(tmp_path / "m" / "valid" / "meta_expressions.json", {"dog": video({"exp": "a", "obj_id": "1"})})
    (sample,) = read_samples(tmp_path / "m", splits=["valid"])
    assert str(sample.masks[0]) == "valid/Annotations/dog/00000.png#1"


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ({"../x": video({"exp": "a"})}, r"meta_expressions\.json, \.\./x: '\.\./x' is no valid name"),
        ({"x": video({"exp": "a"}, frames=("../0",))}, r"x: '\.\./0' is no valid name"),
        ({"x": video({"exp": "a"}, frames=("0", "0"))}, "x: names a frame twice"),
        ({"x": video({"exp": "a"}, frames=())}, "x: has no list of `frames`"),
        ({"x": {"frames": ["0"], "expressions": {}}}, "x: has no `expressions`"),
        ({"x": {"frames": ["0"], "expressions": {"../1": {"exp": "a"}}}}, r"'\.\./1' is no valid name"),
        ({"x": video({"caption": "a"})}, "x, expression 0: has no sentence `exp`"),
        ({"x": video({"exp": " "})}, "x, expression 0: the reference is empty"),
        ({"x": video({"exp": "a", "obj_id": "1/2"})}, r"has obj_id '1/2', expected a label from 1 to 254"),
        ({"x": video({"exp": "a", "obj_id": 255})}, "expected a label from 1 to 254"),
        ({"x": video({"exp": "a", "anno_id": ["../3"]})}, "expected a list of numbers"),
        ({"x": 3}, "x: is no object"),
    ],
)
def test_bad_entries_are_named(tmp_path, videos, message):
    write_expressions(tmp_path / "train" / "meta_expressions.json", videos)
    with pytest.raises(ValueError, match=message):
        list(read_samples(tmp_path, splits=["train"]))


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "train" / "meta_expressions.json"
    with pytest.raises(ValueError, match=r"meta_expressions\.json: no such file; check dataset\.root"):
        list(read_samples(tmp_path, splits=["train"]))
    write_expressions(path, {"x": video({"exp": "a"})})
    whole = path.read_text()
    for text, message in (
        (whole[:-9], "not valid JSON"),
        ("[]", "expected an object with `videos`"),
        (json.dumps({"videos": 1}), "expected an object with `videos`"),
        ('{"videos": {"x": {}, "x": {}}}', "'x' stands twice"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            list(read_samples(tmp_path, splits=["train"]))
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ValueError, match="not UTF-8"):
        list(read_samples(tmp_path, splits=["train"]))
