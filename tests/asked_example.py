"""Samples, chains and boxes made by hand, for tests of the stages that join them."""

from pathlib import Path

import numpy as np
from PIL import Image

from tgs_pipeline.artifacts import chains, samples, table
from tgs_pipeline.workspace import Workspace


def workspace_in(folder: Path) -> Workspace:
    return Workspace(artifacts=folder / "artifacts", dataset=folder / "dataset")


def sample(uid: str, row: int, *, frames: list[str], size: tuple[int, int] = (64, 96), **changes: object) -> dict:
    """A samples row; `frames` are file stems, and their hashes."""
    height, width = size
    return {
        "uid": uid, "row": row, "vid": "vid", "split": "test_s", "reference": "The Guitar", "is_null": False,
        "frame_indices": list(range(len(frames))), "frame_paths": [f"{name}.png" for name in frames],
        "frame_hashes": frames, "height": height, "width": width, "num_frames": len(frames),
        "audio_path": None, "audio_hash": None, "mask_paths": [None] * len(frames),
        "mask_hashes": [None] * len(frames), "status": "ok", "reason": None,
    } | changes  # fmt: skip


def chain(uid: str, row: int, s_object: str | None, **changes: object) -> dict:
    return {
        "uid": uid, "row": row, "vid": "vid", "split": "test_s", "reference": "The Guitar", "think": None,
        "f_object": "the brown guitar", "s_object": s_object, "null_probability": None, "raw": None, "num_tokens": 0,
        "status": "ok", "reason": None,
    } | changes  # fmt: skip


def box(uid: str, row: int, frame_index: int, xyxy: list[float] | None, **changes: object) -> dict:
    """A boxes row; xyxy: None where no box was chosen."""
    return {
        "uid": uid, "row": row, "frame_index": frame_index, "box_xyxy_px": xyxy, "score": None, "phrase": None,
        "query_index": None, "num_candidates": 0, "rule": "s_object", "status": "ok" if xyxy else "no_box",
        "reason": None if xyxy else "no candidate above 0.1",
    } | changes  # fmt: skip


def write(workspace: Workspace, pairs: list[tuple[dict, dict]]) -> None:
    """The two artifacts of (sample, chain) pairs."""
    table.write(workspace.samples, samples.SCHEMA, [table.from_rows([one for one, _ in pairs], samples.SCHEMA)])
    table.write(workspace.chains, chains.SCHEMA, [table.from_rows([one for _, one in pairs], chains.SCHEMA)])


def write_frame(workspace: Workspace, name: str, *, size: tuple[int, int] = (64, 96)) -> None:
    """A frame of coloured blocks that depends on its name."""
    blocks = np.random.default_rng(list(name.encode())).integers(0, 255, (size[0] // 8, size[1] // 8, 3), np.uint8)
    workspace.dataset.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)).save(workspace.dataset / f"{name}.png")
