"""Takes a written chain apart: the grammar of tinyworld/chains.py backwards, whatever case it is in.

Nothing is judged here. What does not follow the grammar is kept as `unreadable`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from tgs_pipeline.tinyworld import chains
from tgs_pipeline.tinyworld.facts import LOUDNESS, RHYTHM

PhraseKind = Literal["place", "motion", "visibility", "size", "played", "seconds", "duration", "loudness", "rhythm"]
_PHRASES: tuple[tuple[PhraseKind, str], ...] = (
    ("place", r"at x\d+(?: to x\d+)?"),
    ("motion", r"moving \w+"),
    ("visibility", r"seen(?: \d+s)+"),
    ("size", r"size \d+"),
    ("played", r"played"),
    ("seconds", r"in \d+s(?: \d+s)*"),
    ("duration", r"lasts \d+s"),
    ("loudness", "|".join(LOUDNESS.values())),
    ("rhythm", "|".join(RHYTHM.values())),
)
ASKING = "? "
KEEP, OUT = (template.rsplit(", ", 1)[1] for template in chains._VERDICTS)


@dataclass(frozen=True)
class Phrase:
    """One thing said of an object or a sound."""

    kind: PhraseKind
    text: str


@dataclass(frozen=True)
class Listed:
    """An object that is said to be seen, or a sound said to be heard, by its name and what is said of it.

    number: of the object, as `#1`; of a sound that of its source, or `unseen`. None where there is none. Of an object
    that is said to make no sound the name is `silent`.
    """

    number: str | None
    name: str
    phrases: tuple[Phrase, ...]


@dataclass(frozen=True)
class Check:
    """A candidate by its number, what is asked of it and what is answered; verdict None where it has none."""

    number: str
    asked: tuple[str, ...]
    facts: tuple[str, ...]
    verdict: str | None


@dataclass
class Chain:
    """The parts of a chain in lower case. conclusions: number and name, None for 'nothing fits'."""

    demands: list[str] = field(default_factory=list)
    shown: list[Listed] = field(default_factory=list)
    heard: list[Listed] = field(default_factory=list)
    silences: list[str] = field(default_factory=list)
    compared: list[str] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    conclusions: list[tuple[str, str] | None] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def read_chain(think: str) -> Chain:
    """Read what stands between the tags of `<think>`."""
    chain = Chain()
    for sentence in re.split(r"\.(?:\s+|$)", think.strip().lower()):
        if sentence:
            _read_sentence(chain, " ".join(sentence.split()))
    return chain


def read_list(text: str) -> tuple[list[Listed], list[str]]:
    """Read `#1 red dog at x2, #1 size 8, #2 blue cat at x5`: what is listed, and what cannot be read.

    A statement without a name is about what was named last with its number.
    """
    listed: list[Listed] = []
    unreadable: list[str] = []
    for statement in text.split(", "):
        found, rest = _read_statement(statement)
        unreadable += rest
        if found.name:
            listed.append(found)
            continue
        place = max((place for place, one in enumerate(listed) if one.number == found.number), default=None)
        if place is None or not found.phrases:
            unreadable.append(statement)
        else:
            listed[place] = replace(listed[place], phrases=listed[place].phrases + found.phrases)
    return listed, unreadable


def _read_statement(text: str) -> tuple[Listed, list[str]]:
    """Number and name before the first phrase, phrases, and words that are neither."""
    matches = list(_PHRASE.finditer(text))
    start = matches[0].start() if matches else len(text)
    phrases, rest, end = [], [], start
    for match in matches:
        rest.append(text[end : match.start()].strip())
        kind, _ = _PHRASES[next(number for number in range(len(_PHRASES)) if match[f"kind{number}"] is not None)]
        phrases.append(Phrase(kind, match[0]))
        end = match.end()
    rest.append(text[end:].strip())
    number, name = _NUMBERED.fullmatch(text[:start].strip()).groups()  # type: ignore[union-attr]  # matches all
    return Listed(number, name, tuple(phrases)), [words for words in rest if words]


def _read_sentence(chain: Chain, sentence: str) -> None:
    if _slot(sentence, chains._HEARS_NOTHING) is not None:
        chain.silences.append(sentence)
    elif _slot(sentence, chains._CONCLUDES_NULL) is not None:
        chain.conclusions.append(None)
    elif (items := _slot(sentence, chains._SHOWS)) is not None:
        _add_list(chain, chain.shown, items)
    elif (items := _slot(sentence, chains._HEARS)) is not None:
        _add_list(chain, chain.heard, items)
    elif (items := _slot(sentence, chains._COMPARES)) is not None:
        chain.compared += items.split("; ")
    elif (items := _slot(sentence, chains._WANTS)) is not None:
        chain.wanted += items.split(", ")
    elif (items := _slot(sentence, chains._CHECKS)) is not None:
        for item in items.split("; "):
            _read_check(chain, item)
    elif (named := _concluded(sentence)) is not None:
        chain.conclusions.append(named)
    elif (demand := _slot(sentence, chains._ASKS)) is not None:
        chain.demands.append(demand)
    else:
        chain.unreadable.append(sentence)


def _add_list(chain: Chain, listed: list[Listed], items: str) -> None:
    found, unreadable = read_list(items)
    listed += found
    chain.unreadable += unreadable


def _read_check(chain: Chain, item: str) -> None:
    number, colon, said = item.partition(": ")
    if not colon:
        chain.unreadable.append(item)
        return
    *answers, last = said.split(", ")
    verdict = last if last in (KEEP, OUT) else None
    if verdict is None:
        answers.append(last)
        chain.unreadable.append(f"{number}: no verdict")
    pairs = [answer.partition(ASKING) for answer in answers]
    chain.unreadable += [f"{number}: {asked}: no answer" for asked, mark, _ in pairs if not mark]
    whole = [(asked, fact) for asked, mark, fact in pairs if mark]
    chain.checks.append(Check(number, tuple(asked for asked, _ in whole), tuple(fact for _, fact in whole), verdict))


def _slot(sentence: str, templates: Sequence[str]) -> str | None:
    """What stands in the slot of the first template that the sentence follows, "" where that has none."""
    for template in templates:
        before, _, after = re.sub(r"\{\w+\}", "\0", template.lower().removesuffix(".")).partition("\0")
        if "{" not in template and sentence == before:
            return ""
        inside = sentence[len(before) : len(sentence) - len(after)]
        if "{" in template and inside and sentence == before + inside + after:
            return inside
    return None


def _concluded(sentence: str) -> tuple[str, str] | None:
    """Number and name of the object that a sentence concludes with."""
    for template in chains._CONCLUDES:
        before, between, after = re.split(r"\{\w+\}", template.lower().removesuffix("."))
        form = f"{re.escape(before)}(#\\d+){re.escape(between)}(.+){re.escape(after)}"
        if match := re.fullmatch(form, sentence):
            return match[1], match[2]
    return None


_NUMBERED = re.compile(rf"(?:(#\d+|{chains.UNSEEN})(?: |$))?(.*)")
_PHRASE = re.compile(
    r"(?<![\w-])(?:{})(?![\w-])".format("|".join(f"(?P<kind{n}>{form})" for n, (_, form) in enumerate(_PHRASES)))
)
