import pytest
from data.expressions_example import LABELS, write_ref_davis17

from tgs_pipeline.data.ref_davis17 import read_samples
from tgs_pipeline.data.truth import read_truth


def test_four_expressions_for_each_object_in_the_order_of_the_benchmark(tmp_path):
    samples = list(read_samples(write_ref_davis17(tmp_path), splits=["val", "train"]))
    assert [sample.uid for sample in samples] == [f"classic-car_{number}" for number in range(8)]
    assert [sample.reference for sample in samples[:5]] == [
        "the caf\xe9 annot1 1", "the caf\xe9 annot1_full_video 1", "the caf\xe9 annot2 1",
        "the caf\xe9 annot2_full_video 1", "the caf\xe9 annot1 2",
    ]  # fmt: skip
    assert str(samples[0].frames[1]) == "DAVIS/JPEGImages/480p/classic-car/00005.jpg"
    assert str(samples[4].masks[0]) == "DAVIS/Annotations_unsupervised/480p/classic-car/00000.png#2"
    assert ((read_truth(tmp_path / samples[4].masks[0]) > 0) == (LABELS == 2)).all()
    assert (samples[7].split, samples[7].row, samples[7].audio) == ("val", 7, ())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('../x 1 "a"', r"'\.\./x' is no valid id"),
        ("classic-car one", r"line 1: object 'one' of classic-car: expected <vid> <obj_id>"),
        ('classic-car 0 "a"', "line 1: object '0'"),
        ('classic-car 1 "a"\nclassic-car 1 "b"', "line 2: a second sentence for object 1"),
        ("classic-car 1", "the reference is empty"),
        ('classic-car 1 "a"', r"describes objects \[1, 2\] of classic-car, but Davis17_annot1\.txt describes \[1\]"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, message):
    texts = write_ref_davis17(tmp_path)
    (texts / "Davis17_annot1.txt").write_text(line + "\n")
    with pytest.raises(ValueError, match=message):
        list(read_samples(texts, splits=["val"]))


def test_bad_files_are_named(tmp_path):
    texts = write_ref_davis17(tmp_path)
    (texts / "Davis17_annot1_full_video.txt").write_bytes('classic-car 1 "caf\xe9"'.encode("latin-1"))
    with pytest.raises(ValueError, match=r"annot1_full_video\.txt: not utf-8"):
        list(read_samples(texts, splits=["val"]))
    (texts / "Davis17_annot1_full_video.txt").unlink()
    with pytest.raises(ValueError, match=r"annot1_full_video\.txt: no such file"):
        list(read_samples(texts, splits=["val"]))


def test_videos_that_repeat_or_have_no_frames_are_named(tmp_path):
    texts = write_ref_davis17(tmp_path)
    names = tmp_path / "DAVIS" / "ImageSets" / "2017" / "val.txt"
    names.write_text("classic-car\nclassic-car\n")
    with pytest.raises(ValueError, match=r"val\.txt: classic-car stands twice"):
        list(read_samples(texts, splits=["val"]))
    names.write_text("camel\n")
    with pytest.raises(ValueError, match=r"480p/camel: holds no frame of camel; unpack"):
        list(read_samples(texts, splits=["val"]))
