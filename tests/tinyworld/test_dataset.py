import csv
import hashlib
import json

import numpy as np
import pytest
import soundfile
from PIL import Image

from tgs_pipeline.tinyworld.clip import generate_clip
from tgs_pipeline.tinyworld.dataset import write_dataset

SIZES = {"references_per_clip": 3, "frame_size_px": 64, "sample_rate_hz": 16000}
COUNTS = {"train": 2, "val": 1, "test_s": 2, "test_u": 1, "test_n": 2}


def _write(root, counts, seed=5):
    write_dataset(root, seed=seed, num_clips=counts, **SIZES)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return _write(tmp_path_factory.mktemp("tiny") / "dataset", COUNTS)


def _hashes(root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.blake2b(path.read_bytes()).hexdigest() for path in files}


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_metadata_has_the_benchmarks_form(root):
    raw = (root / "metadata.csv").read_bytes()
    assert raw.startswith(b"vid,uid,split,fid,exp\r\n")
    assert raw.count(b"\n") == raw.count(b"\r\n")
    rows = _rows(root / "metadata.csv")
    assert len({row["uid"] for row in rows}) == len(rows)
    counts = {split: sum(row["split"] == split for row in rows) for split in COUNTS}
    assert counts == {"train": 9, "val": 3, "test_s": 6, "test_u": 3, "test_n": 6}
    for row in rows:
        vid, name, number = row["uid"].rsplit("_", 2)
        assert number.isdigit() and row["exp"]
        if name == "null":
            prefix, _, plain = vid.partition("-")
            assert prefix in ("null_m", "null_c") and plain == row["vid"] and row["fid"] == "0"
        else:
            assert vid == row["vid"]
    assert {row["uid"][:6] for row in rows if row["split"] == "test_n"} == {"null_m", "null_c"}


def test_every_row_has_its_media(root):
    for row in _rows(root / "metadata.csv"):
        vid = row["uid"].rsplit("_", 2)[0]
        is_null = vid.startswith("null_")
        frames = sorted((root / "media" / vid / "frames").iterdir())
        assert [path.name for path in frames] == [f"{index}.jpg" for index in range(10)]
        with Image.open(frames[0]) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))
        info = soundfile.info(root / ("media_cross" if is_null else "media") / vid / "audio.wav")
        assert (info.frames, info.samplerate, info.channels, info.subtype) == (160000, 16000, 1, "PCM_16")
        masks = sorted((root / "gt_mask" / vid / f"fid_{row['fid']}").iterdir())
        assert [path.name for path in masks] == [f"{index:05d}.png" for index in range(10)]
        values = set()
        for path in masks:
            with Image.open(path) as image:
                assert (image.mode, image.size) == ("L", (64, 64))
                values |= set(np.unique(np.asarray(image)).tolist())
        assert values == ({0} if is_null else {0, 255})


def test_files_hold_the_clip(root):
    clip = generate_clip(5, "test_s", 1, **SIZES)
    for fid, mask in enumerate(clip.masks):
        with Image.open(root / "gt_mask" / clip.plan.vid / f"fid_{fid}" / "00004.png") as image:
            assert np.array_equal(np.asarray(image) > 0, mask[4])
    samples, _ = soundfile.read(root / "media" / clip.plan.vid / "audio.wav", dtype="float32")
    assert np.abs(samples - clip.waveform).max() < 1e-4
    rows = [row for row in _rows(root / "metadata.csv") if row["vid"] == clip.plan.vid]
    assert [row["exp"] for row in rows] == [reference.text for reference in clip.plan.references]


def test_r2_rows_belong_to_rows_of_the_test_splits(root):
    raw = (root / "R2AVSBench_metadata.csv").read_bytes()
    assert raw.startswith(b"vid,uid,split,fid,exp\n") and b"\r" not in raw
    metadata = {row["uid"]: row for row in _rows(root / "metadata.csv")}
    rows = _rows(root / "R2AVSBench_metadata.csv")
    assert rows
    for row in rows:
        assert row["split"] in ("test_s", "test_u")
        assert row["exp"] != metadata[row["uid"]]["exp"]
        assert {**row, "exp": ""} == {**metadata[row["uid"]], "exp": ""}


def test_instructions_cover_every_row_of_train(root):
    instructions = json.loads((root / "RefThinker_instruction_tuning_set.json").read_text(encoding="utf-8"))
    uids = [row["uid"] for row in _rows(root / "metadata.csv") if row["split"] == "train"]
    assert sorted(instructions) == sorted(uids)
    for uid, sample in instructions.items():
        assert list(sample) == ["output"]
        assert ("<s_object> null </s_object>" in sample["output"]) == uid.startswith("null_")


def test_the_same_seed_gives_the_same_bytes(root, tmp_path):
    assert _hashes(_write(tmp_path / "again", COUNTS)) == _hashes(root)


def test_more_clips_change_no_clip(root, tmp_path):
    before = _hashes(root)
    more = _hashes(_write(tmp_path / "more", COUNTS | {"train": 3, "test_n": 3}))
    media = {name for name in before if "/" in name}
    assert {name: more[name] for name in media} == {name: before[name] for name in media}
    assert len(more) > len(before)
    lines = (tmp_path / "more" / "metadata.csv").read_bytes().splitlines()
    assert set((root / "metadata.csv").read_bytes().splitlines()) <= set(lines)


def test_contact_sheet(root, tmp_path):
    with Image.open(root / "contact_sheet.png") as sheet:
        assert sheet.width > 2 * 4 * 64 and sheet.height > 4 * 64


def test_open_has_references_but_no_chains(tmp_path):
    """Phase 1 takes its media, and phase 2 must not meet the categories that are held out."""
    root = _write(tmp_path / "open", {"open": 2, "train": 1})
    rows = _rows(root / "metadata.csv")
    assert {row["split"] for row in rows} == {"open", "train"}
    assert any(row["uid"].startswith("null_") for row in rows if row["split"] == "open")
    for row in rows:
        assert (root / "media" / row["uid"].rsplit("_", 2)[0] / "frames" / "9.jpg").is_file()
    instructions = json.loads((root / "RefThinker_instruction_tuning_set.json").read_text(encoding="utf-8"))
    assert set(instructions) == {row["uid"] for row in rows if row["split"] == "train"}


def test_nothing_to_write(tmp_path):
    root = _write(tmp_path / "nothing", {"train": 0})
    assert (root / "metadata.csv").read_bytes() == b"vid,uid,split,fid,exp\r\n"
    assert json.loads((root / "RefThinker_instruction_tuning_set.json").read_text(encoding="utf-8")) == {}


def test_bad_requests(tmp_path):
    with pytest.raises(ValueError, match=r"must not be negative: got \{'val': -1\}"):
        _write(tmp_path / "new", {"val": -1})
    with pytest.raises(ValueError, match="unknown splits"):
        _write(tmp_path / "new", {"test": 1})
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ValueError, match="not an empty folder"):
        _write(tmp_path, {"val": 1})
