import shutil

import numpy as np
import pytest
import yaml
from dataset_example import NULL_VID, ROWS, VID, write_dataset, write_metadata
from PIL import Image
from project import ROOT

from tgs_pipeline.artifacts import samples, table
from tgs_pipeline.execution import StageError
from tgs_pipeline.operators import manifest
from tgs_pipeline.params import Params
from tgs_pipeline.stage import execution_of
from tgs_pipeline.workspace import Workspace


def make(tmp_path, root, *, max_failure_rate=0.0, **dataset):
    data = yaml.safe_load((ROOT / "params.yaml").read_text())
    data["runtime"]["max_failure_rate"] = max_failure_rate
    data["dataset"] |= {"tinyworld": None, "root": str(root)} | dataset
    params = Params.model_validate(data)
    workspace = Workspace(artifacts=tmp_path / "artifacts", dataset=root)
    manifest.run(params, workspace, execution_of(params, stage="manifest"))
    return list(table.read_rows(workspace.samples, samples.SCHEMA))


def test_files_are_found_and_hashed(tmp_path):
    rows = make(tmp_path, write_dataset(tmp_path / "data"))
    assert [(row["uid"], row["row"], row["status"]) for row in rows] == [
        (r[1], i, "ok") for i, r in enumerate(ROWS[:3])
    ]
    first, second, null = rows
    assert first["frame_hashes"] == second["frame_hashes"] != null["frame_hashes"]
    assert len(set(first["frame_hashes"])) == 10 and (first["height"], first["width"]) == (32, 32)
    assert null["audio_path"] == f"media_cross/{NULL_VID}/audio.wav"
    assert null["mask_paths"][0] == f"gt_mask/{NULL_VID}/fid_0/00000.png"


def test_same_files_elsewhere_give_the_same_bytes(tmp_path):
    write_dataset(tmp_path / "data")
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    make(tmp_path / "a", tmp_path / "data")
    make(tmp_path / "b", tmp_path / "copy")
    name = "artifacts/samples/samples.parquet"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_missing_files_are_all_named_or_skipped_and_kept_in_view(tmp_path):
    root = write_dataset(tmp_path / "data")
    gone = [f"media/{VID}/frames/3.jpg", f"media/{VID}/frames/7.jpg", f"gt_mask/{VID}/fid_3/00001.png"]
    for path in gone:
        (root / path).unlink()
    with pytest.raises(StageError) as error:
        make(tmp_path, root)
    assert all(path in str(error.value) for path in gone) and "3 frame or mask files" in str(error.value)
    assert not (tmp_path / "artifacts/samples/samples.parquet").exists()
    row = make(tmp_path, root, missing_frames="skip")[0]
    assert row["frame_indices"] == [0, 1, 2, 4, 5, 6, 8, 9] and row["num_frames"] == 10
    assert row["mask_paths"][1] is None and row["mask_hashes"][1] is None


def test_a_null_sample_needs_no_mask(tmp_path):
    root = write_dataset(tmp_path / "data")
    shutil.rmtree(root / "gt_mask" / NULL_VID)
    assert make(tmp_path, root)[2]["mask_paths"] == [None] * 10


def test_a_mask_of_another_size_is_named(tmp_path):
    root = write_dataset(tmp_path / "data")
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(root / "gt_mask" / VID / "fid_3" / "00004.png")
    with pytest.raises(StageError, match=rf"{VID}_dog_1 .row 0.*00004\.png: 16 x 16 px, but 0\.jpg .* 32 x 32 px"):
        make(tmp_path, root)


def test_a_clip_without_any_frame_fails_also_when_frames_may_be_skipped(tmp_path):
    root = write_dataset(tmp_path / "data")
    shutil.rmtree(root / "media" / VID)
    with pytest.raises(StageError, match="holds none of the frames"):
        make(tmp_path, root, missing_frames="skip")


def test_metadata_cannot_lead_out_of_the_root(tmp_path):
    write_metadata(tmp_path / "m.csv")
    with pytest.raises(ValueError, match=r"leads out of dataset\.root"):
        make(tmp_path, write_dataset(tmp_path / "data"), metadata="../m.csv")


def test_no_rows_of_the_wanted_splits(tmp_path):
    with pytest.raises(StageError, match=r"no row of splits \['test_q'\]"):
        make(tmp_path, write_dataset(tmp_path / "data"), splits=["test_q"])


def test_a_failed_sample_lists_no_frames(tmp_path):
    root = write_dataset(tmp_path / "data")
    (root / "media" / VID / "frames" / "4.jpg").write_bytes(b"no image")
    failed, _, null = make(tmp_path, root, max_failure_rate=1.0)
    assert failed["status"] == "failed" and "4.jpg: not a readable JPEG or PNG image" in failed["reason"]
    for name in ("frame_indices", "frame_paths", "frame_hashes", "mask_paths", "mask_hashes"):
        assert failed[name] == [] and len(null[name]) == 10
    assert failed["num_frames"] == 10, "they still count in coverage"
