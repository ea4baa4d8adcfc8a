"""Settings that contradict each other across sections of a params file."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgs_pipeline.params import Params

GRID_PX = {"refavs": 256, "avsbench": 224}  # of the score maps that a protocol is defined on


def contradictions(params: "Params") -> Iterator[str]:
    """Everything that does not go together, each with what to do."""
    yield from _captions(params)
    yield from _scores(params)
    yield from _faithfulness(params)
    yield from _listening(params)
    yield from _pivots(params)


def _captions(params: "Params") -> Iterator[str]:
    ground, detect = params.ground, params.detect
    asked: list[str] = [ground.prompt]
    if ground.prompt == "auto":
        asked = ["s_object", "f_object", *ground.auto.fallbacks]
    unseen = sorted(set(asked) - set(detect.captions))
    if unseen:
        yield (
            f"ground.prompt is {ground.prompt!r} but detect.captions is {detect.captions}: "
            f"add {unseen} to detect.captions, so that the detector sees what is asked for"
        )
    if ground.box_threshold < detect.floor:
        yield (
            f"ground.box_threshold {ground.box_threshold} is below detect.floor {detect.floor}: "
            "candidates under the floor are not stored; lower detect.floor too"
        )
    if detect.caption_text == "verbatim" and (ground.prompt == "auto" or ground.null_threshold is not None):
        yield (
            "detect.caption_text is 'verbatim', which asks for `null` too: set ground.prompt to one column and "
            "ground.null_threshold to null, which decide otherwise what is not asked for"
        )


def _scores(params: "Params") -> Iterator[str]:
    score, segment = params.score, params.segment
    grid_px = GRID_PX.get(score.protocol, segment.levels_size_px)
    if segment.levels_size_px != grid_px:
        yield (
            f"score.protocol is {score.protocol!r}, which scores maps of {grid_px} px, but "
            f"segment.levels_size_px is {segment.levels_size_px}: set it to {grid_px}"
        )
    if score.missing == "scored" and score.protocol != "tgs":
        yield (
            f"score.missing is 'scored', which only the evaluator behind protocol tgs does (trap T7), but "
            f"score.protocol is {score.protocol!r}: set score.missing to unscored"
        )


def _faithfulness(params: "Params") -> Iterator[str]:
    faithfulness, think = params.faithfulness, params.think
    if faithfulness.num_samples and think.backend != "ref_thinker":
        yield (
            f"think.backend is {think.backend!r}, which writes no chain that could be followed: "
            "set faithfulness.num_samples to 0"
        )
    if faithfulness.num_samples and think.padding == "read":
        yield (
            "think.padding is 'read', so an answer depends on the batch of its reference, and faithfulness asks in "
            "other batches: set faithfulness.num_samples to 0"
        )
    unknown = sorted(set(faithfulness.splits or []) - set(params.dataset.splits))
    if unknown:
        yield (
            f"faithfulness.splits names {unknown}, but dataset.splits is {params.dataset.splits}: only what is "
            "thought about can be measured"
        )


def _listening(params: "Params") -> Iterator[str]:
    """think.backend audio_tags and lbru, and what they need of other stages."""
    think, features, detect = params.think, params.features, params.detect
    if think.backend == "ref_thinker" and features.audio.outputs == "tags":
        yield (
            "features.audio.outputs is 'tags', but think.backend is 'ref_thinker', which listens itself: set "
            "features.audio.outputs to features_and_tags"
        )
    if think.backend == "lbru" and think.lbru is None:
        yield "think.backend is 'lbru' but think.lbru is null: give its settings, as profiles/al-ref-sam2-s4.yaml does"
    if (think.backend == "lbru" and think.lbru is not None) or think.backend == "audio_tags":
        num_labels = think.lbru.num_labels if think.backend == "lbru" and think.lbru is not None else 1
        if features.num_tags <= num_labels:
            yield (
                f"features.num_tags is {features.num_tags}, but think.backend {think.backend!r} takes the best "
                f"{num_labels} besides silence: set it to {num_labels + 1} or more"
            )
        if detect.caption_text == "verbatim":
            yield (
                f"detect.caption_text is 'verbatim', which reads the tags of a chain, but think.backend "
                f"{think.backend!r} writes none: set it to cleaned"
            )
    matching = params.segment.matching
    if matching is not None and matching.by == "tags" and not features.num_second_tags:
        yield (
            "segment.matching.by is 'tags', but features.num_second_tags is 0: set it to the number of sound classes "
            "to keep for each second, all of them or 50"
        )
    if "objects" in detect.captions and think.backend != "lbru":
        yield (
            f"detect.captions has 'objects', which think.backend 'lbru' alone names; it is {think.backend!r}: ask for "
            "s_object, f_object or reference"
        )


def _pivots(params: "Params") -> Iterator[str]:
    """ground.frames other than every."""
    ground = params.ground
    if ground.frames == "every":
        if ground.prompt == "objects":
            yield "ground.prompt is 'objects', of which each has a frame of its own: set ground.frames to pivot"
        return
    if ground.prompt == "objects" and params.segment.mode == "frame":
        yield (
            "ground.prompt is 'objects', of which several can have one pivot frame, but segment.mode 'frame' masks one "
            "box in each: set segment.mode to propagate"
        )
    if ground.prompt == "auto":
        yield f"ground.frames is {ground.frames!r}, where a selector chooses: set ground.prompt to one column"
    if ground.box_select != "max":
        yield f"ground.frames is {ground.frames!r}, where a selector chooses the box: set ground.box_select to max"
    if ground.frames != "pivot" or ground.selector != "mllm":
        return
    if ground.mllm is None:
        yield "ground.selector is 'mllm' but ground.mllm is null: give its settings, as profiles/al-ref-sam2-s4.yaml"
    elif ground.prompt != "objects" and ground.mllm.frame_model is None:
        yield f"ground.mllm.frame_model is null, but ground.prompt {ground.prompt!r} needs a model to choose a frame"
    if ground.prompt == "objects" and ground.window is not None:
        yield "ground.window is set, but think.backend 'lbru' chooses a frame of the whole clip: set it to null"
