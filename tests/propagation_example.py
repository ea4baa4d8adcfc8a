"""A clip of three frames with boxes or pivots, and a video model that follows a box by leaving it where it is."""

import numpy as np
import pyarrow.parquet as pq
from asked_example import box, sample, workspace_in, write_frame

from tgs_pipeline.artifacts import boxes, object_masks, pivots, samples, table
from tgs_pipeline.execution import Execution
from tgs_pipeline.metrics import rle
from tgs_pipeline.operators import segment
from tgs_pipeline.params import Params, Segment

SIZE = (64, 96)
LEFT, RIGHT = [8.0, 8.0, 40.0, 56.0], [32.0, 8.0, 88.0, 56.0]
FRAMES = ["f0", "f1", "f2"]


class FakePropagator:
    """Says in every frame that an object is where its first box was; the surer, the nearer the box. Counts clips."""

    def __init__(self) -> None:
        self.clips = 0

    def propagate(self, frames, prompts):
        self.clips += 1
        for position, frame in enumerate(frames):
            logits = np.full((len(prompts), *frame.shape[:2]), -4, np.float32)
            for number, [first, *_] in enumerate(prompts):
                x0, y0, x1, y1 = first.box_xyxy_px.astype(int)
                logits[number, y0:y1, x0:x1] = 4 - abs(position - first.position)
            yield logits


class FailingPropagator(FakePropagator):
    """Fails in clips whose first object starts in the last frame."""

    def propagate(self, frames, prompts):
        if prompts[0][0].position == len(frames) - 1:
            raise ValueError("broken weights")
        yield from super().propagate(frames, prompts)


def make(folder, prompts: dict[str, list[list[float] | None]], **changes: object):
    """A workspace of samples, by uid, of one clip of three frames, with a box or None for each frame."""
    place = workspace_in(folder)
    for name in FRAMES:
        write_frame(place, name)
    rows = [sample(uid, row, frames=FRAMES) for row, uid in enumerate(prompts)]
    found = [
        box(uid, row, at, xyxy, **changes) for row, uid in enumerate(prompts) for at, xyxy in enumerate(prompts[uid])
    ]
    table.write(place.samples, samples.SCHEMA, [table.from_rows(rows, samples.SCHEMA)])
    table.write(place.boxes, boxes.SCHEMA, [table.from_rows(found, boxes.SCHEMA)])
    return place


def choose(place, *chosen: tuple[str, int, str | None, int, list[float] | None]) -> None:
    """Write pivots: (uid, row, object, frame, box), a window for each of an object."""
    windows: dict[tuple[int, str | None], int] = {}
    rows = []
    for uid, row, name, frame_index, xyxy in chosen:
        window = windows[row, name] = windows.get((row, name), -1) + 1
        rows.append(
            box(uid, row, frame_index, xyxy, rule="pivot_lbru") | {"object": name, "window": window, "score": None}
        )
    table.write_rows(place.pivots, pivots.SCHEMA, rows)


def run(workspace, folder, *, max_failure_rate: float = 0.0, **changes: object) -> list[dict]:
    """The rows of masks."""
    (folder / "w").write_text("w")
    settings = {
        "backend": "sam2", "weights": str(folder / "w"), "config": str(folder / "w"), "mode": "propagate",
        "exclusive": None, "silent_frames": "keep", "matching": None, "sounding": "none.json", "input_size_px": None,
        "swap_channels": False, "levels_size_px": 32, "dtype": "float32",
    }  # fmt: skip
    execution = Execution(
        cache=workspace.artifacts / "rows", batch_size=8, num_loaders=1, flush_rows=64, flush_sec=20.0,
        max_failure_rate=max_failure_rate, device="cpu",
    )  # fmt: skip
    segment.run(Params.model_construct(segment=Segment(**settings | changes)), workspace, execution)
    return pq.read_table(workspace.masks).to_pylist()


def object_rows(workspace) -> list[dict]:
    return list(table.read_rows(object_masks.path_of(workspace), object_masks.SCHEMA))


def mask(row: dict) -> np.ndarray:
    return rle.decode(row["rle"], height=row["height"], width=row["width"])


def area(xyxy: list[float]) -> float:
    return (xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1])
