"""Typed parameters of choosing by a multimodal model: sounding objects (think) and pivots (ground), AL-Ref-SAM 2.

`drawing` is how frames become the one picture of a question; `compat` is how replies are taken (prompts/listed.py).
"""

from typing import Annotated, Literal

from pydantic import Field

from tgs_pipeline.params_multimodal import MultimodalParams
from tgs_pipeline.params_section import PositiveInt, Section, Text

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
