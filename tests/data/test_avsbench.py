import csv

import numpy as np
import pytest
import soundfile
from PIL import Image

from tgs_pipeline.artifacts import samples, table
from tgs_pipeline.data import avsbench
from tgs_pipeline.execution import Execution, StageError
from tgs_pipeline.operators import manifest
from tgs_pipeline.params import Dataset, Params
from tgs_pipeline.workspace import Workspace

SIZE = (16, 24)
EXECUTION = Execution(
    cache=None, batch_size=1, num_loaders=1, flush_rows=64, flush_sec=20.0, max_failure_rate=0.0, device="cpu"
)


def write_csv(path, header, *rows):
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([header, *rows])
    return path


def write_files(root, sample):
    """Frames, masks and sound of a sample."""
    for path in sample.frames:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(root / path)
    for path in filter(None, sample.masks):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIZE, 3), (0, 0, 32), np.uint8)).save(root / path)
    (root / sample.audio[0]).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(root / sample.audio[0], np.zeros(1600, np.float32), 16000)


def write_s4(root):
    header = ("name", "start", "category", "split")
    return write_csv(root / "s4_meta_data.csv", header, ("v1_1", 0, "dog", "train"), ("v-2", 1, "cat", "test"))


def write_semantic(root):
    header = ("vid", "uid", "s_min", "s_sec", "a_obj", "split", "label")
    rows = [
        ("a", "a_0_1", 0, 0, "dog", "test", "v1m"), ("b", "b_0_2", 0, 0, "dog_cat", "test", "v2"),
        ("c", "c_0_3", 0, 0, "dog", "train", "v1s"),
    ]  # fmt: skip
    return write_csv(root / "metadata.csv", header, *rows)


def test_s4(tmp_path):
    train, test = avsbench.read_s4(write_s4(tmp_path), splits=["train", "test"])
    assert (test.uid, test.split, test.row, test.reference) == ("v-2", "test", 1, avsbench.REFERENCE)
    assert str(test.frames[4]) == "s4_data/visual_frames/test/cat/v-2/v-2_5.png" and len(test.frames) == 5
    assert str(test.masks[0]) == "s4_data/gt_masks/test/cat/v-2/v-2_1.png"
    assert str(test.audio[0]) == "s4_data/audio_wav/test/cat/v-2.wav"
    assert [path is None for path in train.masks] == [False, True, True, True, True], "one mask in train"


def test_ms3(tmp_path):
    path = write_csv(tmp_path / "ms3_meta_data.csv", ("name", "split"), ("v", "val"))
    (sample,) = avsbench.read_ms3(path, splits=["val"])
    assert str(sample.frames[0]) == "ms3_data/visual_frames/v/v.mp4_1.png"
    assert str(sample.masks[4]) == "ms3_data/gt_masks/val/v/v_5.png"
    assert str(sample.audio[0]) == "ms3_data/audio_wav/val/v.wav"


def test_semantic_and_v2_binary(tmp_path):
    path = write_semantic(tmp_path)
    short, long, weak = avsbench.read_semantic(path, splits=["test", "train"])
    assert [len(sample.frames) for sample in (short, long, weak)] == [5, 10, 5]
    assert (str(long.frames[9]), str(long.masks[9])) == ("v2/b_0_2/frames/9.jpg", "v2/b_0_2/labels_rgb/9.png")
    assert sum(mask is not None for mask in weak.masks) == 1
    assert [sample.uid for sample in avsbench.read_v2_binary(path, splits=["test", "train"])] == ["b_0_2"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("../v", 0, "dog", "test"), r"s4_meta_data\.csv, data row 2: '\.\./v' is no valid id"),
        (("v", 0, "../dog", "test"), r"data row 2: '\.\./dog' is no valid id"),
        (("v-2", 0, "dog", "test"), "data row 2: 'v-2' stands in row 1 already"),
        (("v", 0, "dog"), "line 4: expected 4 fields"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, message):
    path = write_s4(tmp_path)
    with path.open("a", newline="") as handle:
        csv.writer(handle).writerow(row)
    with pytest.raises(ValueError, match=message):
        list(avsbench.read_s4(path, splits=["test"]))


def test_bad_tables_are_named(tmp_path):
    narrow = write_csv(tmp_path / "a.csv", ("name", "split"), ("v", "test"))
    with pytest.raises(ValueError, match=r"a\.csv: 2 columns .* expected the category in the third"):
        list(avsbench.read_s4(narrow, splits=["test"]))
    with pytest.raises(ValueError, match=r"a\.csv: lacks the column\(s\) \['uid', 'label'\]"):
        list(avsbench.read_semantic(narrow, splits=["test"]))
    odd = write_csv(tmp_path / "b.csv", ("uid", "label", "split"), ("v", "../v2", "test"))
    with pytest.raises(ValueError, match=r"b\.csv, data row 0: label '\.\./v2' of 'v', expected one of v1s, v1m, v2"):
        list(avsbench.read_semantic(odd, splits=["test"]))
    with pytest.raises(ValueError, match=r"c\.csv: no such file"):
        list(avsbench.read_ms3(tmp_path / "c.csv", splits=["test"]))


def run_manifest(root, adapter, metadata, splits, *, skip="error"):
    dataset = Dataset(
        tinyworld=None, adapter=adapter, root=str(root), metadata=metadata, splits=splits, missing_frames=skip
    )
    workspace = Workspace(artifacts=root / "artifacts", dataset=root)
    manifest.run(Params.model_construct(dataset=dataset), workspace, EXECUTION)
    return list(table.read_rows(workspace.samples, samples.SCHEMA))


def test_the_manifest_lists_a_whole_tree(tmp_path):
    path = write_semantic(tmp_path)
    for sample in avsbench.read_semantic(path, splits=["test", "train"]):
        write_files(tmp_path, sample)
    rows = run_manifest(tmp_path, "avsbench_semantic", path.name, ["test", "train"])
    assert [(row["status"], row["num_frames"], (row["height"], row["width"])) for row in rows] == [
        ("ok", 5, SIZE), ("ok", 10, SIZE), ("ok", 5, SIZE),
    ]  # fmt: skip
    assert rows[2]["mask_paths"][1:] == [None] * 4 and rows[2]["mask_hashes"][0] is not None
    assert rows[0]["audio_path"] == "v1m/a_0_1/audio.wav"


def test_missing_files_are_listed(tmp_path):
    path = write_s4(tmp_path)
    (sample,) = avsbench.read_s4(path, splits=["test"])
    write_files(tmp_path, sample)
    (tmp_path / sample.frames[2]).unlink()
    (tmp_path / sample.masks[3]).unlink()
    with pytest.raises(StageError, match="2 frame or mask files are missing") as caught:
        run_manifest(tmp_path, "avsbench_s4", path.name, ["test"])
    assert str(sample.frames[2]) in str(caught.value) and str(sample.masks[3]) in str(caught.value)
