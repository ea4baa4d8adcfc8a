"""One clip in memory: scene, pixels, sound and references. A pure function of (seed, split, index) and the sizes.

Splits: those of the benchmark, and `open`, which is not written to disk: like `train`, but with every category, for the
training of perception models that must know more than phase 2 of Ref-Thinker sees.

Null variants (the same frames, other questions or another soundtrack) of clips with an odd index in train, val and
open, and of every clip of test_n:
- `null_m` (mismatch): the clip's own soundtrack, and references of any kind that nothing in the clip satisfies;
- `null_c` (crossed): the soundtrack of another clip whose sounding categories are not in view, and references that
  demand a sound.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tgs_pipeline.tinyworld.reasoning import rewrite_reference
from tgs_pipeline.tinyworld.references import Reference, choose_null_references, choose_references
from tgs_pipeline.tinyworld.render import render_scene
from tgs_pipeline.tinyworld.sampling import pool_of_split, sample_scene
from tgs_pipeline.tinyworld.scene import Scene, with_soundtrack_of
from tgs_pipeline.tinyworld.sound import render_sound

Split = Literal["train", "val", "test_s", "test_u", "test_n", "open"]
WRITTEN_SPLITS: tuple[Split, ...] = ("train", "val", "test_s", "test_u", "test_n")
_SPLIT_CODES = {"train": 0, "val": 1, "test_s": 2, "test_u": 3, "test_n": 4, "open": 5}
_STREAM_SCENE, _STREAM_PIXELS, _STREAM_SOUND, _STREAM_REFERENCES, _STREAM_NULL, _STREAM_CHAINS = range(6)


@dataclass(frozen=True)
class NullVariant:
    """A clip to which no object answers: prefix `null_m` or `null_c`, scene as heard, waveform and references."""

    prefix: Literal["null_m", "null_c"]
    scene: Scene
    waveform: np.ndarray
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class Clip:
    """A rendered clip.

    frames: uint8 RGB (10, side, side, 3). masks: bool (num_objects, 10, side, side), disjoint in each frame, of the
    visible part of each object. waveform: float32 mono (10 * sample_rate_hz,) in [-1, 1]. reasoning: for each
    reference its R2-style rewriting, None where there is none (only in test_s and test_u are they made).
    """

    vid: str
    scene: Scene
    frames: np.ndarray
    masks: np.ndarray
    waveform: np.ndarray
    references: tuple[Reference, ...]
    reasoning: tuple[Reference | None, ...]
    null: NullVariant | None


def generate_clip(
    seed: int,
    split: Split,
    index: int,
    *,
    references_per_clip: int = 4,
    frame_size_px: int = 224,
    sample_rate_hz: int = 16000,
) -> Clip:
    """Generate clip `index` of a split. The same arguments give the same clip; other counts do not change it.

    Raises ValueError for an unknown split, a negative seed or index, or sizes too small to draw in.
    """
    _check_arguments(seed, split, index, references_per_clip, frame_size_px, sample_rate_hz)
    pool, required = pool_of_split(split)
    scene = sample_scene(_generator(seed, split, index, _STREAM_SCENE), pool=pool, required=required)
    pixels = _generator(seed, split, index, _STREAM_PIXELS)
    frames, masks = render_scene(scene, frame_size_px=frame_size_px, rng=pixels)
    sounds = _generator(seed, split, index, _STREAM_SOUND)
    waveform = render_sound(scene, sample_rate_hz=sample_rate_hz, rng=sounds)
    wording = _generator(seed, split, index, _STREAM_REFERENCES)
    references: tuple[Reference, ...] = ()
    if split != "test_n":
        only_held_out = split == "test_u"
        references = choose_references(wording, scene, number=references_per_clip, only_held_out=only_held_out)
    null = None
    if split == "test_n" or (split in ("train", "val", "open") and index % 2 == 1):
        null = _make_null(seed, split, index, scene, waveform, references_per_clip, sample_rate_hz)
    return Clip(
        vid=make_vid(seed, split, index),
        scene=scene,
        frames=frames,
        masks=masks,
        waveform=waveform,
        references=references,
        reasoning=_rewrite(seed, split, index, scene, references),
        null=null,
    )


def chain_generator(seed: int, split: Split, index: int, row: int) -> np.random.Generator:
    """Return the generator that words the chain of a clip's `row`-th reference (null ones are counted after others)."""
    return np.random.default_rng([seed, _SPLIT_CODES[split], index, _STREAM_CHAINS, row])


def make_vid(seed: int, split: Split, index: int) -> str:
    """Make a video id: eleven letters, digits, `_` or `-`, then start and end in ms, 10000 apart."""
    digest = hashlib.blake2b(f"{seed} {split} {index}".encode(), digest_size=16).digest()
    name = base64.urlsafe_b64encode(digest)[:11].decode()
    start_ms = 1000 * (int.from_bytes(digest[12:], "big") % 400)
    return f"{name}_{start_ms}_{start_ms + 10000}"


def _generator(seed: int, split: Split, index: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, _SPLIT_CODES[split], index, stream])


def _check_arguments(seed: int, split: str, index: int, references: int, side_px: int, rate_hz: int) -> None:
    if split not in _SPLIT_CODES:
        raise ValueError(f"unknown split: got {split!r}, expected one of {sorted(_SPLIT_CODES)}")
    if seed < 0 or index < 0 or references < 0:
        raise ValueError(f"seed, index and references must be >= 0: got {seed}, {index}, {references}")
    if side_px < 32 or rate_hz < 16000:
        raise ValueError(f"frames need >= 32 px and sound >= 16000 Hz: got {side_px} px, {rate_hz} Hz")


def _rewrite(
    seed: int, split: Split, index: int, scene: Scene, references: tuple[Reference, ...]
) -> tuple[Reference | None, ...]:
    """Rewrite each reference of the test splits; a text that a clip already has is not used twice."""
    rewritten: list[Reference | None] = []
    texts: set[str] = set()
    for row, reference in enumerate(references):
        other = None
        if split in ("test_s", "test_u") and reference.target is not None:
            rng = np.random.default_rng([seed, _SPLIT_CODES[split], index, _STREAM_REFERENCES, row])
            other = rewrite_reference(rng, scene, reference.target)
        if other is not None and other.text in texts:
            other = None
        if other is not None:
            texts.add(other.text)
        rewritten.append(other)
    return tuple(rewritten)


def _make_null(
    seed: int, split: Split, index: int, scene: Scene, waveform: np.ndarray, number: int, sample_rate_hz: int
) -> NullVariant:
    rng = _generator(seed, split, index, _STREAM_NULL)
    pool, _ = pool_of_split(split)
    position = index if split == "test_n" else index // 2
    if position % 2 == 0:
        references = choose_null_references(rng, scene, pool=pool, number=number, only_audible=False)
        return NullVariant("null_m", scene, waveform, references)
    in_view = {item.category for item in scene.objects}
    others = [name for name in pool if name not in in_view]
    crossed = with_soundtrack_of(scene, sample_scene(rng, pool=others, num_sounding_min=2))
    references = choose_null_references(rng, crossed, pool=pool, number=number, only_audible=True)
    return NullVariant("null_c", crossed, render_sound(crossed, sample_rate_hz=sample_rate_hz, rng=rng), references)
