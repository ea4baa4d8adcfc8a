"""Profiles of benchmarks under the tiny models, and trees of AVSBench, for tests that run the real stages on them."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import yaml
from PIL import Image
from project import ROOT

from tgs_pipeline.data.avsbench_classes import palette
from tgs_pipeline.operators import detect, features, ground, manifest, score, segment, think
from tgs_pipeline.params import Params
from tgs_pipeline.stage import execution_of
from tgs_pipeline.workspace import Workspace

STAGES = {"manifest": manifest, "features": features, "think": think, "detect": detect, "ground": ground,
          "segment": segment, "score": score}  # fmt: skip
NUM_FRAMES = 5  # of a clip of S4 and MS3, one for each second
SAMPLE_RATE_HZ = 16_000


def tiny_profile(
    name: str, root: Path, *, model: dict, split: str | None = None, sections: dict[str, dict] | None = None
) -> Params:
    """A committed profile on the dataset `root`, with the tiny models in place of its own.

    model: whoever stands in for every multimodal model. sections: changes of {section: {key: value}}. The paths of the
    tiny weights are relative: a test has to change to the folder of the project.
    """
    data = yaml.safe_load((ROOT / "profiles" / f"{name}.yaml").read_text())
    tiny = yaml.safe_load((ROOT / "params.yaml").read_text())
    data["dataset"] |= {"root": str(root)} | ({} if split is None else {"splits": [split]})
    data["features"]["audio"]["weights"] = tiny["features"]["audio"]["weights"]
    if data["features"]["other_tagger"] is not None:
        data["features"]["other_tagger"] = tiny["features"]["audio"]["weights"]
    data["detect"] |= {
        key: tiny["detect"][key] for key in ("backend", "weights", "shortest_edge_px", "longest_edge_px")
    }
    data["segment"] |= {
        key: tiny["segment"][key] for key in ("weights", "config", "silent_frames", "matching", "sounding")
    }
    data["think"]["label_names"] = None
    if data["think"]["lbru"] is not None:
        data["think"]["lbru"]["model"] = model
    for key in ("frame_model", "box_model"):
        if data["ground"]["mllm"][key] is not None:
            data["ground"]["mllm"][key] = model
    for section, changes in (sections or {}).items():
        data[section] |= changes
    data["runtime"] = tiny["runtime"]
    return Params.model_validate(data)


def run_stages(params: Params, workspace: Workspace, stages: Sequence[str]) -> None:
    """Run the stages as their scripts do, in this process; the row cache is where TGS_CACHE says."""
    for name in stages:
        STAGES[name].run(params, workspace, execution_of(params, stage=name))


def write_ms3(root: Path, clips: dict[str, np.ndarray], masks: dict[str, np.ndarray] | None = None) -> None:
    """MS3, split test. clips: uint8 (5, H, W, 3) by name; masks: bool (5, H, W), none anywhere where left out."""
    data = root / "ms3_data"
    _write_csv(root / "ms3_meta_data.csv", ("name", "split"), [(vid, "test") for vid in clips])
    for vid, frames in clips.items():
        _write_images(data / "visual_frames" / vid, f"{vid}.mp4", frames)
        _write_images(data / "gt_masks" / "test" / vid, vid, _labels(frames, (masks or {}).get(vid)))
        _write_sound(data / "audio_wav" / "test" / f"{vid}.wav")


def write_s4(root: Path, clips: dict[str, np.ndarray], *, category: str) -> None:
    """S4, split test, no mask anywhere; the same clips as of `write_ms3`."""
    data, inside = root / "s4_data", Path("test") / category
    rows = [(vid, 0, category, "test") for vid in clips]
    _write_csv(root / "s4_meta_data.csv", ("name", "start", "category", "split"), rows)
    for vid, frames in clips.items():
        _write_images(data / "visual_frames" / inside / vid, vid, frames)
        _write_images(data / "gt_masks" / inside / vid, vid, _labels(frames, None))
        _write_sound(data / "audio_wav" / inside / f"{vid}.wav")


def write_semantic(root: Path, clips: dict[str, tuple[str, np.ndarray, np.ndarray]]) -> None:
    """AVSBench-semantic, split test. clips: by uid, label, frames uint8 (T, H, W, 3) and classes uint8 (T, H, W)."""
    rows = [(uid, label, "test") for uid, (label, _, _) in clips.items()]
    _write_csv(root / "metadata.csv", ("uid", "label", "split"), rows)
    for uid, (label, frames, classes) in clips.items():
        folder = root / label / uid
        for name in ("frames", "labels_rgb"):
            (folder / name).mkdir(parents=True)
        for index, (frame, mask) in enumerate(zip(frames, palette()[classes], strict=True)):
            Image.fromarray(frame).save(folder / "frames" / f"{index}.jpg", quality=95)
            Image.fromarray(mask).save(folder / "labels_rgb" / f"{index}.png")
        _write_sound(folder / "audio.wav", num_sec=len(frames))


def _labels(frames: np.ndarray, masks: np.ndarray | None) -> np.ndarray:
    return np.zeros(frames.shape[:3], np.uint8) if masks is None else masks.astype(np.uint8) * 255


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([header, *rows])


def _write_images(folder: Path, stem: str, images: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for number, image in enumerate(images, start=1):
        Image.fromarray(image).save(folder / f"{stem}_{number}.png")


def _write_sound(path: Path, *, num_sec: int = NUM_FRAMES) -> None:
    """A tone of as many seconds as there are frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = np.arange(num_sec * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    soundfile.write(path, (0.3 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32), SAMPLE_RATE_HZ)
