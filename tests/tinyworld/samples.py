"""Clips that several tests look at, generated once."""

from functools import cache

from tgs_pipeline.tinyworld.clip import SPLITS, Clip, ClipPlan, Split, generate_clip, plan_clip
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene, SceneObject, SoundEvent, Voice

SEED = 11
NUM_PLANS = 60  # of each split
NUM_CLIPS = 6


@cache
def plans() -> tuple[tuple[Split, int, ClipPlan], ...]:
    return tuple((split, index, plan_clip(SEED, split, index)) for split in SPLITS for index in range(NUM_PLANS))


@cache
def clips() -> tuple[Clip, ...]:
    return tuple(generate_clip(SEED, "open", index) for index in range(NUM_CLIPS))


def make_object(index: int, category: str, **changes: object) -> SceneObject:
    """A silent, blue, still object at x = .2 + .25 index, in view all the time."""
    values = {
        "index": index,
        "category": category,
        "color": "blue",
        "size": 0.3,
        "centers": ((0.2 + 0.25 * index, 0.5),) * NUM_FRAMES,
        "angles_deg": (0.0,) * NUM_FRAMES,
        "visible": (True,) * NUM_FRAMES,
        "depth": index,
        "flipped": False,
        "motion": "still",
        "player": None,
        "voice": None,
    }
    return SceneObject(**(values | changes))


def make_voice(onset_sec: float, offset_sec: float, *, loudness: int = 2, pulse_hz: float | None = 2.0) -> Voice:
    return Voice((SoundEvent(onset_sec, offset_sec),), loudness, pulse_hz, pitch=1.0)


def make_scene(*objects: SceneObject) -> Scene:
    return Scene(objects)
