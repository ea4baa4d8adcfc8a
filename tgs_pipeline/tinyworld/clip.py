"""One clip in memory: scene, pixels, sound and references. A pure function of (seed, split, index) and the sizes.

Splits: those of the benchmark, and `open`: like `train`, but with every category, for the training of what must know
more than phase 2 of Ref-Thinker sees.

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

from tgs_pipeline.tinyworld.categories import SOUNDING
from tgs_pipeline.tinyworld.reasoning import rewrite_reference
from tgs_pipeline.tinyworld.references import Reference, choose_null_references, choose_references
from tgs_pipeline.tinyworld.render import render_scene
from tgs_pipeline.tinyworld.sampling import pool_of_split, sample_scene
from tgs_pipeline.tinyworld.scene import Scene, with_soundtrack_of
from tgs_pipeline.tinyworld.sound import render_sound

Split = Literal["train", "val", "test_s", "test_u", "test_n", "open"]
SPLITS: tuple[Split, ...] = ("train", "val", "test_s", "test_u", "test_n", "open")
_SPLIT_CODES = {"train": 0, "val": 1, "test_s": 2, "test_u": 3, "test_n": 4, "open": 5}
_STREAM_SCENE, _STREAM_PIXELS, _STREAM_SOUND, _STREAM_REFERENCES = range(4)
_STREAM_NULL, _STREAM_NULL_SOUND, _STREAM_CHAINS = range(4, 7)


@dataclass(frozen=True)
class NullPlan:
    """The null variant of a clip: prefix of its vid, the scene as it is heard, and references without referent."""

    prefix: Literal["null_m", "null_c"]
    scene: Scene
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class ClipPlan:
    """All of a clip but pixels and sound.

    reasoning: for each reference its R2-style rewriting, None where there is none; made in test_s and test_u only.
    """

    vid: str
    scene: Scene
    references: tuple[Reference, ...]
    reasoning: tuple[Reference | None, ...]
    null: NullPlan | None


@dataclass(frozen=True)
class Clip:
    """A rendered clip.

    frames: uint8 RGB (10, side, side, 3). masks: bool (num_objects, 10, side, side), disjoint in each frame, of the
    visible part of each object. waveform: float32 mono (10 * sample_rate_hz,) in [-1, 1]. null_waveform: that of the
    null variant, None without one.
    """

    plan: ClipPlan
    frames: np.ndarray
    masks: np.ndarray
    waveform: np.ndarray
    null_waveform: np.ndarray | None


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

    Raises ValueError for an unknown split, a negative seed, index or count, or sizes below 32 px and 16000 Hz.
    """
    if frame_size_px < 32 or sample_rate_hz < 16000:
        raise ValueError(
            f"frames need >= 32 px and sound >= 16000 Hz: got frame_size_px={frame_size_px}, "
            f"sample_rate_hz={sample_rate_hz}"
        )
    plan = plan_clip(seed, split, index, references_per_clip=references_per_clip)
    pixels = _generator(seed, split, index, _STREAM_PIXELS)
    frames, masks = render_scene(plan.scene, frame_size_px=frame_size_px, rng=pixels)
    sounds = _generator(seed, split, index, _STREAM_SOUND)
    waveform = render_sound(plan.scene, sample_rate_hz=sample_rate_hz, rng=sounds)
    null_waveform = None
    if plan.null is not None and plan.null.prefix == "null_m":
        null_waveform = waveform
    elif plan.null is not None:
        sounds = _generator(seed, split, index, _STREAM_NULL_SOUND)
        null_waveform = render_sound(plan.null.scene, sample_rate_hz=sample_rate_hz, rng=sounds)
    return Clip(plan, frames, masks, waveform, null_waveform)


def plan_clip(seed: int, split: Split, index: int, *, references_per_clip: int = 4) -> ClipPlan:
    """Sample the scene of a clip and its references, as `generate_clip` does, without rendering.

    Raises ValueError for an unknown split, or a negative seed, index or count.
    """
    if split not in _SPLIT_CODES:
        raise ValueError(f"unknown split: got {split!r}, expected one of {sorted(_SPLIT_CODES)}")
    if min(seed, index, references_per_clip) < 0:
        raise ValueError(f"seed, index and references must be >= 0: got {seed}, {index}, {references_per_clip}")
    pool, required = pool_of_split(split)
    scene = sample_scene(_generator(seed, split, index, _STREAM_SCENE), pool=pool, required=required)
    references: tuple[Reference, ...] = ()
    if split != "test_n":
        wording = _generator(seed, split, index, _STREAM_REFERENCES)
        references = choose_references(wording, scene, number=references_per_clip, only_held_out=split == "test_u")
    null = None
    if split == "test_n" or (split in ("train", "val", "open") and index % 2 == 1):
        null = _plan_null(seed, split, index, scene, references_per_clip)
    reasoning = _rewrite(seed, split, index, scene, references)
    return ClipPlan(make_vid(seed, split, index), scene, references, reasoning, null)


def scenes_of(seed: int, split: Split, index: int) -> dict[str, Scene]:
    """What each medium of a clip shows and lets hear: key of the medium -> scene. One with a null variant has two."""
    plan = plan_clip(seed, split, index, references_per_clip=1)
    scenes = {} if split == "test_n" else {plan.vid: plan.scene}
    if plan.null is not None:
        scenes[f"{plan.null.prefix}-{plan.vid}"] = plan.null.scene
    return scenes


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


def _plan_null(seed: int, split: Split, index: int, scene: Scene, number: int) -> NullPlan:
    rng = _generator(seed, split, index, _STREAM_NULL)
    pool, _ = pool_of_split(split)
    position = index if split == "test_n" else index // 2
    if position % 2 == 0:
        references = choose_null_references(rng, scene, pool=pool, number=number, only_audible=False)
        return NullPlan("null_m", scene, references)
    in_view = {item.category for item in scene.objects}
    others = [name for name in pool if name in SOUNDING and name not in in_view]
    donor = sample_scene(rng, pool=others, num_sounding_min=2)
    while not donor.sounding():  # it can be twins, which are silent
        donor = sample_scene(rng, pool=others, num_sounding_min=2)
    crossed = with_soundtrack_of(scene, donor)
    references = choose_null_references(rng, crossed, pool=pool, number=number, only_audible=True)
    return NullPlan("null_c", crossed, references)
