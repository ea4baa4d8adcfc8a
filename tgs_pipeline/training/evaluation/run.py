"""Evaluates a thinker on clips of the tiny world that are made for it: rendered, encoded, asked about, scored.

Clips are in memory only and are encoded as the stages of the pipeline would from files. They have the sizes of
`generate_clip`; a thinker that reads no features is asked without rendering.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tgs_pipeline.backends.thinker.base import Reply, Request, Thinker
from tgs_pipeline.operators.think import make_thinker
from tgs_pipeline.params import Params
from tgs_pipeline.tinyworld.clip import Split, generate_clip, plan_clip
from tgs_pipeline.training.evaluation.blind import Blind, BlindAnswer
from tgs_pipeline.training.evaluation.claims import check_chain
from tgs_pipeline.training.evaluation.media import ClipEncoder
from tgs_pipeline.training.evaluation.questions import Question, questions_of
from tgs_pipeline.training.evaluation.report import Evaluation
from tgs_pipeline.training.evaluation.scores import Outcome
from tgs_pipeline.training.evaluation.seeds import check_seeds
from tgs_pipeline.weights import digest

BLIND_CLIPS = 3000  # to fit the blind baseline on, at least
Asked = tuple[Question, Request]


def evaluate_params(params: Params, *, seeds: Sequence[int], num_clips: Mapping[Split, int]) -> Evaluation:
    """Evaluate the thinker of a params file with its encoders, on its first device. ValueError as `evaluate`."""
    _check_request(seeds, num_clips)  # before anything is loaded
    device = params.runtime.devices[0]
    description: dict[str, object] = {"think": params.think.model_dump()}
    encoder = None
    if params.think.backend == "ref_thinker":  # the others read no features
        description |= {"features": params.features.model_dump(), "digest": digest(Path(params.think.weights))}
        encoder = ClipEncoder(params.features, device=device)
    return evaluate(
        make_thinker(params.think, device=device),
        encoder=encoder,
        seeds=seeds,
        num_clips=num_clips,
        batch_size=params.runtime.batch_size.think,
        description=description,
    )


def evaluate(
    thinker: Thinker,
    *,
    encoder: ClipEncoder | None,
    seeds: Sequence[int],
    num_clips: Mapping[Split, int],
    batch_size: int,
    description: Mapping[str, object],
    blind_clips: int = BLIND_CLIPS,
) -> Evaluation:
    """Ask about clips 0, 1, ... of each split and seed, and score the answers.

    encoder: None for a thinker that reads no features. num_clips: for each seed, by split. batch_size: requests at a
    time. description: what the result says of the thinker. ValueError where there is nothing to ask, or a seed twice.
    """
    _check_request(seeds, num_clips)
    baseline = fit_blind(seed=max(seeds) + 1, num_clips=num_clips, at_least=blind_clips)
    outcomes = []
    asked = _ask(encoder, seeds=seeds, num_clips=num_clips)
    for batch in _batches(asked, batch_size):
        replies = thinker.think([request for _, request in batch])
        for (question, _), reply in zip(batch, replies, strict=True):
            outcomes.append(judge(question, reply, blind=baseline.answer(question)))
    return Evaluation(outcomes, seeds, num_clips, description)


def judge(question: Question, reply: Reply, *, blind: BlindAnswer) -> Outcome:
    """Check what a reply says against the clip; blind: the answers of the blind baseline."""
    reading = check_chain(reply.think or "", scene=question.scene, reference=question.reference)
    return Outcome(question, reply, reading, blind)


def fit_blind(*, seed: int, num_clips: Mapping[Split, int], at_least: int) -> Blind:
    """The blind baseline, from planned clips of an own seed: `at_least` of them, in the proportions of `num_clips`."""
    times = -(-at_least // sum(num_clips.values()))
    return Blind(
        question
        for split, number in num_clips.items()
        for index in tqdm(range(times * number), desc=f"blind, {split}", disable=None)
        for question in questions_of(plan_clip(seed, split, index), seed=seed, split=split)
    )


def _check_request(seeds: Sequence[int], num_clips: Mapping[Split, int]) -> None:
    check_seeds(seeds)
    if min(num_clips.values(), default=0) < 0 or not any(num_clips.values()):
        raise ValueError(f"clips must be >= 0 and not all 0: got {dict(num_clips)}")


def _ask(encoder: ClipEncoder | None, *, seeds: Sequence[int], num_clips: Mapping[Split, int]) -> Iterator[Asked]:
    """All questions with their requests, clip by clip."""
    for seed in seeds:
        for split, number in num_clips.items():
            for index in tqdm(range(number), desc=f"seed {seed}, {split}", unit="clip", disable=None):
                yield from _ask_about(encoder, seed=seed, split=split, index=index)


def _ask_about(encoder: ClipEncoder | None, *, seed: int, split: Split, index: int) -> Iterator[Asked]:
    if encoder is None:
        for question in questions_of(plan_clip(seed, split, index), seed=seed, split=split):
            yield question, Request(question.reference.text, visual=None, audio=None)
        return
    clip = generate_clip(seed, split, index)
    visual = encoder.see(clip.frames, vid=clip.plan.vid)
    heard: dict[bool, np.ndarray] = {}  # by whether it is the soundtrack of the null variant
    for question in questions_of(clip.plan, seed=seed, split=split):
        is_null = question.null is not None
        waveform = clip.null_waveform if is_null else clip.waveform
        if is_null not in heard and waveform is not None:
            heard[is_null] = encoder.hear(waveform, vid=clip.plan.vid)
        yield question, Request(question.reference.text, visual=visual, audio=heard[is_null])


def _batches(asked: Iterator[Asked], size: int) -> Iterator[list[Asked]]:
    batch: list[Asked] = []
    for one in asked:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
