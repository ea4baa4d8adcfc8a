"""From a video file to the benchmark's layout: ten frames at 1 fps and ten seconds of sound."""

import logging
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import soundfile
from PIL import Image

log = logging.getLogger(__name__)

CLIP_SEC = 10
SLACK_SEC = 0.5  # a clip this much too short is completed with its last frame and silence
SAMPLE_RATE_HZ = 48_000
JPEG_QUALITY = 95


def extract(video: Path, folder: Path, *, start_sec: float = 0.0) -> None:
    """Write `frames/{0..9}.jpg` (RGB, native size) and `audio.wav` (mono PCM16, 10 s) of one clip below `folder`.

    The clip is [start_sec, start_sec + 10). Frame i is the one shown at start_sec + i. A video without sound gets no
    audio.wav. ValueError names the file where it cannot be decoded or the clip is shorter than 9.5 s.
    """
    try:
        with av.open(str(video)) as container:
            frames = _frames(container, start_sec=start_sec, video=video)
        with av.open(str(video)) as container:
            sound = _sound(container, start_sec=start_sec) if container.streams.audio else None
    except av.FFmpegError as error:
        raise ValueError(f"{video}: cannot be decoded as a video ({error.strerror})") from None
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / "frames" / f"{index}.jpg", quality=JPEG_QUALITY)
    if sound is None:
        log.warning("%s has no sound track: models that listen will refuse the clip", video)
        return
    soundfile.write(folder / "audio.wav", sound, SAMPLE_RATE_HZ, subtype="PCM_16")


def _frames(container: av.container.InputContainer, *, start_sec: float, video: Path) -> list[np.ndarray]:
    """The frames shown at start, start + 1 s, ...: RGB uint8 (H, W, 3)."""
    if not container.streams.video:
        raise ValueError(f"{video}: has no picture track")
    wanted = [start_sec + second for second in range(CLIP_SEC)]
    frames: list[np.ndarray] = []
    shown: av.VideoFrame | None = None
    end_sec = 0.0
    for time_sec, frame in _timed(container):
        while shown is not None and len(frames) < CLIP_SEC and time_sec > wanted[len(frames)] + 1e-6:
            frames.append(shown.to_ndarray(format="rgb24"))
        shown, end_sec = frame, time_sec + float(frame.duration or 0) * float(frame.time_base or 0)
        if len(frames) == CLIP_SEC:
            return frames
    missing = CLIP_SEC - len(frames)
    if shown is None or end_sec < start_sec + CLIP_SEC - SLACK_SEC:
        raise ValueError(
            f"{video}: the picture ends at {end_sec:.1f} s, but a clip of {CLIP_SEC} s from {start_sec:.1f} s is needed"
        )
    return frames + [shown.to_ndarray(format="rgb24")] * missing


def _timed(container: av.container.InputContainer) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames in presentation order with their time, counted from the first."""
    first: float | None = None
    for frame in container.decode(video=0):
        if frame.time is None:
            continue
        first = frame.time if first is None else first
        yield frame.time - first, frame


def _sound(container: av.container.InputContainer, *, start_sec: float) -> np.ndarray:
    """Mono float32 (10 s at SAMPLE_RATE_HZ,), completed with silence where the track ends before."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    sound = np.zeros(CLIP_SEC * SAMPLE_RATE_HZ, np.float32)
    place = -round(start_sec * SAMPLE_RATE_HZ)  # where the next sample belongs in the clip; what lies before is dropped
    for frame in container.decode(audio=0):
        for piece in resampler.resample(frame):
            heard = piece.to_ndarray()[0][max(0, -place) :]
            into = sound[max(0, place) :]
            into[: len(heard)] = heard[: len(into)]
            place += piece.samples
        if place >= len(sound):
            break
    return sound.clip(-1, 1)
