"""Evaluates a detector on held-out clips of the tiny world, through the backend that the pipeline runs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from tgs_pipeline.backends.detector.base import Candidates
from tgs_pipeline.operators.detect import make_detector
from tgs_pipeline.params import Params
from tgs_pipeline.prompts.caption import caption
from tgs_pipeline.tinyworld.clip import Split
from tgs_pipeline.training.evaluation.detector.questions import Frame, frames_of
from tgs_pipeline.training.evaluation.detector.report import DetectorEvaluation
from tgs_pipeline.training.evaluation.detector.scores import Answers, fit_threshold, judge
from tgs_pipeline.training.evaluation.seeds import check_seeds
from tgs_pipeline.weights import digest

if TYPE_CHECKING:
    from tgs_pipeline.backends.detector.base import Detector

JUDGED: tuple[Split, ...] = ("test_s", "test_u")
FITTED: Split = "val"  # clips for the threshold that is fitted


def evaluate_params(params: Params, *, seeds: Sequence[int], num_clips: int) -> DetectorEvaluation:
    """Evaluate the detector of a params file on its first device, at ground.box_threshold. ValueError as `evaluate`."""
    _check_request(seeds, num_clips)  # before anything is loaded
    return evaluate(
        make_detector(params.detect, device=params.runtime.devices[0]),
        seeds=seeds,
        num_clips=num_clips,
        threshold=params.ground.box_threshold,
        batch_size=params.runtime.batch_size.detect,
        description={"detect": params.detect.model_dump(), "digest": digest(Path(params.detect.weights))},
    )


def evaluate(
    detector: "Detector",
    *,
    seeds: Sequence[int],
    num_clips: int,
    threshold: float,
    batch_size: int,
    description: dict[str, object],
) -> DetectorEvaluation:
    """Ask about a frame of clips 0, 1, ... of each seed, and score the answers.

    num_clips: of each of JUDGED and of FITTED, for each seed. threshold: at which present is told from absent, beside
    the one fitted on FITTED. description: what the result says of the detector. ValueError where there is nothing to
    ask, or a seed twice.
    """
    _check_request(seeds, num_clips)
    fitted_on = list(_answer(detector, seeds, (FITTED,), num_clips=num_clips, batch_size=batch_size))
    answers = list(_answer(detector, seeds, JUDGED, num_clips=num_clips, batch_size=batch_size))
    return DetectorEvaluation(
        answers=answers,
        fitted_threshold=fit_threshold(fitted_on),
        threshold=threshold,
        seeds=list(seeds),
        num_clips=num_clips,
        detector=description,
    )


def _check_request(seeds: Sequence[int], num_clips: int) -> None:
    check_seeds(seeds)
    if num_clips < 1:
        raise ValueError(f"clips must be at least 1: got {num_clips}")


def _answer(
    detector: "Detector", seeds: Sequence[int], splits: Sequence[Split], *, num_clips: int, batch_size: int
) -> Iterator[Answers]:
    for seed in seeds:
        for split in splits:
            frames = tqdm(
                frames_of(seed, split, num_clips=num_clips),
                desc=f"seed {seed}, {split}",
                total=2 * num_clips,
                unit="frame",
                disable=None,
            )
            for frame in frames:
                yield judge(frame, list(_ask(detector, frame, batch_size=batch_size)))


def _ask(detector: "Detector", frame: Frame, *, batch_size: int) -> Iterator[Candidates]:
    """Every candidate for each question. ValueError for a broken network."""
    captions = [caption(question.text) for question in frame.questions]
    for start in range(0, len(captions), batch_size):
        asked = captions[start : start + batch_size]
        for text, one in zip(asked, detector.detect([frame.pixels] * len(asked), asked, floor=0.0), strict=True):
            if one.reason is not None:
                raise ValueError(f"clip {frame.vid}, caption {text!r}: {one.reason}")
            yield one
