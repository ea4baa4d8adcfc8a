from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tgs_pipeline.artifacts.features import SCHEMA
from tgs_pipeline.artifacts.features_reader import FeatureReader

VISUAL = np.arange(24, dtype=np.float16).reshape(2, 3, 4)
AUDIO = np.arange(12, dtype=np.float16).reshape(3, 2, 2) / 8


def ok_row(vid, scale):
    return {
        "vid": vid,
        "key": f"key-{vid}",
        "visual": (VISUAL * scale).astype(np.float16).tobytes(),
        "visual_shape": VISUAL.shape,
        "audio": (AUDIO * scale).astype(np.float16).tobytes(),
        "audio_shape": AUDIO.shape,
        "status": "ok",
        "reason": None,
    }


def failed_row(vid):
    row = dict.fromkeys(SCHEMA.names)
    return row | {"vid": vid, "key": f"key-{vid}", "status": "failed", "reason": "no sound"}


def write_shard(path, rows):
    with pa.ipc.new_file(path, SCHEMA) as writer:
        for row in rows:
            writer.write_batch(pa.RecordBatch.from_pylist([row], schema=SCHEMA))


@pytest.fixture
def folder(tmp_path):
    write_shard(tmp_path / "features-00000.arrow", [ok_row("b", 1), failed_row("c")])
    write_shard(tmp_path / "features-00001.arrow", [ok_row("a", 2)])
    return tmp_path


def test_finds_videos_in_any_shard(folder):
    reader = FeatureReader(folder)
    first, second = reader.get("a"), reader.get("b")
    assert first.visual.dtype == np.float16 and np.array_equal(first.visual, VISUAL * 2)
    assert np.array_equal(first.audio, AUDIO * 2)
    assert np.array_equal(second.visual, VISUAL) and second.key == "key-b"
    assert (first.status, first.reason) == ("ok", None)


def test_a_failed_video_has_its_reason_and_no_arrays(folder):
    features = FeatureReader(folder).get("c")
    assert features.visual is None and features.audio is None
    assert (features.status, features.reason) == ("failed", "no sound")


def test_keeps_no_file_open_and_views_outlive_it(folder):
    open_files = Path("/proc/self/fd")
    if not open_files.is_dir():
        pytest.skip("this system does not list the open files of a process")
    before = len(list(open_files.iterdir()))
    visual = FeatureReader(folder).get("b").visual
    assert len(list(open_files.iterdir())) == before
    assert np.array_equal(visual, VISUAL) and not visual.flags.writeable


def test_unknown_video_and_bad_folders_are_named(folder, tmp_path):
    with pytest.raises(ValueError, match="holds no features of video 'zz': run `dvc repro features`"):
        FeatureReader(folder).get("zz")
    with pytest.raises(ValueError, match="absent is missing: run"):
        FeatureReader(tmp_path / "absent")
    (folder / "features-00001.arrow").write_bytes((folder / "features-00001.arrow").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"features-00001\.arrow is not a whole Arrow file"):
        FeatureReader(folder)


def test_other_columns_are_refused(tmp_path):
    schema = pa.schema([("vid", pa.string())])
    with pa.ipc.new_file(tmp_path / "features-00000.arrow", schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist([{"vid": "a"}], schema=schema))
    with pytest.raises(ValueError, match=r"features-00000\.arrow has other columns.*found \['vid'\]"):
        FeatureReader(tmp_path)
