"""Small frames on disk, what is chosen among them, and how it is asked, for the tests of selectors."""

from pathlib import Path

import numpy as np
from multimodal_server import KEY_NAME
from PIL import Image

from tgs_pipeline.backends.multimodal.frame_questions import Drawing, FrameQuestions
from tgs_pipeline.backends.selector.base import Frame, FrameCandidates, PivotFrame, Window
from tgs_pipeline.data.media import content_hash
from tgs_pipeline.params_multimodal import ReplayParams, ServerParams

DRAWING = Drawing(columns=5, tile_width_px=64, jpeg_quality=80)


def server_params(base_url: str, **changes) -> ServerParams:
    settings = {
        "provider": "openai", "base_url": base_url, "model": "test", "api_key_env": KEY_NAME,
        "sampling": {"temperature": 0.0}, "picture_detail": None, "timeout_sec": 5.0, "max_retries": 2,
        "first_wait_sec": 0.01, "max_wait_sec": 1.0, "concurrency": 2, "max_picture_bytes": 1_000_000,
        "max_attempts": 2, "replies_per_flush": 8, "give_up_after": 16, "prices": None,
    }  # fmt: skip
    return ServerParams(**settings | changes)


def questions(cache: Path, settings: ServerParams | ReplayParams, *, max_failure_rate: float = 0.0) -> FrameQuestions:
    return FrameQuestions(settings, "selector", cache, 1, max_failure_rate, DRAWING)


def frames(folder: Path, vid: str, *, num_frames: int) -> tuple[Frame, ...]:
    """Files of one grey level each, another for each video and frame."""
    (folder / vid).mkdir(parents=True, exist_ok=True)
    made = []
    for index in range(num_frames):
        path = folder / vid / f"{index}.png"
        level = (sum(vid.encode()) * 7 + index * 11) % 256
        Image.fromarray(np.full((36, 64, 3), level, np.uint8)).save(path)
        made.append(Frame(index, path, content_hash(path)))
    return tuple(made)


def candidates(*scores: float) -> FrameCandidates:
    boxes = [[0.1 * at, 0.1, 0.1 * at + 0.3, 0.9] for at in range(len(scores))]
    return FrameCandidates(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        tuple(f"thing {at}" for at in range(len(scores))),
    )


def window(folder: Path, vid: str = "v1", *, text: str = "the dog", num_frames: int = 5, found=None) -> Window:
    return Window(f"{vid}_dog_1 (row 0)", vid, text, frames(folder, vid, num_frames=num_frames), found)


def pivot(one: Window, position: int, *scores: float) -> PivotFrame:
    return PivotFrame(one, position, candidates(*scores))
