"""Decoding images and sound: size limits, whole files only, and errors that name the file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import soundfile
import soxr
from PIL import Image, UnidentifiedImageError

MAX_FILE_BYTES = 2**30
MAX_IMAGE_PX = 8192 * 8192
MAX_AUDIO_SEC = 600
MAX_SOUND_SAMPLES = 2**26  # of all channels: 12 minutes of stereo at 48 kHz
IMAGE_FORMATS = ("JPEG", "PNG")

# A decoded RGB frame as it travels through a table: bytes in HWC order.
IMAGE = pa.struct([("height", pa.int32()), ("width", pa.int32()), ("data", pa.large_binary())])


def read_image(path: Path) -> np.ndarray:
    """A frame as RGB uint8 (H, W, 3); ValueError where it is missing, truncated, no image, or larger than the limit."""
    return _read(path, "RGB")


def read_mask(path: Path) -> np.ndarray:
    """A mask as uint8 (H, W), grey levels as stored (palette and colour images by PIL's luma conversion)."""
    return _read(path, "L")


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) of an image from its header; errors as in `read_image`."""
    with _open(path) as image:
        return image.height, image.width


def read_audio(path: Path, *, sample_rate_hz: int) -> np.ndarray:
    """A sound file as mono float32 (num_samples,), -1..1: channels averaged, resampled with soxr HQ.

    Average, then resample, at this quality, is what librosa 0.10 does, which upstream uses (UPSTREAM_FACTS 2.2).
    ValueError where it is missing, empty, corrupt, with NaN, or over MAX_AUDIO_SEC or MAX_SOUND_SAMPLES.
    """
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames > MAX_AUDIO_SEC * file.samplerate:
                raise ValueError(
                    f"{path}: {file.frames / file.samplerate:.0f} s of sound, the limit is {MAX_AUDIO_SEC} s"
                )
            if file.frames * file.channels > MAX_SOUND_SAMPLES:
                raise ValueError(
                    f"{path}: {file.channels} channels at {file.samplerate} Hz are {file.frames * file.channels} "
                    f"samples, the limit is {MAX_SOUND_SAMPLES}"
                )
            sound = file.read(dtype="float32", always_2d=True)
            rate_hz = file.samplerate
    except soundfile.LibsndfileError as error:
        what = "no such file" if not path.exists() else f"not a readable sound file ({error.error_string})"
        raise ValueError(f"{path}: {what}; expected a WAV or FLAC file") from None
    if not len(sound):
        raise ValueError(f"{path}: the sound file is empty (0 samples)")
    if not np.isfinite(sound).all():
        raise ValueError(f"{path}: the sound file holds NaN or infinite samples")
    mono = sound.mean(axis=1)
    return mono if rate_hz == sample_rate_hz else soxr.resample(mono, rate_hz, sample_rate_hz, quality="HQ")


def image_column(images: Sequence[np.ndarray | None]) -> pa.Array:
    """Decoded RGB frames as an Arrow column of type IMAGE; None becomes null."""
    rows = [
        None if image is None else {"height": image.shape[0], "width": image.shape[1], "data": image.tobytes()}
        for image in images
    ]
    return pa.array(rows, IMAGE)


def to_images(column: pa.Array | pa.ChunkedArray) -> list[np.ndarray]:
    """The frames of an IMAGE column without nulls, uint8 (H, W, 3) each (read-only views)."""
    return [
        np.frombuffer(row["data"].as_buffer(), np.uint8).reshape(row["height"].as_py(), row["width"].as_py(), 3)
        for row in column
    ]


def load_frames(units: pa.Table, *, root: Path) -> pa.Table:
    """The loader of stages that look at frames: adds `image` (IMAGE) and `reason` (null where all went well).

    units: any table with `path`, relative to `root`, and `frame_hash`, the content that the unit stands for: a file
    that has changed since is a failure, since its row would be kept under the old content. A frame that several units
    share is decoded once.
    """
    frames = list(zip(units["path"].to_pylist(), units["frame_hash"].to_pylist(), strict=True))
    images: dict[tuple[str, str], np.ndarray | None] = {}
    reasons: dict[tuple[str, str], str | None] = {}
    for path, expected in dict.fromkeys(frames):
        try:
            check_content(root / path, expected)
            images[path, expected], reasons[path, expected] = read_image(root / path), None
        except ValueError as error:
            images[path, expected], reasons[path, expected] = None, str(error)
    units = units.append_column("image", image_column([images[frame] for frame in frames]))
    return units.append_column("reason", pa.array([reasons[frame] for frame in frames], pa.string()))


def content_hash(path: Path) -> str:
    """blake2b-128 of a file, 32 hexadecimal digits; ValueError where it is missing or larger than MAX_FILE_BYTES."""
    try:
        with path.open("rb") as handle:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ValueError(f"{path}: larger than {MAX_FILE_BYTES} bytes, which no frame, mask or clip of 10 s is")
            return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None


def check_content(path: Path, expected: str | None) -> None:
    """ValueError where a file is no longer the one that the manifest lists."""
    if content_hash(path) != expected:
        raise ValueError(f"{path}: has changed since the manifest was made; run `dvc repro` to list the files again")


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(path, formats=IMAGE_FORMATS)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: not a readable JPEG or PNG image ({type(error).__name__}: {error})") from None
    if image.width * image.height > MAX_IMAGE_PX:
        image.close()
        raise ValueError(f"{path}: {image.width} x {image.height} px is over the limit of {MAX_IMAGE_PX} px")
    return image


def _read(path: Path, mode: str) -> np.ndarray:
    with _open(path) as image:
        try:
            return np.asarray(image.convert(mode))
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"{path}: the image is truncated or corrupt ({error})") from None
