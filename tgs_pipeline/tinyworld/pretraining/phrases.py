"""What a detector can be asked about a frame: phrases of the forms that chains and references use, and what they mean.

A phrase means every object in view that fits it. Half of those that are drawn mean nothing: no such category, no such
colour, another place, or an object of the clip that this frame does not show. Shapes: N objects of a scene.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tgs_pipeline.prompts.caption import caption
from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS, name_with_color
from tgs_pipeline.tinyworld.chains import PLACES, place_of
from tgs_pipeline.tinyworld.references import choose_references
from tgs_pipeline.tinyworld.scene import Scene

# Kinds of references (kinds.py) that one frame answers: no sound, no motion, nothing of before and after.
REFERENCE_KINDS = (
    *("category", "color_category", "color", "biggest", "smallest", "category_beside", "beside", "twin_side"),
    *("extreme", "between", "held", "playing"),
)
MIN_AREA = 0.003  # of the frame: an object of which less is seen is neither there nor missing
# `color` and `where` name no category: so the words of colours and places are learned by themselves. Beside a category,
# which nearly always tells the object alone, nothing was learned of them.
_FORMS = ("category", "colored", "place", "colored_place", "color", "where")
_FORM_SHARES = (0.2, 0.25, 0.15, 0.2, 0.12, 0.08)
_ARTICLE_SHARE = 0.5  # of phrases without a place; those with one always have it
_MAX_ATTEMPTS = 50


@dataclass(frozen=True)
class View:
    """A frame as it can be asked about.

    boxes: float32 (N, 4), left, top, right, bottom of the visible part as fractions of the frame; zeros where nothing
    is seen. shown: indices of the objects that are clearly in view. unclear: of those of which very little is.
    """

    scene: Scene
    boxes: np.ndarray
    shown: tuple[int, ...]
    unclear: tuple[int, ...]


@dataclass(frozen=True)
class Query:
    """A demand; None where it does not matter. place: one of PLACES."""

    category: str | None
    color: str | None = None
    place: str | None = None

    def text(self, *, article: bool) -> str:
        """Word it."""
        if self.category is None:
            words = "object" if self.color is None else f"{self.color} object"
        else:
            words = self.category if self.color is None else name_with_color(self.category, self.color)
        return f"{'the ' if article or self.place else ''}{words}{self.place or ''}"


@dataclass(frozen=True)
class Phrase:
    """A text without final dot, and the objects it means: none where it is absent."""

    text: str
    meant: tuple[int, ...]


def look(scene: Scene, masks_NHW: np.ndarray) -> View:
    """What a frame shows, from the masks of the visible parts."""
    boxes = np.array([box_of(mask) for mask in masks_NHW], np.float32).reshape(-1, 4)
    areas = masks_NHW.mean(axis=(1, 2)) if len(masks_NHW) else np.zeros(0)
    shown = tuple(np.flatnonzero(areas >= MIN_AREA).tolist())
    return View(scene, boxes, shown, tuple(np.flatnonzero((areas > 0) & (areas < MIN_AREA)).tolist()))


def box_of(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a mask (H, W) as fractions of its sides; zeros for an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    height, width = mask.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def meaning(view: View, query: Query) -> tuple[int, ...] | None:
    """The objects that a query means, none if it is absent; None where the frame does not tell.

    An object answers to the place it has over the clip. Where it stands in another third at this moment it does not
    count as missing from there. Whether somebody in red is a red object is not clear.
    """
    meant = []
    for item in view.scene.objects:
        if query.category not in (None, item.category) or query.color not in (None, item.color):
            continue
        is_dressed = query.category is None and query.color is not None and CATEGORIES[item.category].family == "person"
        if is_dressed and item.index in (*view.shown, *view.unclear):
            return None
        is_there = query.place in (None, place_of(item))
        if item.index in view.unclear and is_there:
            return None
        if item.index in view.shown and is_there:
            meant.append(item.index)
        elif item.index in view.shown and query.place == _place_now(view, item.index):
            return None
    return tuple(meant)


def _place_now(view: View, index: int) -> str:
    left, _, right, _ = view.boxes[index].tolist()
    return PLACES[min(2, int(3 * (left + right) / 2))]


def draw_phrase(rng: np.random.Generator, view: View, *, absent: bool) -> Phrase:
    """Draw a phrase that means some object, or none; where a frame shows nothing every phrase is absent."""
    absent = absent or not view.shown
    for _ in range(_MAX_ATTEMPTS):
        query = _draw_absent(rng, view) if absent else _draw_present(rng, view)
        meant = meaning(view, query)
        if meant is not None and bool(meant) != absent:
            return Phrase(query.text(article=bool(rng.random() < _ARTICLE_SHARE)), meant)
    missing = [category for category in CATEGORIES if not view.scene.of_category(category)]
    return Phrase(str(rng.choice(missing)), ())


def _draw_present(rng: np.random.Generator, view: View) -> Query:
    item = view.scene.objects[int(rng.choice(view.shown))]
    form = str(rng.choice(_FORMS, p=_FORM_SHARES))
    return _query(form, item.category, item.color, place_of(item))


def _query(form: str, category: str, color: str, place: str) -> Query:
    """What a form says of these."""
    return Query(
        None if form in ("color", "where") else category,
        color if form.startswith("color") else None,
        place if form.endswith("place") or form == "where" else None,
    )


def _draw_absent(rng: np.random.Generator, view: View) -> Query:
    """A query with one thing wrong, mostly; whether it is really absent is for `meaning` to say."""
    form = str(rng.choice(_FORMS, p=_FORM_SHARES))
    objects = view.scene.objects
    item = objects[int(rng.integers(len(objects)))] if objects else None
    category, color = str(rng.choice(list(CATEGORIES))), str(rng.choice(list(COLORS)))
    place = str(rng.choice(PLACES))
    if item is not None and form == "place":
        category, place = (item.category, place) if rng.random() < 0.5 else (category, place_of(item))
    elif item is not None and form.startswith("colored"):
        wrong = str(rng.choice(["category", "color", "place" if form == "colored_place" else "color"]))
        category = category if wrong == "category" else item.category
        color = color if wrong == "color" else item.color
        place = place if wrong == "place" else place_of(item)
    return _query(form, category, color, place)


def draw_reference(rng: np.random.Generator, view: View) -> Phrase | None:
    """A raw reference that the frame answers, as it is sent to the detector; None where there is none."""
    found = [
        one
        for one in choose_references(rng, view.scene, number=12)
        if one.kind in REFERENCE_KINDS and one.target in view.shown
    ]
    if not found:
        return None
    chosen = found[int(rng.integers(len(found)))]
    assert chosen.target is not None
    text = caption(chosen.text).removesuffix(".")
    return Phrase(text, (chosen.target,))


def join_caption(phrases: Sequence[Phrase]) -> tuple[str, list[tuple[int, int]]]:
    """The caption of several phrases, each ended by a dot, and where each phrase stands in it (start, end)."""
    parts, spans, position = [], [], 0
    for phrase in phrases:
        parts.append(f"{phrase.text}.")
        spans.append((position, position + len(phrase.text)))
        position += len(phrase.text) + 2
    return " ".join(parts), spans
