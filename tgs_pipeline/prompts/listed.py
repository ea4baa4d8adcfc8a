"""Reading what a multimodal model lists in square brackets: one number, or objects with their frames.

Replies are untrusted text. Strict reading (`corrected`) takes a reply that says one thing in the form asked for, and
tells what is wrong with every other; the reason is what the model is told when it is asked again. `parity` reads as
the published code of AL-Ref-SAM 2 does, which always comes to an answer (UPSTREAM_FACTS 6.1, 6.2).
"""

import re
from dataclasses import dataclass
from typing import Literal

Compat = Literal["corrected", "parity"]
IdStatus = Literal[
    "ok",
    "none",  # -1 or []: the model says that nothing fits
    "empty",
    "no_list",
    "no_number",  # a list that holds no number
    "several",  # a list of more than one
    "ambiguous",  # lists that disagree
    "prose",  # text around the list where none was asked for
    "out_of_range",
]
ObjectsStatus = Literal["ok", "none", "empty", "no_list", "malformed", "several", "repeated", "prose", "out_of_range"]

MAX_OBJECTS = 12
MAX_NAME_CHARS = 60
_LIST = re.compile(r"\[([^\[\]]*)\]")
_NUMBER = re.compile(r"\s*([-\u2212]?[0-9]{1,9})\s*")
_ENTRY = re.compile(r"""\s*(?:'([^'\n]*)'|"([^"\n]*)")\s*:\s*(-?[0-9]{1,9})\s*""")
_NAME = re.compile(rf"(?=.*[^\W\d_])[\w '&/.()-]{{1,{MAX_NAME_CHARS}}}")
_PARITY_LIST = re.compile(r"\[(.*?)\]")
_PARITY_ENTRY = re.compile(r"""(?=["']([^"']+)["']\n?: (\d+))""")  # looking ahead: an entry may begin in another


@dataclass(frozen=True)
class ReadId:
    """The number that a reply chooses, 1 to num_choices where status is ok, and why there is none elsewhere."""

    value: int | None
    status: IdStatus
    reason: str | None


@dataclass(frozen=True)
class NamedFrame:
    """An object and the number of the frame that shows it best, counted from 1."""

    name: str
    frame: int


@dataclass(frozen=True)
class ReadObjects:
    """The objects that a reply lists. They are for use where status is ok; else they are what could be read."""

    objects: tuple[NamedFrame, ...]
    status: ObjectsStatus
    reason: str | None


def read_id(text: str, *, num_choices: int, prose: bool) -> ReadId:
    """The number in a reply, read strictly.

    prose: whether a chain of thought was asked for. Then the answer is the list on the last line, alone or after a
    colon; else the lists of the reply must agree. Without prose the reply is the list. Markdown emphasis is ignored.
    """
    plain = _without_markup(text)
    if not plain:
        return ReadId(None, "empty", "it is empty")
    contents = _LIST.findall(plain)
    if not contents:
        return ReadId(None, "no_list", "it has no number in square brackets")
    if not prose:
        if not re.fullmatch(r"\[[^\[\]]*\]\.?", plain):
            return ReadId(None, "prose", "it holds more than the number in square brackets")
        return _in_range(contents[0], num_choices=num_choices)
    last_line = plain.splitlines()[-1].strip()
    if ends := re.fullmatch(r"(?:[^\[\]]*:)?\s*\[([^\[\]]*)\]\.?", last_line):
        return _in_range(ends.group(1), num_choices=num_choices)
    numbers = {content.strip() for content in contents if _NUMBER.fullmatch(content)}
    if len(numbers) > 1:
        shown = ", ".join(f"[{number}]" for number in sorted(numbers)[:4])
        return ReadId(None, "ambiguous", f"it names {shown} and does not end with one of them on a line of its own")
    return _in_range(numbers.pop() if numbers else contents[-1], num_choices=num_choices)


def first_id_or_one(text: str, *, num_choices: int) -> ReadId:
    """The box as the published code for AVS reads it: first digits of the first list, else 1; out of range: 1."""
    contents = _lists_of_lines(text)
    digits = re.search(r"\d+", contents[0]) if contents else None
    if digits is None:
        return ReadId(1, "ok", "no number in square brackets: 1 by default")
    value = int(digits.group(0)[:9])
    if not 1 <= value <= num_choices:
        return ReadId(1, "ok", f"{value} is not one of 1 to {num_choices}: 1 by default")
    return ReadId(value, "ok", None)


def last_id(text: str, *, num_choices: int, drop_emphasis: bool) -> ReadId:
    """The frame or box as the published code for RVOS reads it: the last list as one integer, else nothing.

    drop_emphasis: asterisks and backslashes are dropped first, as it does for boxes and not for frames.
    """
    contents = _lists_of_lines(text.replace("*", "").replace("\\", "") if drop_emphasis else text)
    try:
        value = int(contents[-1])
    except (IndexError, ValueError):
        return ReadId(None, "no_number", "the last list is no number")
    if not 1 <= value <= num_choices:
        return ReadId(None, "none" if value == -1 else "out_of_range", f"{value} is not one of 1 to {num_choices}")
    return ReadId(value, "ok", None)


def read_objects(text: str, *, num_frames: int, single: bool) -> ReadObjects:
    """Objects in a reply of the form ['piano': 3, 'violin': 1], read strictly; curly brackets are the same.

    single: one object was asked for.
    """
    plain = _without_markup(text)
    if not plain:
        return ReadObjects((), "empty", "it is empty")
    starts, ends = [plain.find(mark) for mark in "[{"], max(plain.rfind(mark) for mark in "]}")
    start = min((start for start in starts if start >= 0), default=-1)
    if start < 0 or ends < start:
        return ReadObjects((), "no_list", "it has no list in square brackets")
    objects, problem = _entries(plain[start + 1 : ends])
    if problem:
        return ReadObjects(objects, "malformed", problem)
    if plain[:start].strip() or plain[ends + 1 :].strip(" ."):
        return ReadObjects(objects, "prose", "it holds more than the list")
    return _checked(objects, num_frames=num_frames, single=single)


def objects_or_nothing(text: str, *, num_frames: int, single: bool) -> ReadObjects:
    """Objects as the published code reads them: every quoted word before ": " and digits, wherever it stands.

    Of a name with commas or semicolons the part before the first of them counts; of a repeated name the last frame; a
    frame out of range is 1; where one object is wanted the first is taken. Nothing readable is an empty list.
    """
    frames: dict[str, int] = {}
    for full_name, digits in _PARITY_ENTRY.findall(text):
        if name := re.split("[,;]", full_name.strip())[0]:
            frames[name] = int(digits[:9])
    objects = [NamedFrame(name, frame if 1 <= frame <= num_frames else 1) for name, frame in frames.items()]
    objects = objects[:1] if single else objects
    return ReadObjects(tuple(objects), "ok" if objects else "none", None if objects else "no object can be read")


def _without_markup(text: str) -> str:
    """The reply without markdown's emphasis and escapes, or the content of the code block that it consists of."""
    plain = text.strip()
    if plain.startswith("```") and plain.endswith("```"):
        plain = re.sub("^[a-z]+\n", "", plain.strip("`"))
    return plain.replace("*", "").replace("\\", "").replace("`", "").strip()


def _lists_of_lines(text: str) -> list[str]:
    """Contents of square brackets as the published pattern finds them: the shortest, within a line.

    Looking only as far as the last closing bracket of each line keeps the time linear, whatever a reply holds.
    """
    lines = [line[: line.rfind("]") + 1] for line in text.split("\n")]
    return [content for line in lines for content in _PARITY_LIST.findall(line)]


def _in_range(content: str, *, num_choices: int) -> ReadId:
    """The number in a list."""
    if not content.strip():
        return ReadId(None, "none", "the list is empty")
    number = _NUMBER.fullmatch(content)
    if number is None:
        if "," in content and all(_NUMBER.fullmatch(part) for part in content.split(",")):
            return ReadId(None, "several", "the list holds more than one number")
        return ReadId(None, "no_number", f"[{content:.40}] is no number")
    value = int(number.group(1).replace("\u2212", "-"))
    if value == -1:
        return ReadId(None, "none", "-1: nothing fits")
    if not 1 <= value <= num_choices:
        return ReadId(None, "out_of_range", f"{value} is not one of 1 to {num_choices}")
    return ReadId(value, "ok", None)


def _entries(content: str) -> tuple[tuple[NamedFrame, ...], str | None]:
    """The entries between the brackets, and what is wrong with the first that cannot be read."""
    found: list[NamedFrame] = []
    place = 0
    while content[place:].strip():
        entry = _ENTRY.match(content, place)
        rest = content[place:].strip()
        if entry is None:
            return tuple(found), f"{rest:.40} is not 'object': frame"
        name = (entry.group(1) if entry.group(1) is not None else entry.group(2)).strip()
        if not _NAME.fullmatch(name):
            return tuple(found), f"{name[:MAX_NAME_CHARS]!r} is not the name of an object"
        found.append(NamedFrame(name, int(entry.group(3))))
        if len(found) > MAX_OBJECTS:
            return tuple(found), f"it lists more than {MAX_OBJECTS} objects"
        place = entry.end()
        if place < len(content):
            if content[place] != ",":
                return tuple(found), f"{content[place:].strip():.40} follows {name!r} without a comma"
            place += 1
    return tuple(found), None


def _checked(objects: tuple[NamedFrame, ...], *, num_frames: int, single: bool) -> ReadObjects:
    """What a well-formed list says."""
    names = [one.name.casefold() for one in objects]
    outside = [one for one in objects if not 1 <= one.frame <= num_frames]
    if not objects:
        return ReadObjects((), "none", "it lists no object")
    if len(set(names)) < len(names):
        return ReadObjects(objects, "repeated", "it lists an object more than once")
    if single and len(objects) > 1:
        return ReadObjects(objects, "several", "it lists more than one object")
    if outside:
        told = ", ".join(f"{one.name!r}: {one.frame}" for one in outside)
        return ReadObjects(objects, "out_of_range", f"{told}: frames are numbered 1 to {num_frames}")
    return ReadObjects(objects, "ok", None)
