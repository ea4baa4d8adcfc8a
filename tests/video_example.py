"""Small videos made by hand."""

import av
import numpy as np


def write_video(path, *, seconds, fps=5, audio=True):
    """A grey level per frame (its number times 3) and a sine of 440 Hz."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("ffv1", rate=fps)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "bgr0"
        sound = container.add_stream("aac", rate=44_100) if audio else None
        for index in range(int(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index * 3, np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
        if sound:
            tone = np.sin(2 * np.pi * 440 * np.arange(int(seconds * 44_100)) / 44_100).astype(np.float32)[None] / 2
            for start in range(0, tone.shape[1], 1024):
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[:, start : start + 1024]), "fltp", "mono")
                frame.rate, frame.pts = 44_100, start
                container.mux(sound.encode(frame))
            container.mux(sound.encode())
    return path
