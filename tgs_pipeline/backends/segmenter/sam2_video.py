"""SAM 2 as a propagator: boxes in some frames in, masks in all frames of the clip out (the package's video predictor).

An object is tracked from the middle one of its prompts to the end of the clip, then back to its start with the same
memories, as AL-Ref-SAM 2 does (UPSTREAM_FACTS 6.2); objects that start in the same frame share its features. Objects do
not see each other, so each is tracked as it would be alone.

Memory does not grow with the clip: frames are decoded when they are due, what the network cannot look back at is
forgotten, and logits wait on disk until all objects are tracked. Legend: N objects, h, w = grid of the logits.
"""

import contextlib
import copy
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from tgs_pipeline.backends.segmenter.base import Prompt
from tgs_pipeline.backends.segmenter.sam2 import BROKEN, MAX_LOGIT, MEAN_RGB, STD_RGB, fit, squeeze
from tgs_pipeline.backends.segmenter.sam2_config import build_video_predictor
from tgs_pipeline.weights import assign, without_memory

if TYPE_CHECKING:
    from sam2.sam2_video_predictor import SAM2VideoPredictor


class Sam2Propagator:
    """A Propagator (backends/segmenter/base.py) around SAM 2's video predictor.

    dtype, input_size_px, swap_channels: as in sam2.Sam2Segmenter, for every frame.
    """

    def __init__(
        self,
        predictor: "SAM2VideoPredictor",
        *,
        device: str,
        dtype: str,
        input_size_px: int | None,
        swap_channels: bool,
    ) -> None:
        self.predictor = predictor.to(device).eval()
        self.device = torch.device(device)
        self.dtype = getattr(torch, dtype)
        self.input_size_px = input_size_px
        self.swap_channels = swap_channels
        self.side = predictor.image_size // 4  # h and w
        self._blank = self._blank_state()

    def propagate(self, frames: Sequence[np.ndarray], prompts: Sequence[Sequence[Prompt]]) -> Iterator[np.ndarray]:
        """See `Propagator.propagate`."""
        ordered = [sorted(some, key=lambda prompt: prompt.position) for some in prompts]
        starts = {number: some[len(some) // 2].position for number, some in enumerate(ordered) if some}
        _check_prompts(ordered, num_frames=len(frames))
        with _Waiting((len(frames), len(prompts), self.side, self.side)) as waiting:
            for start in sorted(set(starts.values())):
                together = [number for number in starts if starts[number] == start]
                for position, logits_Nhw in self._track(frames, [ordered[number] for number in together], start=start):
                    for number, logits_hw in zip(together, logits_Nhw, strict=True):
                        waiting.write(position, number, logits_hw)
            for position in range(len(frames)):
                logits = np.full((len(prompts), self.side, self.side), -MAX_LOGIT, np.float32)
                for number in starts:
                    logits[number] = waiting.read(position, number)
                yield logits

    def _track(
        self, frames: Sequence[np.ndarray], prompts: Sequence[Sequence[Prompt]], *, start: int
    ) -> Iterator[tuple[int, np.ndarray]]:
        """(position, logits (N, h, w)) of each frame, from `start` to the end, then from `start` to the beginning."""
        state = copy.deepcopy(self._blank) | {"images": _Inputs(frames, self), "num_frames": len(frames)}
        height, width = frames[start].shape[:2]
        # The state says that the video has the size of the logits, so that these come back unresized.
        scale = np.array([self.side / width, self.side / height] * 2, np.float32)
        places = [(prompt.position, number, prompt) for number, some in enumerate(prompts) for prompt in some]
        for position, number, prompt in sorted(places, key=lambda place: place[:2]):
            box = torch.from_numpy(np.asarray(prompt.box_xyxy_px, np.float32) * scale)
            with _silent(), self._autocast():
                self.predictor.add_new_points_or_box(state, position, obj_id=number, box=box)
        reach = _reach(self.predictor)
        for reverse in (False, True):
            steps = self.predictor.propagate_in_video(state, start_frame_idx=start, reverse=reverse)
            for position, numbers, logits in self._run(steps):
                _forget(state, position, start=start, reach=reach, reverse=reverse)
                yield position, logits[np.argsort(numbers)]

    def _run(self, steps: Iterable[tuple[int, list[int], torch.Tensor]]) -> Iterator[tuple[int, list[int], np.ndarray]]:
        """The predictor's steps with the logits as float32 (N, h, w); ValueError where they hold NaN."""
        iterator = iter(steps)
        while True:
            with _silent(), self._autocast():
                step = next(iterator, None)
            if step is None:
                return
            position, numbers, logits_N1hw = step
            if bool(logits_N1hw.isnan().any()):
                raise ValueError(f"frame at position {position}: {BROKEN}")
            yield position, numbers, logits_N1hw[:, 0].float().cpu().numpy()

    def prepare(self, image: np.ndarray) -> torch.Tensor:
        """uint8 RGB (H, W, 3) -> float32 (3, S, S), as the predictor reads a folder of frames, but without a folder."""
        if self.input_size_px is not None:
            image = squeeze(image, size_px=self.input_size_px)
        if self.swap_channels:
            image = np.ascontiguousarray(image[..., ::-1])
        resized = Image.fromarray(image).resize((self.predictor.image_size,) * 2)
        unit = torch.from_numpy(np.asarray(resized) / 255).permute(2, 0, 1).float()
        return (unit - torch.tensor(MEAN_RGB)[:, None, None]) / torch.tensor(STD_RGB)[:, None, None]

    def _blank_state(self) -> dict:
        """What the predictor keeps of a clip, before it has seen any; only the predictor makes it, from a folder."""
        with _silent(), TemporaryDirectory() as folder:
            Image.new("RGB", (self.side, self.side)).save(Path(folder) / "0.jpg")
            state = self.predictor.init_state(folder)
        return state | {"images": None, "num_frames": 0, "cached_features": {}}

    def _autocast(self) -> contextlib.AbstractContextManager:
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


def load_propagator(
    config: Path, weights: Path, *, device: str, dtype: str, input_size_px: int | None, swap_channels: bool
) -> Sam2Propagator:
    """From the files that sam2.load_model takes; ValueError as there."""
    with without_memory():
        predictor = build_video_predictor(config)
    state = fit(predictor, config=config, weights=weights)
    assign(predictor, state, device=device, dtype=torch.float32)
    return Sam2Propagator(
        predictor, device=device, dtype=dtype, input_size_px=input_size_px, swap_channels=swap_channels
    )


class _Inputs:
    """The frames as the predictor takes them, prepared when it asks; it holds the last one itself."""

    def __init__(self, frames: Sequence[np.ndarray], propagator: Sam2Propagator) -> None:
        self.frames = frames
        self.propagator = propagator

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, position: int) -> torch.Tensor:
        return self.propagator.prepare(self.frames[position])


class _Waiting:
    """Logits float32 (T, N, h, w) on disk, written in any order."""

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self.shape = shape

    def __enter__(self) -> "_Waiting":
        self.file = TemporaryFile(prefix="tgs-propagate-")
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, position: int, number: int, logits_hw: np.ndarray) -> None:
        self._seek(position, number)
        self.file.write(logits_hw.astype(np.float32, copy=False).tobytes())

    def read(self, position: int, number: int) -> np.ndarray:
        self._seek(position, number)
        _, _, height, width = self.shape
        return np.frombuffer(self.file.read(4 * height * width), np.float32).reshape(height, width)

    def _seek(self, position: int, number: int) -> None:
        _, num_objects, height, width = self.shape
        self.file.seek(4 * height * width * (position * num_objects + number))


def _check_prompts(prompts: Sequence[Sequence[Prompt]], *, num_frames: int) -> None:
    for number, some in enumerate(prompts):
        positions = [prompt.position for prompt in some]
        if len(set(positions)) < len(positions) or any(not 0 <= position < num_frames for position in positions):
            raise ValueError(f"object {number} has prompts at {positions}: expected different frames of {num_frames}")


def _reach(predictor: "SAM2VideoPredictor") -> int:
    """How many frames back the predictor looks, at most: for masks it remembers, or for pointers to the object."""
    return max(predictor.num_maskmem * predictor.memory_temporal_stride_for_eval, predictor.max_obj_ptrs_in_encoder)


def _forget(state: dict, position: int, *, start: int, reach: int, reverse: bool) -> None:
    """Drop what no later frame looks at. On its way back the predictor looks at the frames after `start` first."""
    kept = range(position, position + reach + 1) if reverse else range(position - reach, position + 1)
    on_return = range(0) if reverse else range(start, start + reach + 1)
    for outputs in state["output_dict_per_obj"].values():
        memories = outputs["non_cond_frame_outputs"]
        for seen in [seen for seen in memories if seen not in kept and seen not in on_return]:
            del memories[seen]
    for tracked in state["frames_tracked_per_obj"].values():
        tracked.clear()


def _silent() -> contextlib.AbstractContextManager:
    """The predictor draws a progress bar for each clip."""
    return contextlib.redirect_stderr(io.StringIO())
