"""Typed parameters of AL-Ref-SAM 2: sounding objects (think) and pivots (ground), which a multimodal model chooses,
and which of the objects sound when (segment).

`drawing` is how frames become the one picture of a question; `compat` is how replies are taken (prompts/listed.py).
"""

from typing import Annotated, Literal

from pydantic import Field

from tgs_pipeline.params_multimodal import MultimodalParams
from tgs_pipeline.params_section import Fraction, PositiveInt, Section, Text

Compat = Literal["corrected", "parity"]


class Drawing(Section):
    """Frames as tiles of one picture."""

    columns: PositiveInt
    tile_width_px: Annotated[int, Field(gt=0, le=4096)]
    jpeg_quality: Annotated[int, Field(ge=1, le=95)]


class LbruParams(Section):
    """What sounds in a clip and which frame shows it best, in one question (backends/thinker/lbru.py)."""

    num_labels: PositiveInt  # best labels of the tagger, without silence
    categories: Literal["avsbench"] | list[Text]  # names to choose from
    single: bool  # one object for each clip, as in S4
    step: PositiveInt  # every step-th frame is shown
    compat: Compat
    drawing: Drawing
    model: MultimodalParams


class WindowParams(Section):
    """Windows of a long clip with a pivot each (grounding/windows.py)."""

    num_frames: PositiveInt
    step: PositiveInt


class MllmParams(Section):
    """The two steps of choosing a pivot (backends/selector/mllm.py)."""

    max_boxes: Annotated[int, Field(ge=1, le=6)]  # candidates shown, those with the best scores
    compat: Compat
    drawing: Drawing
    frame_model: MultimodalParams | None  # null: think.backend lbru has chosen the frames
    box_model: MultimodalParams


class TagMatching(Section):
    """Which objects sound in a segment, by its sound tags (sounding/objects.py)."""

    by: Literal["tags"]
    similarity: Fraction  # cosine of tags from which neighbouring seconds are one segment, where none is recorded
    rival_share: Annotated[float, Field(gt=0, le=1)]  # an object needs this share of the best object's score
    min_score: Fraction  # and this score


class AudioTextMatching(Section):
    """The same by an audio-text model, which compares the sound with a text for every combination of objects."""

    by: Literal["audio_text"]
    similarity: Fraction
    weights: Text  # folder of LanguageBind_Audio_FT
    separator: Literal[", ", "; "]  # between objects in a text; upstream: ", " for MS3 and V2, "; " for AVSS (T43)


MatchingParams = Annotated[TagMatching | AudioTextMatching, Field(discriminator="by")]
