"""The categories of AVSBench-semantic (AVSS), the numbers of their classes, and the colours of its masks.

Class 0 is the background, class n the n-th category. Names and order are those of the data (UPSTREAM_FACTS 6.1).
"""

from collections.abc import Callable, Sequence

import numpy as np

CATEGORIES = (
    "accordion", "airplane", "axe", "baby", "bassoon", "bell", "bird", "boat", "boy", "bus", "car", "cat", "cello",
    "clarinet", "clipper", "clock", "dog", "donkey", "drum", "duck", "elephant", "emergency-car", "erhu", "flute",
    "frying-food", "girl", "goose", "guitar", "gun", "guzheng", "hair-dryer", "handpan", "harmonica", "harp",
    "helicopter", "hen", "horse", "keyboard", "leopard", "lion", "man", "marimba", "missile-rocket", "motorcycle",
    "mower", "parrot", "piano", "pig", "pipa", "saw", "saxophone", "sheep", "sitar", "sorna", "squirrel", "tabla",
    "tank", "tiger", "tractor", "train", "trombone", "truck", "trumpet", "tuba", "ukulele", "utv", "vacuum-cleaner",
    "violin", "wolf", "woman",
)  # fmt: skip
NUM_CLASSES = len(CATEGORIES) + 1

Similarity = Callable[[str, Sequence[str]], np.ndarray]  # a name and the categories -> float (number of categories,)


def class_of(name: str) -> int | None:
    """The class of a category, spelled with hyphens or blanks, in any case; None for another name."""
    spelled = "-".join(name.lower().split())
    return CATEGORIES.index(spelled) + 1 if spelled in CATEGORIES else None


def nearest_class(name: str, *, similarity: Similarity) -> int:
    """The class of a name; of one that is no category, that of the category with the most similar text.

    In a tie the first category wins. Upstream compares texts by LanguageBind.
    """
    known = class_of(name)
    if known is not None:
        return known
    scores = similarity(name, CATEGORIES)
    if scores.shape != (len(CATEGORIES),) or not np.isfinite(scores).all():
        raise ValueError(f"similarities of {name!r}: expected {len(CATEGORIES)} finite numbers, found {scores.shape}")
    return int(np.argmax(scores)) + 1


def palette() -> np.ndarray:
    """uint8 (NUM_CLASSES, 3) RGB: the colour of each class in masks, that of PASCAL VOC.

    Bits 0, 1 and 2 of the class number are the highest bits of red, green and blue, bits 3, 4 and 5 the next, ...
    """
    classes = np.arange(NUM_CLASSES)[:, None]
    colours = np.zeros((NUM_CLASSES, 3), np.int64)
    for depth in range(3):
        bits = classes >> (3 * depth + np.arange(3)) & 1
        colours |= bits << (7 - depth)
    return colours.astype(np.uint8)
