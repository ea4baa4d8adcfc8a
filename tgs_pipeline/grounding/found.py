"""What the detector found in a frame, in pixels and words."""

from collections.abc import Sequence

import numpy as np

NO_WORDS = frozenset({"[CLS]", "[SEP]", ".", "?"})  # what separates the sub-sentences of a caption


def to_pixels(box_xyxy: Sequence[float], *, height: int, width: int) -> np.ndarray:
    """A box relative to the frame -> float32 pixels; it may reach a little outside the frame, as upstream's."""
    return np.asarray(box_xyxy, np.float32) * np.array([width, height, width, height], np.float32)


def phrase(tokens: Sequence[str], token_scores: np.ndarray, *, text_threshold: float) -> str:
    """The words of the caption whose tokens score above the threshold; empty where none does.

    A label only, it decides nothing (trap T22). Word pieces are joined; what only separates is left out.
    """
    kept = [
        token
        for token, score in zip(tokens, token_scores, strict=True)
        if score > np.float32(text_threshold) and token not in NO_WORDS
    ]
    return " ".join(kept).replace(" ##", "")


def phrases(found: dict, *, text_threshold: float) -> list[str]:
    """`phrase` of every candidate of a row of candidates."""
    if not found["scores"]:
        return []
    token_scores = np.asarray(found["token_scores"], np.float32).reshape(len(found["scores"]), -1)
    return [phrase(found["tokens"], scores, text_threshold=text_threshold) for scores in token_scores]
