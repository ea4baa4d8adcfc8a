"""Selectors that ask a multimodal model, from the params (backends/selector/mllm.py)."""

from tgs_pipeline.backends.multimodal.frame_questions import Drawing, FrameQuestions
from tgs_pipeline.backends.selector.base import About
from tgs_pipeline.backends.selector.mllm import MllmSelector
from tgs_pipeline.execution import Execution
from tgs_pipeline.grounding.pivots import Selectors
from tgs_pipeline.params_choosing import MllmParams
from tgs_pipeline.params_multimodal import MultimodalParams


def mllm_selectors(settings: MllmParams, *, sounding: bool, execution: Execution) -> Selectors:
    """sounding: whether windows are about sounding objects, whose frames are chosen with their names."""
    about: About = "sounding" if sounding else "reference"

    def selector(model: MultimodalParams, name: str) -> MllmSelector:
        questions = FrameQuestions(
            settings=model,
            section=f"ground.mllm.{name}",
            cache=execution.cache,
            num_loaders=execution.num_loaders,
            max_failure_rate=execution.max_failure_rate,
            drawing=Drawing(**settings.drawing.model_dump()),
        )
        return MllmSelector(questions, about=about, max_boxes=settings.max_boxes, compat=settings.compat)

    frames = None if sounding or settings.frame_model is None else selector(settings.frame_model, "frame_model")
    return Selectors(
        rule="pivot_lbru" if sounding else "pivot_mllm",
        frames=frames,
        boxes=selector(settings.box_model, "box_model"),
        default_frame=settings.compat == "parity" and not sounding,
    )
