import pytest
from dataset_example import NULL_VID, ROWS, VID, write_metadata

from tgs_pipeline.data.ref_avsbench import read_samples, summarise


def test_paths_follow_the_uid_not_the_vid_column(tmp_path):
    rows = [("another_vid_0_10000", *ROWS[0][1:]), *ROWS[1:]]
    first, second, null = read_samples(write_metadata(tmp_path / "m.csv", rows), splits=["test_s", "test_n"])
    assert (first.vid, first.row, first.reference) == (VID, 0, "The dog on the left.")
    assert str(first.frames[9]) == f"media/{VID}/frames/9.jpg" and len(first.frames) == 10
    assert str(first.masks[9]) == f"gt_mask/{VID}/fid_3/00009.png"
    assert [str(path) for path in first.audio] == [f"media/{VID}/audio.wav"]
    assert second.reference == "the loudest  ", "references are kept verbatim"
    assert null.is_null and null.vid == NULL_VID and null.row == 2
    assert [str(path) for path in null.audio] == [f"media_cross/{NULL_VID}/audio.wav", f"media/{NULL_VID}/audio.wav"]


def test_repeated_uids_are_kept_apart_by_row(tmp_path):
    path = write_metadata(tmp_path / "m.csv", [ROWS[0], (*ROWS[0][:3], "5", "Another.")])
    assert [(s.uid, s.row, s.masks[0].parent.name) for s in read_samples(path, splits=["test_s"])] == [
        (ROWS[0][1], 0, "fid_3"),
        (ROWS[0][1], 1, "fid_5"),
    ]
    assert summarise(path)["rows that repeat the uid of an earlier row"] == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((VID, f"../../{VID}_dog_1", "test_s", "3", "A."), r"m\.csv, data row 0: '\.\./\.\./.* is no valid id"),
        ((VID, "..", "test_s", "3", "A."), "is no valid id"),
        ((VID, f"{VID}\x00_dog_1", "test_s", "3", "A."), "is no valid id|not a well-formed CSV"),
        ((VID, "dog", "test_s", "3", "A."), r"is not <vid>_<object>_<number>"),
        ((VID, f"{VID}_dog_1", "test_s", "../3", "A."), r"fid of .* is '\.\./3'"),
        ((VID, f"{VID}_dog_1", "test_s", "٣", "A."), r"fid of .* expected a number"),
        ((VID, f"{VID}_dog_1", "test_s", "3", "   "), "the reference is empty"),
        ((VID, f"{VID}_dog_1", "test_s", "3", "a" * 3000), "has 3000 characters"),
        ((VID, f"{VID}_dog_1", "test_s", "3", "a\x1b[31m"), "control characters"),
        ((VID, f"{VID}_dog_1", "test_s", "3"), r"line 2: expected 5 fields"),
        ((VID, f"{VID}_dog_1", "test_s", "3", "A", "B"), r"line 2: expected 5 fields"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        list(read_samples(write_metadata(tmp_path / "m.csv", [row]), splits=["test_s"]))


def test_bad_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.csv: no such file"):
        list(read_samples(tmp_path / "absent.csv", splits=["test_s"]))
    (tmp_path / "latin.csv").write_bytes("vid,uid,split,fid,exp\na,b_c_1,test_s,0,d\xe9j\xe0".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.csv: not UTF-8"):
        list(read_samples(tmp_path / "latin.csv", splits=["test_s"]))
    write_metadata(tmp_path / "short.csv", [], header=("vid", "uid", "split", "exp"))
    with pytest.raises(ValueError, match=r"short\.csv: lacks the column\(s\) \['fid'\]"):
        list(read_samples(tmp_path / "short.csv", splits=["test_s"]))
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.csv: lacks the column"):
        list(read_samples(tmp_path / "empty.csv", splits=["test_s"]))


def test_the_real_metadata_loads_whole(shared_data):
    path = shared_data / "refavsbench" / "metadata.csv"
    summary = summarise(path)
    assert summary["rows"] == 20_459
    assert {split: summary[f"rows of split {split}"] for split in ("train", "val", "test_s", "test_u", "test_n")} == {
        "train": 14_113, "val": 1_349, "test_s": 2_288, "test_u": 1_656, "test_n": 1_028
    }  # fmt: skip
    assert summary["rows ignored because their split is TODO"] == 25
    assert summary["rows that repeat the uid of an earlier row"] == 11
    assert summary["null references"] == 608 + 72 + 1028
    assert summary["references that are error messages"] == 1
    assert summary["references with leading or trailing space"] == 41
    assert summary["rows whose vid column differs from the uid's"] == summary["null references"]
    assert sum(1 for _ in read_samples(path, splits=["test_s", "test_u", "test_n"])) == 4_972


def test_the_real_harder_references_load(shared_data):
    samples = list(read_samples(shared_data / "r2avsbench" / "metadata.csv", splits=["test_s", "test_u"]))
    assert len(samples) == 400 and len({s.uid for s in samples}) == 399
