"""What Ref-Thinker reads and writes: its special tokens, its two prompts, and the reading of its replies.

Token order and prompt texts are those of the published weights (UPSTREAM_FACTS 2.4, 2.5); a changed character is
another model input.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

# Added after the base vocabulary, in this order, with consecutive ids.
SPECIAL_TOKENS = (
    "<image>",
    "<image_start>",
    "<image_end>",
    "<video>",
    "<video_start>",
    "<video_end>",
    "<audio>",
    "<audio_start>",
    "<audio_end>",
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "<f_object>",
    "</f_object>",
    "<s_object>",
    "</s_object>",
    "<frame>",
    "</frame>",
    "<box>",
    "</box>",
)
ANSWER_TAGS = ("f_object", "s_object")
NULL = "null"  # what an answer tag holds where nothing is referred to
IMAGE, VIDEO, AUDIO = "<image>", "<video>", "<audio>"  # each stands for all tokens of its modality

_TEMPLATE = (
    "<s>This is a video:\n<video_start><video><video_end>\n"
    "This is an audio:\n<audio_start><audio><audio_end>\n"
    "Given the referential expression{expression}, analyze the video and audio, "
    "and then generate a reasoning chain (<think>) and final answer (<answer>).\n"
    "Your output must follow this format:\n"
    "<think>\nYour reasoning here\n</think>\n"
    "<answer>\n<f_object> ... </f_object>\n<s_object> ... </s_object>\n"
    "The corresponding bbox is: <frame> <box> ... </box> </frame>\n</answer>"
)
_CONTROL = re.compile("<(?=(?:{})>)".format("|".join([*(token[1:-1] for token in SPECIAL_TOKENS), "s", "/s", "unk"])))

Wording = Literal["inference", "training"]
Status = Literal["ok", "malformed", "truncated"]


@dataclass(frozen=True)
class ParsedReply:
    """What could be read in a reply; `s_object` None with status ok means that nothing is referred to."""

    think: str | None
    f_object: str | None
    s_object: str | None
    status: Status
    reason: str | None


def inference_prompt(reference: str) -> str:
    """The prompt at inference: neither colon nor quotes around the reference, unlike in training (trap T2)."""
    return _TEMPLATE.replace("{expression}", f" {_plain(reference)}")


def training_prompt(reference: str) -> str:
    """The prompt of fine-tuning."""
    return _TEMPLATE.replace("{expression}", f": '{_plain(reference)}'")


PROMPTS: Mapping[Wording, Callable[[str], str]] = {"inference": inference_prompt, "training": training_prompt}


def parse_reply(text: str, *, truncated: bool) -> ParsedReply:
    """Read a reply: the first pair of each tag, blanks around its content dropped, everything else verbatim.

    truncated: the reply ended at the token limit; that matters only where the answer cannot be read.
    A missing, unclosed or empty answer tag gives status malformed (or truncated) and a reason, never the word "Error"
    as upstream (trap T5); a missing chain leaves a readable answer ok, with a reason. What could be read is kept.
    `null` in any case, with or without a full stop, is an abstention (upstream compares with the bare lower-case word,
    UPSTREAM_FACTS 4.5).
    """
    found = {tag: _content(text, tag) for tag in ("think", *ANSWER_TAGS)}
    problems = {tag: _problem(text, tag) for tag, content in found.items() if content is None}
    problems |= {tag: f"<{tag}> is empty" for tag in ANSWER_TAGS if found[tag] == ""}
    think, f_object, s_object = found["think"], _answer(found["f_object"]), _answer(found["s_object"])
    reason = "; ".join(problems.values()) or None
    if not problems.keys() & set(ANSWER_TAGS):
        return ParsedReply(think, f_object, s_object, "ok", reason)
    if truncated:
        return ParsedReply(think, f_object, s_object, "truncated", f"cut at the token limit: {reason}")
    return ParsedReply(think, f_object, s_object, "malformed", reason)


def _plain(reference: str) -> str:
    """The reference in lower case, unstripped as upstream; control tokens spelled out in it become ordinary text."""
    return _CONTROL.sub("< ", reference.lower())


def _content(text: str, tag: str) -> str | None:
    match = re.search(rf"<{tag}>\s*(.*?)\s*</{tag}>", text, re.DOTALL)
    return match and match.group(1).strip()


def _problem(text: str, tag: str) -> str:
    return f"<{tag}> is not closed" if f"<{tag}>" in text else f"no <{tag}>"


def _answer(content: str | None) -> str | None:
    """The object named by an answer tag, None for `null` and for nothing."""
    if not content or content.casefold().rstrip(".").strip() == NULL:
        return None
    return content
