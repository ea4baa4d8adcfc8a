"""What the encoders make of a rendered clip, as the stages manifest and features would from its files."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from tgs_pipeline.backends.encoder import clip
from tgs_pipeline.data import fbank
from tgs_pipeline.operators.features import FeatureOperator
from tgs_pipeline.params import Features
from tgs_pipeline.tinyworld.dataset import JPEG_QUALITY


class ClipEncoder:
    """Encodes frames and soundtracks with the encoders of a params file."""

    def __init__(self, settings: Features, *, device: str) -> None:
        self._side_px = clip.input_size_px(Path(settings.visual.weights))
        self._operator = FeatureOperator(settings, device=device)

    def see(self, frames: np.ndarray, *, vid: str) -> np.ndarray:
        """Visual features float16 (frames, patches, dim) of RGB uint8 (frames, height, width, 3)."""
        decoded = np.stack([clip.resize(through_jpeg(frame), side_px=self._side_px) for frame in frames])
        return _as_stored(self._operator.visual.encode(decoded), what="visual", vid=vid)

    def hear(self, waveform: np.ndarray, *, vid: str) -> np.ndarray:
        """Audio features float16 (segments, patches, dim) of 10 s of mono sound at 16 kHz, float32 within -1..1."""
        segments = fbank.segment_log_mels(through_pcm16(waveform))
        return _as_stored(self._operator.audio.encode(segments), what="audio", vid=vid)


def through_jpeg(frame: np.ndarray) -> np.ndarray:
    """A frame as it is read back from the dataset: RGB uint8 (height, width, 3)."""
    buffer = BytesIO()
    Image.fromarray(frame).save(buffer, format="JPEG", quality=JPEG_QUALITY)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def through_pcm16(waveform: np.ndarray) -> np.ndarray:
    """A waveform as it is read back from the dataset, float32."""
    return np.round(waveform * 32767).astype(np.int16).astype(np.float32) / 2**15


def _as_stored(features: np.ndarray, *, what: str, vid: str) -> np.ndarray:
    """float16, the precision of the artifact. ValueError where that cannot hold them."""
    with np.errstate(over="ignore"):
        stored = features.astype(np.float16)
    if not np.isfinite(stored).all():
        raise ValueError(f"clip {vid}: the {what} encoder gave values that float16 cannot hold")
    return stored
