"""Targets: what pivots are chosen for, one for each sample, or for each sounding object of it.

A target has the frames of its clip with what the detector proposes in each above the thresholds, and the windows among
which frames are chosen. An abstention leaves a sample without a target: its boxes say why, as with every frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tgs_pipeline.backends.selector.base import Frame, FrameCandidates, Window
from tgs_pipeline.grounding.choice import Choice, Take, above, choose, of_clip
from tgs_pipeline.grounding.found import phrases
from tgs_pipeline.grounding.windows import windows
from tgs_pipeline.params import Ground
from tgs_pipeline.prompts.caption import CaptionText, ask
from tgs_pipeline.prompts.objects import ask_each


@dataclass(frozen=True)
class Found:
    """Candidates of one frame and the decoder query of each, int32 (n,)."""

    candidates: FrameCandidates
    query_index: np.ndarray


@dataclass(frozen=True)
class Target:
    """One thing to find. object_name, given: of a sounding object, with the position of the frame chosen for it.

    found: of each frame. windows: positions of frames. default: every stored candidate of the first frame.
    """

    object_name: str | None
    given: int | None
    text: str
    found: tuple[Found, ...]
    windows: tuple[tuple[int, ...], ...]
    default: Found

    @property
    def is_seen(self) -> bool:
        return any(len(one.query_index) for one in self.found)


@dataclass(frozen=True)
class Clip:
    """A sample and its targets. choices: of each frame, as if every frame had a box; they say why there is none."""

    sample: dict
    choices: tuple[tuple[str, str, str | None, int], ...]  # rule, status, reason, num_candidates
    targets: tuple[Target, ...]


NO_CANDIDATES = Found(FrameCandidates(np.empty((0, 4), np.float32), np.empty(0, np.float32), ()), np.empty(0, np.int32))


def clip_of(settings: Ground, sample: dict, chain: dict, take: Take, *, caption_text: CaptionText) -> Clip:
    """The targets of a sample, from its rows of samples and chains; take: as in `choose`."""
    if settings.prompt == "objects" and (objects := ask_each(sample, chain)):
        answers, targets = [], []
        for one in objects:
            if one.asked.caption is None:
                answers.append([Choice("s_object", one.asked.status, one.asked.reason)] * len(sample["frame_indices"]))
                continue
            rows = take(one.asked.caption)
            answers.append(of_clip(settings, rows, rule="s_object"))
            given = sample["frame_indices"].index(one.frame_index)
            targets.append(_target(settings, answers[-1], rows, text=one.name, object_name=one.name, given=given))
        return _clip(sample, _best_of(answers), targets)
    column = "s_object" if settings.prompt == "objects" else settings.prompt
    plain = settings.model_copy(update={"prompt": column})
    choices = choose(plain, sample, chain, take, caption_text=caption_text)
    asked = ask(sample, chain, column=column, caption_text=caption_text)
    if asked.caption is None or not choices or any(choice.status == "no_caption" for choice in choices):
        return _clip(sample, choices, [])
    text = sample["reference"] if column == "reference" else chain[column]
    return _clip(sample, choices, [_target(settings, choices, take(asked.caption), text=text)])


def window_of(target: Target, positions: Sequence[int], *, sample: dict, dataset: Path) -> Window:
    """A window as selectors take it."""
    about = "" if target.object_name is None else f", {target.object_name}"
    return Window(
        name=f"{sample['uid']} (row {sample['row']}{about})",
        vid=sample["vid"],
        text=target.text,
        frames=tuple(
            Frame(sample["frame_indices"][at], dataset / sample["frame_paths"][at], sample["frame_hashes"][at])
            for at in positions
        ),
        candidates=tuple(target.found[at].candidates for at in positions),
    )


def _clip(sample: dict, choices: Sequence[Choice], targets: Sequence[Target]) -> Clip:
    told = tuple((one.rule, one.status, one.reason, one.num_candidates) for one in choices)
    return Clip(sample, told, tuple(targets))


def _target(
    settings: Ground,
    choices: Sequence[Choice],
    rows: Sequence[dict],
    *,
    text: str,
    object_name: str | None = None,
    given: int | None = None,
) -> Target:
    num_frames = len(choices)
    every: Sequence[tuple[int, ...]] = [tuple(range(num_frames))]
    if (window := settings.window) is not None:
        every = windows(num_frames, frames_per_window=window.num_frames, step=window.step)
    return Target(
        object_name=object_name,
        given=given,
        text=text,
        found=tuple(_found(settings, choice.candidates, threshold=settings.box_threshold) for choice in choices),
        windows=tuple(every),
        default=_found(settings, rows[0] if rows[0]["status"] == "ok" else None, threshold=0.0),
    )


def _found(settings: Ground, row: dict | None, *, threshold: float) -> Found:
    """The candidates of a row above the threshold, in query order."""
    if row is None:
        return NO_CANDIDATES
    scores = np.asarray(row["scores"], np.float32)
    kept = above(scores, threshold)
    words = phrases(row, text_threshold=settings.text_threshold)
    boxes = np.asarray(row["boxes_xyxy"], np.float32).reshape(-1, 4)
    return Found(
        FrameCandidates(boxes[kept], scores[kept], tuple(words[at] for at in kept)),
        np.asarray(row["query_index"], np.int32)[kept],
    )


def _best_of(answers: Sequence[Sequence[Choice]]) -> list[Choice]:
    """Of each frame, what is said of the object that got furthest; a failure comes before everything."""
    order = ["failed", "ok", "no_box", "no_answer"]
    return [min(choices, key=lambda one: order.index(one.status)) for choices in zip(*answers, strict=True)]
