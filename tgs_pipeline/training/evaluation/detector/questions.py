"""What a detector is asked about a frame of a held-out clip: one phrase at a time, as the pipeline asks.

Every category is asked for in every frame (the probe); the other questions are about the objects in view.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS
from tgs_pipeline.tinyworld.chains import PLACES, place_of
from tgs_pipeline.tinyworld.clip import Split, generate_clip
from tgs_pipeline.tinyworld.pretraining.phrases import Query, View, look, meaning
from tgs_pipeline.tinyworld.render import render_scene
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene
from tgs_pipeline.training.evaluation.media import through_jpeg

Kind = Literal[
    "category",
    "colored",
    "place",
    "f_object",
    "absent category",
    "absent colored category",
    "absent color",
    "absent place",
    "empty frame",
    "probe",
]
PRESENT: tuple[Kind, ...] = ("category", "colored", "place", "f_object")
# What the scores of present and absent are compared on. A wrong place is listed, but is no absent object.
NAMED: tuple[Kind, ...] = ("category", "colored")
ABSENT: tuple[Kind, ...] = ("absent category", "absent colored category", "absent color", "empty frame")
CATEGORY_NAMES = sorted(CATEGORIES)


@dataclass(frozen=True)
class Question:
    """A phrase without final dot. meant: indices of the objects it means. kind: what it counts as, `probe` for a
    category that is asked for in the probe alone. needs_place: without its place the phrase would mean more objects."""

    text: str
    meant: tuple[int, ...]
    kind: Kind
    needs_place: bool = False


@dataclass(frozen=True)
class Frame:
    """A frame as it is read back from a dataset, uint8 RGB (H, W, 3), and what it is asked for."""

    seed: int
    split: Split
    vid: str
    pixels: np.ndarray
    view: View
    questions: tuple[Question, ...]


def frames_of(seed: int, split: Split, *, num_clips: int) -> Iterator[Frame]:
    """One frame of each clip, any moment, and after every clip a frame without objects."""
    for index in range(num_clips):
        clip = generate_clip(seed, split, index)
        rng = np.random.default_rng([seed, index, *split.encode()])
        moment = int(rng.integers(NUM_FRAMES))
        view = look(clip.plan.scene, clip.masks[:, moment])
        pixels = through_jpeg(clip.frames[moment])
        yield Frame(seed, split, clip.plan.vid, pixels, view, tuple(questions_of(rng, view)))
        empty, masks = render_scene(Scene(()), frame_size_px=len(pixels), rng=rng, moments=[0])
        view = look(Scene(()), masks[:, 0])
        questions = tuple(Question(_any(rng).text(article=False), (), "empty frame") for _ in range(2))
        yield Frame(seed, split, f"{clip.plan.vid} without objects", through_jpeg(empty[0]), view, questions)


def questions_of(rng: np.random.Generator, view: View) -> list[Question]:
    """All questions about a frame with objects; those of which the frame does not tell the answer are left out."""
    scene = view.scene
    shown = [scene.objects[index] for index in view.shown]
    missing = [category for category in CATEGORY_NAMES if not scene.of_category(category)]
    asked_absent = rng.choice(missing, min(len(shown), len(missing)), replace=False).tolist()
    queries: list[tuple[Query, Kind]] = []
    for category in CATEGORY_NAMES:
        is_shown = any(item.category == category for item in shown)
        queries.append(
            (Query(category), "category" if is_shown else "absent category" if category in asked_absent else "probe")
        )
    for item in shown:
        place = place_of(item)
        queries.append((Query(item.category, item.color), "colored"))
        queries.append((Query(item.category, place=place), "place"))
        queries.append((Query(item.category, item.color, place), "f_object"))
        queries.append((Query(str(rng.choice(missing)), item.color), "absent colored category"))
        queries.append((Query(item.category, str(rng.choice(sorted(COLORS)))), "absent color"))
        queries.append((Query(item.category, item.color, str(rng.choice(PLACES))), "absent place"))
    return list(_answerable(view, queries))


def _answerable(view: View, queries: Sequence[tuple[Query, Kind]]) -> Iterator[Question]:
    """Those that are what they are meant to be, each text once."""
    asked: set[str] = set()
    for query, kind in queries:
        meant = meaning(view, query)
        if kind != "probe" and (meant is None or bool(meant) != (kind in PRESENT)):
            continue
        text = query.text(article=kind == "f_object")
        if text not in asked:
            asked.add(text)
            without = meaning(view, Query(query.category, query.color))
            needs_place = query.place is not None and without is not None and len(without) > len(meant or ())
            yield Question(text, meant or (), kind, needs_place)


def _any(rng: np.random.Generator) -> Query:
    color = str(rng.choice(sorted(COLORS))) if rng.random() < 0.5 else None
    return Query(str(rng.choice(CATEGORY_NAMES)), color)
