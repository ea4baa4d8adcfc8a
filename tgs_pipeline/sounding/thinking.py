"""Thinking with `think.backend: lbru`: a question about each clip (backends/thinker/lbru.py), whatever its references.

Replies are kept in the row store `lbru`, so a second run asks nothing. Chains are told in prompts/objects.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tgs_pipeline.backends.multimodal.frame_questions import Drawing, FrameQuestions
from tgs_pipeline.backends.thinker.base import Reply
from tgs_pipeline.backends.thinker.lbru import HeardClip, Lbru, Sounding
from tgs_pipeline.data.avsbench_classes import CATEGORIES
from tgs_pipeline.execution import Execution
from tgs_pipeline.params_choosing import LbruParams
from tgs_pipeline.prompts.objects import names_of, write_objects


def name_objects(
    samples: Iterable[dict],
    settings: LbruParams,
    *,
    heard: Mapping[str, Sequence[str]],
    dataset: Path,
    execution: Execution,
) -> dict[str, Reply]:
    """What sounds in the video of each sample (rows of samples that can be thought about), by vid."""
    clips: dict[str, HeardClip] = {}
    shown: dict[str, list[int]] = {}
    for sample in samples:
        vid = sample["vid"]
        if vid in clips:
            continue
        frames = zip(sample["frame_paths"], sample["frame_hashes"], strict=True)
        files = tuple((dataset / path, content_hash) for path, content_hash in frames)[:: settings.step]
        clips[vid] = HeardClip(vid, tuple(heard.get(vid, ())), files)
        shown[vid] = sample["frame_indices"][:: settings.step]
    told = _make(settings, execution=execution).objects(list(clips.values()))
    return {vid: _reply(sounding, shown[vid]) for vid, sounding in zip(clips, told, strict=True)}


def _make(settings: LbruParams, *, execution: Execution) -> Lbru:
    questions = FrameQuestions(
        settings=settings.model,
        section="think.lbru.model",
        cache=execution.cache,
        num_loaders=execution.num_loaders,
        max_failure_rate=execution.max_failure_rate,
        drawing=Drawing(**settings.drawing.model_dump()),
    )
    categories = CATEGORIES if settings.categories == "avsbench" else settings.categories
    return Lbru(questions, categories=categories, single=settings.single, compat=settings.compat)


def _reply(sounding: Sounding, frame_indices: Sequence[int]) -> Reply:
    """The chain of a clip; a reply that cannot be read is malformed, as that of any thinker."""
    objects = sounding.objects
    names = names_of(objects) or None
    return Reply(
        text=write_objects(objects, frame_indices=frame_indices) if objects else None,
        num_tokens=0,
        think=None,
        f_object=names,
        s_object=names,
        status="failed" if sounding.status == "failed" else "malformed" if sounding.status == "unusable" else "ok",
        reason=sounding.reason,
    )
