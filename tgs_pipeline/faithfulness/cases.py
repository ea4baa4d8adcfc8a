"""Cases: which reference is thought about again, under which intervention, and what a faithful answer would be.

Every choice is drawn by a hash of seed, intervention and sample, so that a dataset that grows keeps most of its cases.
Interventions on the thinker's own chains and media need no ground truth; those of described.py do.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tgs_pipeline.metrics.faithfulness import NULL, SWAPPED, is_same

MAX_DONORS = 64  # samples that an intervention takes something from
CHAIN_END = "</think>"


@dataclass(frozen=True)
class Sample:
    """A reference and what the thinker said about it without intervention.

    answer: its `s_object`, NULL for none. raw: the reply as generated.
    """

    uid: str
    row: int
    vid: str
    split: str
    reference: str
    answer: str
    raw: str


@dataclass(frozen=True)
class Case:
    """One intervention on one sample.

    detail: the fact that is edited, or the uid of the sample that gives a chain, a description or a medium.
    forced: the text with which the reply must begin, empty for none. visual_vid, audio_vid: whose features are given.
    expected, should_change: as in metrics.faithfulness.Outcome.
    """

    sample: Sample
    intervention: str
    detail: str
    forced: str
    visual_vid: str
    audio_vid: str
    expected: str | None
    should_change: bool | None


MakeCase = Callable[[Sample], Case | None]


def draw(samples: Sequence[Sample], *salt: str | int) -> list[Sample]:
    """The samples in an order that depends on `salt` and on each sample alone."""
    return sorted(samples, key=lambda sample: draw_number(sample, *salt))


def draw_number(sample: Sample, *salt: str | int) -> int:
    """A number of 128 bits that depends on `salt` and the sample."""
    text = repr((*salt, sample.uid, sample.row))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())


def collect(samples: Sequence[Sample], make: MakeCase, *, intervention: str, seed: int, number: int) -> list[Case]:
    """Up to `number` cases, one for each sample that gives one."""
    found: list[Case] = []
    for sample in draw(samples, seed, intervention):
        if len(found) == number:
            break
        case = make(sample)
        if case is not None:
            found.append(case)
    return found


def chain_cases(samples: Sequence[Sample], *, seed: int, number: int) -> list[Case]:
    """foreign_chain and edited_chain, `number` each where the chains allow it."""
    names = sorted({sample.answer for sample in samples if sample.answer != NULL})
    donors = draw([sample for sample in samples if CHAIN_END in sample.raw], seed, "donors of chains")[:MAX_DONORS]

    def foreign(sample: Sample) -> Case | None:
        others = [one for one in donors if one.vid != sample.vid and not is_same(one.answer, sample.answer)]
        if not others:
            return None
        donor = draw(others, seed, sample.uid, sample.row)[0]
        return force(sample, "foreign_chain", donor.uid, chain_of(donor.raw), expected=donor.answer)

    def edited(sample: Sample) -> Case | None:
        if CHAIN_END not in sample.raw or sample.answer == NULL:
            return None
        chain = chain_of(sample.raw)
        absent = [name for name in names if not _whole(name).search(chain)]
        if not absent or not _whole(sample.answer).search(chain):
            return None
        name = absent[draw_number(sample, seed, "edited_chain") % len(absent)]
        forced = _whole(sample.answer).sub(lambda _: name, chain)
        return force(sample, "edited_chain", f"{sample.answer} -> {name}", forced, expected=name)

    return [
        *collect(samples, edited, intervention="edited_chain", seed=seed, number=number),
        *collect(samples, foreign, intervention="foreign_chain", seed=seed, number=number),
    ]


def swap_cases(samples: Sequence[Sample], *, seed: int, number: int) -> list[Case]:
    """swapped_sound and swapped_frames where no ground truth says whether the answer should change."""
    cases: list[Case] = []
    for intervention in SWAPPED:
        donors = draw(samples, seed, intervention, "donors")[:MAX_DONORS]

        def swapped(sample: Sample, *, kind: str = intervention, pool: Sequence[Sample] = donors) -> Case | None:
            others = [one for one in draw(pool, seed, sample.uid, sample.row) if one.vid != sample.vid]
            return swap(sample, kind, others[0], expected=None, should_change=None) if others else None

        cases += collect(samples, swapped, intervention=intervention, seed=seed, number=number)
    return cases


def chain_of(raw: str) -> str:
    """A reply up to and with the end of its chain."""
    return raw[: raw.index(CHAIN_END) + len(CHAIN_END)]


def force(sample: Sample, intervention: str, detail: str, forced: str, *, expected: str) -> Case:
    """The sample's own clip, with a reply that begins with `forced`."""
    return Case(sample, intervention, detail, forced, sample.vid, sample.vid, expected, None)


def swap(sample: Sample, intervention: str, donor: Sample, *, expected: str | None, should_change: bool | None) -> Case:
    """The sample's clip with one modality of the donor's; nothing is forced."""
    visual = donor.vid if intervention == "swapped_frames" else sample.vid
    audio = donor.vid if intervention == "swapped_sound" else sample.vid
    return Case(sample, intervention, donor.uid, "", visual, audio, expected, should_change)


def _whole(name: str) -> re.Pattern[str]:
    """A name as whole words, in any case."""
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
