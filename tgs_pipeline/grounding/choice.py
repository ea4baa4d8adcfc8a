"""Choice: which candidate is the box of each frame of a sample, and by which rule (RULES of artifacts/boxes.py).

A plain prompt looks at the candidates of one caption. `auto` looks at those of `s_object`; where several places of a
frame are about as good, `f_object` decides between them; where a whole clip shows nothing, it falls back on other
captions. A frame alone never falls back: an object that has left the picture is not to be found by other words.

Whoever abstains is left alone: if the thinker says that nothing is referred to, nothing is asked for by other words
either. Its own word counts where `null_threshold` is null; else its probability of `null` does, and where that is not
above the threshold although the word is `null`, there is no s_object and `auto` goes on to its fall-backs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tgs_pipeline.grounding.places import places, support
from tgs_pipeline.params import Auto, Ground
from tgs_pipeline.prompts.caption import Asked, CaptionText, ask

Take = Callable[[str], list[dict]]  # caption -> rows of candidates, one for each frame of the sample


@dataclass(frozen=True)
class Choice:
    """What is decided for one frame.

    candidates: the row that `chosen` is an index into, both None where there is no box; num_candidates: those of the
    caption above box_threshold; rule, status, reason: as in artifacts/boxes.py.
    """

    rule: str
    status: str = "ok"
    reason: str | None = None
    candidates: dict | None = None
    chosen: int | None = None
    num_candidates: int = 0


def choose(
    settings: Ground, sample: dict, chain: dict, take: Take, *, caption_text: CaptionText = "cleaned"
) -> list[Choice]:
    """The choice for each frame of a sample, from its rows of samples and chains.

    Each caption counts as having found something where a frame of the clip has a candidate above box_threshold and the
    best one of the clip is not below clip_threshold. A row of candidates that failed and is needed fails its frame.
    caption_text: as the detector was asked (prompts/caption.py).
    """
    num_frames = len(sample["frame_indices"])
    if (reason := _improbable(settings, chain)) is not None:
        return [Choice("null_threshold", "no_caption", reason)] * num_frames
    answers: list[list[Choice]] = []
    for column in columns(settings):
        rule = column if column == settings.prompt or column == "s_object" else f"fallback_{column}"
        asked = ask(sample, chain, column=column, caption_text=caption_text)
        if asked.caption is None:
            answer = [Choice(rule, asked.status, asked.reason)] * num_frames
            if asked.status == "failed" or (column == "s_object" and _abstains(settings, chain, asked)):
                return answer
        else:
            answer = of_clip(settings, take(asked.caption), rule=rule)
            if settings.prompt == "auto" and column == "s_object":
                answer = _between_rivals(settings, answer, ask(sample, chain, column="f_object"), take)
        if any(choice.status in ("ok", "failed") for choice in answer):
            return answer
        answers.append(answer)
    looked = [answer for answer in answers if any(choice.status == "no_box" for choice in answer)]
    return looked[-1] if looked else answers[0]


def of_frame(settings: Ground, candidates: dict, *, rule: str) -> Choice:
    """The choice of box_threshold and box_select in one row of candidates."""
    if candidates["status"] != "ok":
        return Choice(rule, "failed", f"detect: {candidates['reason']}")
    scores = _scores(candidates)
    passing = above(scores, settings.box_threshold)
    if not len(passing):
        best = f"the best scores {scores.max():.3f}" if len(scores) else "none is stored"
        return Choice(rule, "no_box", f"no candidate above {settings.box_threshold}: {best}")
    chosen = passing[0] if settings.box_select == "first" else passing[scores[passing].argmax()]
    return Choice(rule, candidates=candidates, chosen=int(chosen), num_candidates=len(passing))


def above(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Indices (n,) of the scores (float32) strictly above the threshold, in query order, as upstream keeps them."""
    return np.flatnonzero(scores > np.float32(threshold))


def best_score(rows: Sequence[dict]) -> float:
    """The highest score of a clip's rows of candidates; 0 where no candidate is stored."""
    return max((float(_scores(row).max()) for row in rows if len(row["scores"])), default=0.0)


def columns(settings: Ground) -> list[str]:
    """The columns of a chain that are asked for, in order."""
    return ["s_object", *settings.auto.fallbacks] if settings.prompt == "auto" else [settings.prompt]


def _improbable(settings: Ground, chain: dict) -> str | None:
    """Why the probability of `null` makes the sample an abstention; None where it does not.

    A name that cannot be read is no abstention, however probable `null` was: it stays without an answer.
    """
    if chain["s_object"] is None and chain["status"] != "ok":
        return None
    probability, threshold = chain["null_probability"], settings.null_threshold
    if threshold is None or probability is None or probability <= np.float32(threshold):
        return None
    return f"think: null has probability {probability:.3f}, above ground.null_threshold {threshold}"


def _abstains(settings: Ground, chain: dict, asked: Asked) -> bool:
    """Whether the absence of an s_object is the thinker's last word."""
    return asked.status == "no_caption" and (settings.null_threshold is None or chain["null_probability"] is None)


def of_clip(settings: Ground, rows: list[dict], *, rule: str) -> list[Choice]:
    """The choice for each frame of a clip from its rows of candidates for one caption."""
    choices = [of_frame(settings, row, rule=rule) for row in rows]
    best = best_score(rows)
    if best >= np.float32(settings.clip_threshold):
        return choices
    refused = Choice(
        "clip_threshold", "no_box",
        f"the best candidate of the clip scores {best:.3f}, below ground.clip_threshold {settings.clip_threshold}",
    )  # fmt: skip
    return [
        replace(refused, num_candidates=choice.num_candidates) if choice.status == "ok" else choice
        for choice in choices
    ]


def _between_rivals(settings: Ground, choices: list[Choice], described: Asked, take: Take) -> list[Choice]:
    """Choices by s_object, of which those between several places are made again by f_object."""
    rivals = [_rivals(settings, choice) for choice in choices]
    if not any(len(found) > 1 for found in rivals):
        return choices
    rows: Sequence[dict | None] = [None] * len(choices) if described.caption is None else take(described.caption)
    return [
        choice if len(found) < 2 else _decided(choice, found, row)
        for choice, found, row in zip(choices, rivals, rows, strict=True)
    ]


def _rivals(settings: Ground, choice: Choice) -> list[int]:
    """The best candidate of each place of a frame that can compete: best first, empty where there is no box."""
    if choice.candidates is None:
        return []
    auto: Auto = settings.auto
    scores = _scores(choice.candidates)
    passing = above(scores, settings.box_threshold)
    passing = passing[scores[passing] >= np.float32(auto.rival_share) * scores[passing].max()]
    kept = places(_boxes(choice.candidates)[passing], scores[passing], same_place_iou=auto.same_place_iou)
    return passing[kept].tolist()


def _decided(choice: Choice, rivals: list[int], described: dict | None) -> Choice:
    """The rival that the candidates of f_object speak for; the choice by s_object where they speak for none."""
    if described is None:
        return replace(choice, rule="undecided")
    if described["status"] != "ok":
        return Choice("f_object_decides", "failed", f"detect: {described['reason']}")
    assert choice.candidates is not None
    found = support(_boxes(choice.candidates)[rivals], _boxes(described), _scores(described))
    if found.max() == 0:
        return replace(choice, rule="undecided")
    return replace(choice, rule="f_object_decides", chosen=rivals[int(found.argmax())])


def _scores(candidates: dict) -> np.ndarray:
    return np.asarray(candidates["scores"], np.float32)


def _boxes(candidates: dict) -> np.ndarray:
    return np.asarray(candidates["boxes_xyxy"], np.float32).reshape(-1, 4)
