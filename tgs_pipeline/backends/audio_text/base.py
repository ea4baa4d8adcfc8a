"""The role of an audio-text model: how near texts are to sounds."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

SAMPLE_RATE_HZ = 16000


class AudioText(Protocol):
    """Embeds texts and sounds in one space."""

    def similarity(self, texts: Sequence[str], sounds: Sequence[np.ndarray]) -> np.ndarray:
        """Cosines float32 (texts, sounds). sounds: mono float32 (num_samples,) at SAMPLE_RATE_HZ, -1..1, any lengths.

        ValueError where a sound is too short to be heard.
        """
        ...

    def text_similarity(self, text: str, others: Sequence[str]) -> np.ndarray:
        """Cosines float32 (others,) of a text with other texts."""
        ...
