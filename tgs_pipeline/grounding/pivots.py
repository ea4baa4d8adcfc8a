"""Pivots: the frame and box of each window of each target, and what that makes of the boxes of a clip.

A selector of frames and one of boxes choose (backends/selector); `default_frame` is what the published code of
AL-Ref-SAM 2 does where nothing is chosen in a whole clip.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tgs_pipeline.artifacts.pivots import NOT_PIVOT
from tgs_pipeline.backends.selector.base import Choice, PivotFrame, Selector
from tgs_pipeline.backends.selector.score import best_box
from tgs_pipeline.grounding.found import to_pixels
from tgs_pipeline.grounding.targets import Clip, Found, Target, window_of

STATUSES = {"ok": "ok", "none": "no_box", "unusable": "no_answer", "failed": "failed"}
NO_BOX = {"box_xyxy_px": None, "score": None, "phrase": None, "query_index": None}


@dataclass(frozen=True)
class Selectors:
    """Who chooses. frames: None where each object comes with its frame. default_frame: see above."""

    rule: str
    frames: Selector | None
    boxes: Selector
    default_frame: bool


@dataclass
class _Asked:
    """One window of one target, on its way."""

    clip: Clip
    target: Target
    number: int
    positions: tuple[int, ...]
    position: int | None = None  # of the chosen frame in the clip
    choice: Choice | None = None


def choose_pivots(clips: Sequence[Clip], selectors: Selectors, *, dataset: Path) -> list[list[dict]]:
    """The rows of artifacts/pivots.py of each clip. All questions to a model are asked together."""
    asked = [
        _Asked(clip, target, number, positions)
        for clip in clips
        for target in clip.targets
        if target.is_seen
        for number, positions in enumerate(target.windows)
        if any(len(target.found[at].query_index) for at in positions)
    ]
    _choose_frames(asked, selectors, dataset=dataset)
    _choose_boxes(asked, selectors, dataset=dataset)
    rows: dict[int, list[dict]] = {id(clip): [] for clip in clips}
    for one in asked:
        rows[id(one.clip)].append(_row(one, rule=selectors.rule))
    if selectors.default_frame:
        for clip in clips:
            rows[id(clip)] += _defaults(clip, rows[id(clip)])
    return [rows[id(clip)] for clip in clips]


def boxes_of(clip: Clip, pivots: Sequence[dict]) -> Iterator[dict]:
    """The rows of artifacts/boxes.py of a clip: a box at each pivot, and elsewhere why there is none.

    Where several objects have one pivot frame, the box with the best score stands for it. Where a model could not be
    asked about an object or a window but others have a pivot, these keep their boxes and every frame is `partial`: its
    masks are those of the others, which are no result of the clip yet. Where no other has a pivot, or all that the
    model said cannot be read, every frame without a box says so. Of objects whose replies alone cannot be read the
    reasons speak; the others are the result, since asking again would not help.
    """
    sample = clip.sample
    lost = next((one for status in ("failed", "no_answer") for one in pivots if one["status"] == status), None)
    ok = [one for one in pivots if one["status"] == "ok"]
    seen = [one for one in pivots if one["frame_index"] is not None]
    partial = {"status": "partial", "reason": why} if (why := _unasked(pivots)) and ok else {}
    for frame_index, (rule, status, reason, num) in zip(sample["frame_indices"], clip.choices, strict=True):
        row = {"uid": sample["uid"], "row": sample["row"], "frame_index": frame_index, "num_candidates": num, **NO_BOX}
        here = [one for one in ok if one["frame_index"] == frame_index]
        if here:
            best = max(here, key=lambda one: one["score"])
            yield row | {name: best[name] for name in (*NO_BOX, "rule", "status", "reason", "num_candidates")} | partial
        elif status == "failed" or not pivots:
            told = (rule, status, reason) if status != "ok" else (NOT_PIVOT, "no_box", "no pivot is chosen in the clip")
            yield row | dict(zip(("rule", "status", "reason"), told, strict=True))
        elif lost is not None and not ok:
            yield row | {name: lost[name] for name in ("rule", "status", "reason")}
        else:
            refused = [one for one in seen if one["frame_index"] == frame_index]
            why = refused[0]["reason"] if refused else _elsewhere(ok, pivots)
            rule = refused[0]["rule"] if refused else NOT_PIVOT
            yield row | {"rule": rule, "status": "no_box", "reason": why} | partial


def _unasked(pivots: Sequence[dict]) -> str | None:
    """What a model could not be asked about, and why; None where it was asked about everything."""
    failed = [one for one in pivots if one["status"] == "failed"]
    if not failed:
        return None
    names = ", ".join(_name(one) for one in failed)
    return f"{names}: could not be asked about (`dvc repro -f ground` asks again): {failed[0]['reason']}"


def _elsewhere(ok: Sequence[dict], pivots: Sequence[dict]) -> str:
    """Why a frame that nobody chose has no box, and what has none at all because its replies cannot be read."""
    if not ok:
        return "no pivot has a box"
    where = ", ".join(str(index) for index in sorted({one["frame_index"] for one in ok}))
    unread = [f"; {_name(one)} has none: {one['reason']}" for one in pivots if one["status"] == "no_answer"]
    return f"not the pivot, which is frame {where}" + "".join(unread)


def _name(pivot: dict) -> str:
    return pivot["object"] or f"window {pivot['window']}"


def _choose_frames(asked: Sequence[_Asked], selectors: Selectors, *, dataset: Path) -> None:
    if selectors.frames is None:
        for one in asked:
            one.position = one.target.given
        return
    shown = [window_of(one.target, one.positions, sample=one.clip.sample, dataset=dataset) for one in asked]
    for one, choice in zip(asked, selectors.frames.choose_frames(shown), strict=True):
        if choice.chosen is None:
            one.choice = choice
        else:
            one.position = one.positions[choice.chosen]


def _choose_boxes(asked: Sequence[_Asked], selectors: Selectors, *, dataset: Path) -> None:
    waiting = [one for one in asked if one.position is not None]
    pivots = []
    for one in waiting:
        assert one.position is not None
        window = window_of(one.target, one.positions, sample=one.clip.sample, dataset=dataset)
        found = one.target.found[one.position].candidates
        pivots.append(PivotFrame(window, one.positions.index(one.position), found))
    for one, choice in zip(waiting, selectors.boxes.choose_boxes(pivots), strict=True):
        one.choice = choice


def _row(one: _Asked, *, rule: str) -> dict:
    """The pivot of a window. A frame without a candidate says so as it does where every frame has a box."""
    assert one.choice is not None
    choice, position = one.choice, one.position
    found = None if position is None else one.target.found[position]
    reason = choice.reason
    if found is not None and position is not None and not len(found.query_index):
        reason = one.clip.choices[position][2] or reason
    return _pivot(one.clip, one.target, window=one.number, rule=rule) | {
        "frame_index": None if position is None else one.clip.sample["frame_indices"][position],
        "num_candidates": 0 if found is None else len(found.query_index),
        "status": STATUSES[choice.status],
        "reason": reason,
        **(NO_BOX if found is None or choice.chosen is None else _box(found, choice.chosen, one.clip.sample)),
    }


def _defaults(clip: Clip, pivots: Sequence[dict]) -> Iterator[dict]:
    """The best box of the first frame for each target without a pivot, unless somebody could not be asked."""
    for target in clip.targets:
        mine = [one["status"] for one in pivots if one["object"] == target.object_name]
        best = best_box(target.default.candidates)
        if "ok" in mine or "failed" in mine or best.chosen is None:
            continue
        yield _pivot(clip, target, window=0, rule="default_frame") | {
            "frame_index": clip.sample["frame_indices"][0],
            "num_candidates": len(target.found[0].query_index),
            "status": "ok",
            "reason": "no window has a pivot",
            **_box(target.default, best.chosen, clip.sample),
        }


def _pivot(clip: Clip, target: Target, *, window: int, rule: str) -> dict:
    ids = {"uid": clip.sample["uid"], "row": clip.sample["row"]}
    return ids | {"object": target.object_name, "window": window, "rule": rule}


def _box(found: Found, chosen: int, sample: dict) -> dict:
    box: np.ndarray = found.candidates.boxes_xyxy[chosen]
    return {
        "box_xyxy_px": to_pixels(box.tolist(), height=sample["height"], width=sample["width"]),
        "score": float(found.candidates.scores[chosen]),
        "phrase": found.candidates.phrases[chosen],
        "query_index": int(found.query_index[chosen]),
    }
