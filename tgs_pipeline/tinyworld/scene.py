"""The symbolic clip: what is where, when it is seen, when it sounds. No pixels, no samples.

Lengths are fractions of the (square) frame's side, x to the right and y down; times are seconds from the clip's start.
Frame `t` shows the moment `t + 0.5` s, the middle of second `t`.
"""

from dataclasses import dataclass, replace
from typing import Literal

from tgs_pipeline.tinyworld.categories import CATEGORIES

NUM_FRAMES = 10
DURATION_SEC = 10.0

Motion = Literal["still", "left", "right"]
Side = Literal["left", "right"]


@dataclass(frozen=True)
class SoundEvent:
    """One uninterrupted stretch of sound: onset and offset in seconds, 0 <= onset < offset <= DURATION_SEC."""

    onset_sec: float
    offset_sec: float


@dataclass(frozen=True)
class Voice:
    """How an object sounds through the clip; events are in order and do not overlap.

    loudness: 1 (faint) .. 4 (loud), a step is a factor of `sound.LOUDNESS_STEP`. pulse_hz: pulses per second, None for
    sounds without rhythm. pitch: factor on the category's base frequencies.
    """

    events: tuple[SoundEvent, ...]
    loudness: int
    pulse_hz: float | None
    pitch: float

    @property
    def onset_sec(self) -> float:
        """The first onset."""
        return self.events[0].onset_sec

    @property
    def offset_sec(self) -> float:
        """The last offset."""
        return self.events[-1].offset_sec

    @property
    def duration_sec(self) -> float:
        """The total time of sounding."""
        return sum(event.offset_sec - event.onset_sec for event in self.events)


@dataclass(frozen=True)
class SceneObject:
    """One object of a clip.

    index: position in Scene.objects, also its `fid`. size: longer side. centers: one (x, y) per frame. visible: whether
    it is in the scene at each frame (it may still be hidden behind others). depth: drawing order, 0 is the farthest.
    player: index of the man who plays it. voice: None for an object that makes no sound.
    """

    index: int
    category: str
    color: str
    size: float
    centers: tuple[tuple[float, float], ...]
    angles_deg: tuple[float, ...]
    visible: tuple[bool, ...]
    depth: int
    flipped: bool
    motion: Motion
    player: int | None
    voice: Voice | None

    @property
    def half_extent(self) -> tuple[float, float]:
        """Half of the width and of the height, upright."""
        aspect = CATEGORIES[self.category].aspect
        return 0.5 * self.size * min(1.0, aspect), 0.5 * self.size / max(1.0, aspect)

    @property
    def first_frame(self) -> int:
        """The first frame in which it is in the scene."""
        return self.visible.index(True)

    @property
    def last_frame(self) -> int:
        """The last frame in which it is in the scene."""
        return NUM_FRAMES - 1 - self.visible[::-1].index(True)

    @property
    def mean_x(self) -> float:
        """The mean x of its centre while it is in the scene."""
        shown = [center[0] for center, visible in zip(self.centers, self.visible, strict=True) if visible]
        return sum(shown) / len(shown)


@dataclass(frozen=True)
class Scene:
    """All objects of a clip, and sounds that come from nothing visible (a soundtrack of another clip)."""

    objects: tuple[SceneObject, ...]
    unseen_voices: tuple[tuple[str, Voice], ...] = ()

    def of_category(self, category: str) -> tuple[SceneObject, ...]:
        """The objects of one category."""
        return tuple(item for item in self.objects if item.category == category)

    def from_left(self) -> tuple[SceneObject, ...]:
        """The objects from left to right, by the mean x of their centres while in the scene."""
        return tuple(sorted(self.objects, key=lambda item: item.mean_x))

    def sounding(self) -> tuple[SceneObject, ...]:
        """The objects that sound, in order of their index."""
        return tuple(item for item in self.objects if item.voice is not None)


def with_soundtrack_of(scene: Scene, donor: Scene) -> Scene:
    """Return `scene` as it is seen with what `donor` sounds like: its own objects fall silent."""
    silent = tuple(replace(item, voice=None) for item in scene.objects)
    heard = tuple((item.category, item.voice) for item in donor.sounding() if item.voice is not None)
    return Scene(silent, heard)
