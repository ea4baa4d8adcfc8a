"""What a teacher is asked to write a reasoning chain, and the check of its reply.

The chain is the one Ref-Thinker learns (prompts/ref_thinker.py): thoughts in four statements (what is asked, seen,
heard, and how they meet), then the answer. Since the teacher is told the answer, a chain that says so is refused.
"""

import re

from tgs_pipeline.prompts.naming import name_of, names_category, words_of
from tgs_pipeline.prompts.ref_thinker import SPECIAL_TOKENS

SYSTEM = (
    "You write training examples for a model that watches a short video, listens to it, and finds the one object that "
    "a referring expression means. You see frames of the video, you are told what was heard, and you are told the "
    "object. Write the thoughts by which somebody who was told nothing would find it: what the expression asks for; "
    "which objects the video shows, and where; what the audio contains, and which object makes each sound; and which "
    "object fits the expression while the others do not. State only what the frames and the sounds support. Never "
    "mention that the object, its place or the sounds were told to you, and never mention these instructions.\n"
    "Reply in exactly this form, with nothing before or after it, each tag once:\n"
    "<think>\n(the thoughts, {min_think} to {max_think} words of plain prose)\n</think>\n"
    "<answer>\n<f_object> (a description of the object that tells it from all others, {min_f} to {max_f} words, and "
    "contains its simple name) </f_object>\n<s_object> (its simple name) </s_object>\n"
    "The corresponding bbox is: (the line you are given)\n</answer>\n"
    "Where nothing in the video fits the expression, the thoughts say why, and both f_object and s_object are null."
)
NULL = "null"
_FORM = re.compile(
    r"<think>\s*(?P<think>.*?)\s*</think>\s*<answer>\s*<f_object>\s*(?P<f_object>.*?)\s*</f_object>\s*"
    r"<s_object>\s*(?P<s_object>.*?)\s*</s_object>\s*(?P<bbox>The corresponding bbox is: .*?)\s*</answer>",
    re.DOTALL,
)
_LEAKS = re.compile(
    r"ground[\s_-]*truth|annotat\w*|bounding[\s_-]*box\w*|\bbbox\b|\b(?:was|were|am|been) (?:told|informed)\b|"
    r"\b(?:provided|given|stated) (?:object|answer|name|target|label|box)\b|\b(?:my|the|these) instructions?\b|"
    r"\btarget object\b",
    re.IGNORECASE,
)


def system_prompt(*, think_words: tuple[int, int], f_object_words: tuple[int, int]) -> str:
    """The teacher's task; limits are (min, max) numbers of words."""
    return SYSTEM.format(
        min_think=think_words[0], max_think=think_words[1], min_f=f_object_words[0], max_f=f_object_words[1]
    )


def question(*, reference: str, object_word: str | None, sounds: str, place: str | None, bbox: str) -> str:
    """The question about one sample, which follows the frames. object_word: None where nothing is referred to."""
    lines = [f"Expression: {reference.strip()}", f"Sounds heard, likeliest first: {sounds}"]
    if object_word is None:
        lines.append("Object: null, for nothing in this video fits the expression")
    else:
        lines.append(f"Object, by its simple name: {name_of(object_word)}")
    if place is not None:
        lines.append(f"Its place: {place}")
    return "\n".join([*lines, f"Box line, to be copied: {bbox}"])


def bbox_line(frame: int | None, box_xyxy_px: tuple[int, int, int, int] | None) -> str:
    """The last line of the answer; the box is x1,y1,x2,y2 of a frame (last column and row included), or null."""
    if frame is None or box_xyxy_px is None:
        return f"The corresponding bbox is: <frame> {NULL} <box> {NULL} </box> </frame>"
    return f"The corresponding bbox is: <frame> {frame} <box> {','.join(map(str, box_xyxy_px))} </box> </frame>"


def check(
    reply: str,
    *,
    object_word: str | None,
    bbox: str,
    think_words: tuple[int, int],
    f_object_words: tuple[int, int],
) -> list[str]:
    """What is wrong with a reply; empty where it can be learned from."""
    match = _FORM.fullmatch(reply.strip())
    if match is None:
        return _tag_problems(reply) or ["the reply is not in the form asked for, or has text outside the tags"]
    think, f_object, s_object = (match[name] for name in ("think", "f_object", "s_object"))
    problems = [
        f"{tag} holds the tag {token}" for tag in ("think", "f_object", "s_object") for token in _tags(match[tag])
    ]
    problems += _word_problems("the thoughts", think, think_words)
    if leak := _LEAKS.search(f"{think} {f_object}"):
        problems.append(f"it says {leak[0]!r}, which tells that the answer was known")
    if " ".join(match["bbox"].split()) != bbox:
        problems.append(f"the box line differs from {bbox!r}")
    if object_word is None:
        return problems + [
            f"{tag} is {match[tag]!r}, expected {NULL}" for tag in ("f_object", "s_object") if match[tag] != NULL
        ]
    name = name_of(object_word)
    if _simple(s_object) != name:
        problems.append(f"s_object is {s_object!r}, expected {name!r}")
    problems += _word_problems("f_object", f_object, f_object_words)
    problems += [
        f"{where} not name the {name}"
        for where, text in (("f_object does", f_object), ("the thoughts do", think))
        if names_category(text, object_word) is None
    ]
    return problems


def render(reply: str, *, object_word: str | None) -> str:
    """A checked reply in the original form, to the character (UPSTREAM_FACTS 1.4)."""
    match = _FORM.fullmatch(reply.strip())
    assert match is not None, "render takes replies that passed the check"
    s_object = NULL if object_word is None else name_of(object_word)
    return (
        f"<think>\n{match['think']}\n</think>\n<answer>\n<f_object> {match['f_object']} </f_object>\n"
        f"<s_object> {s_object} </s_object>\n{' '.join(match['bbox'].split())}\n</answer>"
    )


def _tag_problems(reply: str) -> list[str]:
    """Tags that do not stand there once."""
    tags = [f"<{end}{name}>" for name in ("think", "answer", "f_object", "s_object") for end in ("", "/")]
    return [f"{tag} stands there {reply.count(tag)} times, expected once" for tag in tags if reply.count(tag) != 1]


def _tags(text: str) -> list[str]:
    """Tokens in a text that the tokenizer would take for control tokens."""
    return [token for token in (*SPECIAL_TOKENS, "<s>", "</s>", "<unk>") if token in text]


def _word_problems(what: str, text: str, limits: tuple[int, int]) -> list[str]:
    num_words = len(text.split())
    if limits[0] <= num_words <= limits[1]:
        return []
    return [f"{what}: {num_words} words, expected {limits[0]} to {limits[1]}"]


def _simple(text: str) -> str:
    """A simple name without article, hyphen and dot, in lower case."""
    words = words_of(text)
    return " ".join(words[1:] if words[:1] in (["a"], ["an"], ["the"]) else words)
