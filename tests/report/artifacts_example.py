"""A small complete workspace made by hand: media, ground truth and every artifact, with each way in which rows fail."""

import hashlib
import json
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from tgs_pipeline.artifacts import boxes, chains, masks, pivots, samples, scores, table
from tgs_pipeline.metrics import rle
from tgs_pipeline.workspace import Workspace

IMAGE_TAG = "<img src=x onerror=alert(1)>"
BOLD_TAG = "<b>man"
SCRIPT_TAG = "</script><script>alert(2)</script>\u2028<!--"


class Example:
    """Collects rows; `write` makes the artifacts of them. Frames are num_frames smooth pictures of height x width."""

    def __init__(self, root: Path, *, num_frames: int = 10, height: int = 32, width: int = 48) -> None:
        self.workspace = Workspace(artifacts=root / "artifacts", dataset=root / "dataset")
        self.num_frames, self.height, self.width = num_frames, height, width
        names = ("samples", "chains", "boxes", "masks", "scores", "pivots")
        self.rows: dict[str, list[dict]] = {name: [] for name in names}

    def add_video(self, vid: str, *, sound_sec: float | None = 10.0, seed: int = 0) -> None:
        """Frames that drift in colour, and a tone with a little noise (None: no sound file)."""
        folder = self.workspace.dataset / "media" / vid
        folder.mkdir(parents=True)
        y, x = np.mgrid[: self.height, : self.width] / max(self.height, self.width)
        for index in range(self.num_frames):
            phase = seed + index / 4
            frame = np.stack([np.sin(6 * x + phase), np.cos(5 * y + phase), np.sin(9 * x * y + phase)], axis=-1)
            Image.fromarray(np.uint8(128 + 100 * frame)).save(folder / f"{index}.png")
        if sound_sec:
            time = np.arange(int(16_000 * sound_sec)) / 16_000
            tone = 0.4 * np.sin(2 * np.pi * (220 + 60 * seed) * time) * (0.2 + 0.8 * (np.sin(2 * time) > 0))
            noise = np.random.default_rng(seed).normal(0, 0.02, time.size)
            soundfile.write(folder / "audio.wav", (tone + noise).astype(np.float32), 16_000)

    def ellipse(self, index: int, *, shift: float = 0.0) -> np.ndarray:
        """An ellipse that moves to the right from frame to frame, bool (height, width)."""
        y, x = np.mgrid[: self.height, : self.width]
        centre = self.width * (0.3 + 0.04 * index + shift)
        return ((x - centre) / (0.16 * self.width)) ** 2 + ((y - self.height / 2) / (0.3 * self.height)) ** 2 < 1

    def write_truth(self, vid: str) -> list[str]:
        folder = self.workspace.dataset / "gt_mask" / vid
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{index:05d}.png" for index in range(self.num_frames)]
        for index, path in enumerate(paths):
            Image.fromarray(np.uint8(255 * self.ellipse(index))).save(path)
        return [path.relative_to(self.workspace.dataset).as_posix() for path in paths]

    def add(self, vid: str, *, split: str = "test_s", reference: str = "The dog on the left.", uid: str | None = None,
            is_null: bool = False, chain: dict | None = None, score: dict | None = None,
            sample: dict | None = None, box: dict | None = None, mask: dict | None = None, truth: bool = True,
            shift: float = 0.05) -> None:  # fmt: skip
        """One sample; `chain`, `score`, `sample` change columns, `box` and `mask` those of every frame."""
        row = len(self.rows["samples"])
        uid = uid or f"{vid}_dog_{row}"
        ids = {"uid": uid, "row": row}
        paths = [f"media/{vid}/{index}.png" for index in range(self.num_frames)]
        has_sound = (self.workspace.dataset / "media" / vid / "audio.wav").exists()
        self.rows["samples"].append(
            ids
            | {"vid": vid, "split": split, "reference": reference, "is_null": is_null}
            | {"frame_indices": list(range(self.num_frames)), "frame_paths": paths}
            | {"frame_hashes": [hashlib.blake2b(path.encode(), digest_size=16).hexdigest() for path in paths]}
            | {"height": self.height, "width": self.width, "num_frames": self.num_frames}
            | {"audio_path": f"media/{vid}/audio.wav" if has_sound else None, "audio_hash": None}
            | {"mask_paths": self.write_truth(vid) if truth else [None] * self.num_frames}
            | {"mask_hashes": [None] * self.num_frames, "status": "ok", "reason": None}
            | (sample or {})
        )
        think = f"The reference says: {reference}\nThe video shows a dog and a car.\nThe audio contains barking."
        self.rows["chains"].append(
            ids
            | {
                "vid": vid,
                "split": split,
                "reference": reference,
                "think": think,
                "f_object": "the brown dog that barks",
            }
            | {
                "s_object": "dog",
                "null_probability": 0.125,
                "raw": f"<think>{think}</think><answer>dog</answer>",
                "num_tokens": 57,
            }
            | {"status": "ok", "reason": None}
            | (chain or {})
        )
        for index in self.rows["samples"][-1]["frame_indices"]:
            self._add_frame(ids, index, shift=shift, box=box or {}, mask=mask or {})
        self.rows["scores"].append(
            ids
            | {"vid": vid, "split": split, "is_null": is_null, "J": 0.5, "F": 0.75, "JF": 0.625, "S": None}
            | {"num_frames": self.num_frames, "num_frames_expected": self.num_frames, "temporal_stability": None}
            | {"enters_late": False, "status": "ok", "reason": None}
            | (score or {})
        )

    def _add_frame(self, ids: dict, index: int, *, shift: float, box: dict, mask: dict) -> None:
        drawn = self.ellipse(index, shift=shift)
        y, x = np.nonzero(drawn)
        self.rows["boxes"].append(
            ids
            | {"frame_index": index, "box_xyxy_px": [float(v) for v in (x.min(), y.min(), x.max() + 1, y.max() + 1)]}
            | {"score": 0.75, "phrase": "dog", "query_index": 3, "num_candidates": 2, "rule": "s_object"}
            | {"status": "ok", "reason": None}
            | box
        )
        has_box = self.rows["boxes"][-1]["box_xyxy_px"] is not None
        self.rows["masks"].append(
            ids
            | {"frame_index": index, "height": self.height, "width": self.width}
            | {"rle": rle.encode(drawn if has_box else np.zeros_like(drawn)), "levels": None, "levels_size": 224}
            | {"predicted_iou": 0.9 if has_box else None, "status": self.rows["boxes"][-1]["status"]}
            | {"reason": self.rows["boxes"][-1]["reason"]}
            | mask
        )

    def add_pivot(self, name: str, frame_index: int | None, box: list[float] | None, **changes: object) -> None:
        """The pivot of an object of the sample that was added last."""
        ids = {column: self.rows["samples"][-1][column] for column in ("uid", "row")}
        self.rows["pivots"].append(
            ids
            | {"object": name, "window": 0, "frame_index": frame_index, "box_xyxy_px": box, "num_candidates": 1}
            | {"score": 0.5 if box else None, "phrase": name if box else None, "query_index": 0 if box else None}
            | {"rule": "pivot_lbru", "status": "ok" if box else "no_box", "reason": None}
            | changes
        )

    def write(self, metrics: dict | None = None) -> Workspace:
        modules = {"samples": samples, "chains": chains, "boxes": boxes, "masks": masks, "scores": scores}
        for name, module in modules.items():
            tables = [table.from_rows(self.rows[name], module.SCHEMA)]
            table.write(getattr(self.workspace, name), module.SCHEMA, tables)
        if self.rows["pivots"]:
            table.write_rows(self.workspace.pivots, pivots.SCHEMA, self.rows["pivots"])
        self.workspace.metrics.write_text(json.dumps(metrics or METRICS))
        self.workspace.faithfulness_metrics.write_text(json.dumps(FAITHFULNESS))
        return self.workspace


FAITHFULNESS = {
    "num_samples": 16,
    "failed": 1,
    "rates": {
        "edited_description": {
            "follows": {"rate": 0.75, "low": 0.505, "high": 0.898, "hits": 12, "cases": 16, "unreadable": 2}
        },
        "swapped_sound": {
            "changes_where_it_should": {"rate": 1.0, "low": 0.5, "high": 1.0, "hits": 4, "cases": 4, "unreadable": 0}
        },
    },
}
METRICS = {
    "protocol": "tgs",
    "compat": {"think": "corrected", "score": "parity"},
    "splits": {
        "test_s": {"J": 0.5, "F": 0.75, "JF": 0.625, "samples": 6, "coverage": 0.9},
        "test_u": {"J": 0.4, "F": 0.5, "JF": 0.45, "samples": 2, "coverage": 1.0},
        "mix": {"J": 0.45, "F": 0.625, "JF": 0.5375},
        "test_n": {"S": 0.1, "false_positive_rate": 0.5, "samples": 2, "coverage": 1.0},
    },
}
NO_BOX = {"box_xyxy_px": None, "score": None, "phrase": None, "query_index": None, "num_candidates": 0}
NO_SCORE = {"J": None, "F": None, "JF": None, "S": None}


def write_example(root: Path, *, height: int = 32, width: int = 48) -> Workspace:
    """Ten samples of four videos: fine ones, HTML in text, and every kind of failure."""
    example = Example(root, height=height, width=width)
    for seed, vid in enumerate(("seen", "unseen", "null_m-seen")):
        example.add_video(vid, seed=seed)
    example.add_video("broken", sound_sec=None)
    example.add("seen", score={"J": 0.9, "F": 0.95, "JF": 0.925}, shift=0.0)
    example.add("seen", uid=f"seen_{IMAGE_TAG}", reference=IMAGE_TAG, chain={"think": SCRIPT_TAG, "raw": SCRIPT_TAG})
    no_answer = "the reply has no <answer>"
    example.add(
        "seen",
        reference="What barks the longest?",
        chain={"status": "truncated", "reason": "cut at 128 tokens", "think": None, "f_object": None, "s_object": None},
        box=NO_BOX | {"status": "no_answer", "reason": no_answer},
        score={"J": 0.0, "F": 0.0, "JF": 0.0, "status": "no_answer", "reason": no_answer},
    )
    example.add(
        "unseen",
        split="test_u",
        reference="The object that makes no sound at all although it moves a lot, seen in the second half of the clip",
        box=NO_BOX | {"status": "no_box", "reason": "no candidate above 0.1"},
        score={"J": 0.1, "F": 0.2, "JF": 0.15},
    )
    example.add("unseen", split="test_u", box={"rule": "f_object_decides"}, score={"J": 0.3, "F": 0.4, "JF": 0.35})
    example.add(
        "null_m-seen",
        split="test_n",
        is_null=True,
        truth=False,
        reference="The cat.",
        chain={"s_object": None, "f_object": None},
        box=NO_BOX | {"status": "no_caption", "reason": "nothing is referred to"},
        score=NO_SCORE | {"S": 0.0},
    )
    example.add(
        "null_m-seen", split="test_n", is_null=True, truth=False, reference="The piano.", score=NO_SCORE | {"S": 0.2}
    )
    failed = {"frame_indices": [], "frame_paths": [], "frame_hashes": [], "mask_paths": [], "mask_hashes": []}
    reason = "media/gone: holds none of the frames"
    example.add(
        "gone",
        truth=False,
        sample=failed | {"height": 0, "width": 0, "status": "failed", "reason": reason},
        chain={"status": "failed", "reason": reason, "think": None, "f_object": None, "s_object": None, "raw": None,
               "num_tokens": 0},
        score=NO_SCORE | {"num_frames": 0, "status": "failed", "reason": reason},
    )  # fmt: skip
    example.add("broken", reference="Its ground truth, sound and a frame are lost.")
    example.add("broken", mask={"status": "failed", "reason": "out of memory"}, score=NO_SCORE | {"status": "failed"})
    workspace = example.write()
    (workspace.dataset / "gt_mask/broken/00002.png").unlink()
    (workspace.dataset / "media/broken/3.png").write_bytes(b"no image")
    return workspace


def write_objects(root: Path, *, height: int = 32, width: int = 48) -> Workspace:
    """A sample whose objects `guitar` and `<b>man` share frame 2, and a plain one."""
    example = Example(root, num_frames=4, height=height, width=width)
    example.add_video("duet")
    example.add("duet", chain={"s_object": f"guitar. {BOLD_TAG}. dog", "raw": "{}"})
    for row in example.rows["boxes"][:4]:
        if row["frame_index"] != 2:
            row |= NO_BOX | {"rule": "not_pivot", "status": "no_box", "reason": "not the pivot, which is frame 2"}
    example.rows["boxes"][2] |= {"box_xyxy_px": [3.0, 4.0, 24.0, 28.0], "score": 0.5, "rule": "pivot_lbru"}
    example.add_pivot("guitar", 2, [3.0, 4.0, 24.0, 28.0])
    example.add_pivot(BOLD_TAG, 2, [24.0, 8.0, 45.0, 30.0], score=0.25)
    example.add_pivot("dog", 1, None, status="no_answer", reason="it is empty")
    example.add("duet")
    return example.write()


def write_many(root: Path, *, num_videos: int, references_per_video: int, sound_sec: float | None = None,
               num_frames: int = 2, height: int = 8, width: int = 8) -> Workspace:  # fmt: skip
    """A workspace of num_videos * references_per_video plain samples."""
    example = Example(root, num_frames=num_frames, height=height, width=width)
    for number in range(num_videos):
        vid, split = f"video{number:04d}", ("test_s", "test_u")[number % 2]
        example.add_video(vid, sound_sec=sound_sec, seed=number)
        for reference in range(references_per_video):
            score = 1 - (number * references_per_video + reference) / (num_videos * references_per_video)
            kind = ("small", "large", "loud", "silent")[reference % 4]
            text = f"The {kind} object number {reference} that is seen first"
            example.add(vid, split=split, reference=text, score={"J": score, "F": score, "JF": score})
    return example.write()
