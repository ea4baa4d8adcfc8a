"""A small dataset in the layout of Ref-AVSBench, made by hand, for tests of the adapters and the manifest."""

import csv
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

VID = "abc_-12345x_10000_20000"
NULL_VID = f"null_m-{VID}"
ROWS = [
    (VID, f"{VID}_dog_1", "test_s", "3", "The dog on the left."),
    (VID, f"{VID}_dog_2", "test_s", "3", "the loudest  "),
    (VID, f"{NULL_VID}_null_1", "test_n", "0", "The cat."),
    (VID, f"{VID}_dog_9", "TODO", "3", "Ignored."),
]


def write_metadata(path: Path, rows=ROWS, header=("vid", "uid", "split", "fid", "exp")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([header, *rows])
    return path


def write_clip(root: Path, vid: str, *, fid: int, seed: int, size: int = 32) -> None:
    rng = np.random.default_rng(seed)
    (root / "media" / vid / "frames").mkdir(parents=True)
    (root / "gt_mask" / vid / f"fid_{fid}").mkdir(parents=True)
    for index in range(10):
        frame = rng.integers(0, 255, (size, size, 3), dtype=np.uint8)
        Image.fromarray(frame).save(root / "media" / vid / "frames" / f"{index}.jpg")
        mask = np.zeros((size, size), np.uint8)
        mask[8:16, index : index + 8] = 255
        Image.fromarray(mask).save(root / "gt_mask" / vid / f"fid_{fid}" / f"{index:05d}.png")
    sound = rng.standard_normal(160_000).astype(np.float32) / 10
    soundfile.write(root / "media" / vid / "audio.wav", sound, 16_000)


def write_dataset(root: Path, rows=ROWS) -> Path:
    """One clip with two references, and a null clip whose sound lies in media_cross."""
    write_clip(root, VID, fid=3, seed=1)
    write_clip(root, NULL_VID, fid=0, seed=2)
    (root / "media_cross" / NULL_VID).mkdir(parents=True)
    (root / "media" / NULL_VID / "audio.wav").rename(root / "media_cross" / NULL_VID / "audio.wav")
    write_metadata(root / "metadata.csv", rows)
    return root
