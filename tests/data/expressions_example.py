"""Small trees in the layouts of the benchmarks of referring video segmentation, made by hand."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tgs_pipeline.metrics import rle

SIZE = (24, 32)
FRAMES = ("00000", "00005")
PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0]
LABELS = np.zeros(SIZE, np.uint8)
LABELS[2:10, 2:10], LABELS[12:20, 16:28] = 1, 2


def write_video(folder: Path, vid: str, frames=FRAMES) -> None:
    (folder / vid).mkdir(parents=True)
    for name in frames:
        Image.fromarray(np.full((*SIZE, 3), 100, np.uint8)).save(folder / vid / f"{name}.jpg")


def write_labels(folder: Path, vid: str, labels: np.ndarray = LABELS, frames=FRAMES) -> None:
    (folder / vid).mkdir(parents=True)
    for name in frames:
        image = Image.fromarray(labels, mode="P")
        image.putpalette(PALETTE)
        image.save(folder / vid / f"{name}.png")


def write_expressions(path: Path, videos: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"videos": videos}), encoding="utf-8")
    return path


def video(*expressions: dict, frames=FRAMES) -> dict:
    return {"expressions": {str(index): one for index, one in enumerate(expressions)}, "frames": list(frames)}


def write_ref_youtube_vos(root: Path) -> Path:
    """train: a video with two objects; valid: one video, and one that belongs to test."""
    meta = root / "meta_expressions"
    train = video({"exp": "the left one", "obj_id": "1"}, {"exp": "the right one", "obj_id": "2"})
    write_expressions(meta / "train" / "meta_expressions.json", {"aa-1": train})
    asked = video({"exp": "a dog"})
    write_expressions(meta / "valid" / "meta_expressions.json", {"bb": asked, "cc": asked})
    write_expressions(meta / "test" / "meta_expressions.json", {"cc": asked})
    for split, vid in (("train", "aa-1"), ("valid", "bb")):
        write_video(root / split / "JPEGImages", vid)
    write_labels(root / "train" / "Annotations", "aa-1")
    return meta


def write_ref_davis17(root: Path) -> Path:
    """One video with two objects in val, four sentences for each."""
    texts = root / "davis_text_annotations"
    texts.mkdir(parents=True)
    for name in ("annot1", "annot1_full_video", "annot2", "annot2_full_video"):
        lines = [f'clasic-car {label} "the caf\xe9 {name} {label}"' for label in (1, 2)]
        (texts / f"Davis17_{name}.txt").write_bytes("\n".join(lines).encode("utf-8" if "1" in name else "latin-1"))
    sets = root / "DAVIS" / "ImageSets" / "2017"
    sets.mkdir(parents=True)
    (sets / "val.txt").write_text("classic-car\n")
    (sets / "train.txt").write_text("")
    write_video(root / "DAVIS" / "JPEGImages" / "480p", "classic-car")
    write_labels(root / "DAVIS" / "Annotations_unsupervised" / "480p", "classic-car")
    return texts


def write_mevis(root: Path) -> Path:
    """valid_u: an expression for two objects, of which one is never seen in the second frame."""
    masks = {}
    for number, label in ((7, 1), (8, 2)):
        counts = rle.encode(label == LABELS).decode()
        shown = {"size": list(SIZE), "counts": counts}
        masks[str(number)] = [shown, None if label == 2 else shown]
    write_expressions(
        root / "valid_u" / "meta_expressions.json",
        {
            "dd": video(
                {"exp": "both", "obj_id": [0, 1], "anno_id": [7, 8]}, {"exp": "one", "obj_id": [1], "anno_id": [8]}
            )
        },
    )
    (root / "valid_u" / "mask_dict.json").write_text(json.dumps(masks))
    write_video(root / "valid_u" / "JPEGImages", "dd")
    write_expressions(root / "valid" / "meta_expressions.json", {"ee": video({"exp": "x"})})
    write_video(root / "valid" / "JPEGImages", "ee")
    return root
