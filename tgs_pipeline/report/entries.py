"""Entries: what the page loads on demand for a video (frames, sound) and a sample (chain, boxes, masks, ground truth).

Media that cannot be read become an entry with the reason, so that the page shows it in their place.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np

from tgs_pipeline.data.media import read_audio, read_image
from tgs_pipeline.data.truth import read_truth
from tgs_pipeline.metrics import rle
from tgs_pipeline.report import thumbnails
from tgs_pipeline.report.records import Record, Row


class FramePicture(TypedDict):
    """jpeg: base64, or null with a reason."""

    index: int
    jpeg: str | None
    reason: str | None


class Video(TypedDict):
    """mp3, peaks: base64, or null with a reason. duration in seconds."""

    frames: list[FramePicture]
    num_frames: int
    mp3: str | None
    peaks: str | None
    duration_sec: float
    reason: str | None


class Box(TypedDict):
    """xyxy: x0 y0 x1 y1 relative to the frame, null where nothing is chosen; rule: of artifacts/boxes.py."""

    xyxy: list[float] | None
    score: float | None
    phrase: str | None
    rule: str
    status: str
    reason: str | None


class ObjectBox(TypedDict):
    """The box of one object of a frame. xyxy: as of Box; name: null where the sample is about one object."""

    name: str | None
    xyxy: list[float]
    score: float | None
    phrase: str | None


class Mask(TypedDict):
    """rle: run lengths at the thumbnail's size, null where the mask could not be made."""

    rle: str | None
    predicted_iou: float | None
    status: str
    reason: str | None


class Truth(TypedDict):
    """rle: run lengths at the thumbnail's size, or null with a reason."""

    rle: str | None
    reason: str | None


class FrameAnswer(TypedDict):
    """One frame of a sample; box and mask are null where the stages made no row for it.

    boxes: those to draw, one for each object whose pivot the frame is; `box` is the best of them.
    """

    index: int
    box: Box | None
    boxes: list[ObjectBox]
    mask: Mask | None
    truth: Truth


class Answer(TypedDict):
    """What was made of one reference. size: (height, width) of the thumbnails; stages: name, status, reason.

    unfound: objects without a box in a window, with status and reason of artifacts/pivots.py, one line for each.
    """

    size: tuple[int, int]
    think: str | None
    f_object: str | None
    s_object: str | None
    raw: str | None
    num_tokens: int
    stages: list[tuple[str, str, str | None]]
    unfound: list[tuple[str, str, str | None]]
    frames: list[FrameAnswer]


def video(sample: Row, *, dataset: Path, width_px: int) -> Video:
    """Frames and sound of the video of a sample."""
    size = thumbnails.size_of(sample["height"], sample["width"], width_px=width_px)
    pictures: list[FramePicture] = []
    for index, name in zip(sample["frame_indices"], sample["frame_paths"], strict=True):
        try:
            jpeg = thumbnails.jpeg(read_image(dataset / name), size)
            pictures.append({"index": index, "jpeg": jpeg, "reason": None})
        except ValueError as error:
            pictures.append({"index": index, "jpeg": None, "reason": _inside(error, dataset)})
    entry: Video = {
        "frames": pictures,
        "num_frames": sample["num_frames"],
        "mp3": None,
        "peaks": None,
        "duration_sec": 0.0,
        "reason": None,
    }
    if sample["audio_path"] is None:
        return {**entry, "reason": "This video has no sound track."}
    try:
        sound = read_audio(dataset / sample["audio_path"], sample_rate_hz=thumbnails.SOUND_HZ)
    except ValueError as error:
        return {**entry, "reason": _inside(error, dataset)}
    return {
        **entry,
        "mp3": thumbnails.mp3(sound),
        "peaks": thumbnails.peaks(sound),
        "duration_sec": round(len(sound) / thumbnails.SOUND_HZ, 3),
    }


def answer(record: Record, *, dataset: Path, width_px: int) -> Answer:
    """Everything the page shows of one sample, except the media of its video."""
    sample, chain, score = record.sample, record.chain, record.score
    size = thumbnails.size_of(sample["height"], sample["width"], width_px=width_px)
    paths = dict(zip(sample["frame_indices"], sample["mask_paths"], strict=True))
    return {
        "size": size,
        "think": chain["think"],
        "f_object": chain["f_object"],
        "s_object": chain["s_object"],
        "raw": chain["raw"],
        "num_tokens": chain["num_tokens"],
        "stages": [
            ("manifest", sample["status"], sample["reason"]),
            ("think", chain["status"], chain["reason"]),
            ("score", score["status"], score["reason"]),
        ],
        "unfound": [
            (row["object"], row["status"], row["reason"])
            for row in record.pivots
            if row["object"] is not None and row["status"] != "ok"
        ],
        "frames": [
            {
                "index": index,
                "box": _box(record.boxes.get(index), sample),
                "boxes": [_object_box(row, sample) for row in record.drawn(index)],
                "mask": _mask(record.masks.get(index), size),
                "truth": _truth(path, sample, dataset, size),
            }
            for index, path in paths.items()
        ],
    }


def _box(row: Row | None, sample: Row) -> Box | None:
    if row is None:
        return None
    return {
        "xyxy": None if row["box_xyxy_px"] is None else _relative(row["box_xyxy_px"], sample),
        "score": _rounded(row["score"]),
        "phrase": row["phrase"],
        "rule": row["rule"],
        "status": row["status"],
        "reason": row["reason"],
    }


def _object_box(row: Row, sample: Row) -> ObjectBox:
    return {
        "name": row["object"],
        "xyxy": _relative(row["box_xyxy_px"], sample),
        "score": _rounded(row["score"]),
        "phrase": row["phrase"],
    }


def _relative(xyxy: Sequence[float], sample: Row) -> list[float]:
    scale = (sample["width"], sample["height"]) * 2
    return [round(value / side, 4) for value, side in zip(xyxy, scale, strict=True)]


def _mask(row: Row | None, size: tuple[int, int]) -> Mask | None:
    if row is None:
        return None
    counts = None
    if row["status"] != "failed":
        counts = thumbnails.run_lengths(rle.decode(row["rle"], height=row["height"], width=row["width"]), size)
    return {
        "rle": counts,
        "predicted_iou": _rounded(row["predicted_iou"]),
        "status": row["status"],
        "reason": row["reason"],
    }


def _truth(path: str | None, sample: Row, dataset: Path, size: tuple[int, int]) -> Truth:
    """A null sample without a file is all background."""
    if path is None and sample["is_null"]:
        return {"rle": thumbnails.run_lengths(np.zeros(size, bool), size), "reason": None}
    if path is None:
        return {"rle": None, "reason": "no ground truth for this frame"}
    try:
        return {"rle": thumbnails.run_lengths(read_truth(dataset / path) > 0, size), "reason": None}
    except ValueError as error:
        return {"rle": None, "reason": _inside(error, dataset)}


def _inside(error: ValueError, dataset: Path) -> str:
    """The message with paths relative to the dataset: the page goes to others and says nothing about this machine."""
    return str(error).replace(f"{dataset}/", "")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
