"""Captions: what the detector is asked about each sample, and how the text of a chain is given to it."""

import re
from dataclasses import dataclass
from typing import Literal

from tgs_pipeline.prompts.ref_thinker import NULL

CaptionText = Literal["cleaned", "verbatim"]
ERROR = "Error"  # what upstream reads where a reply has no answer (trap T5)
NULL_SPLIT = "test_n"


@dataclass(frozen=True)
class Asked:
    """The caption for a sample, or the status (of artifacts/boxes.py) and reason why there is none."""

    caption: str | None
    status: str = "ok"
    reason: str | None = None


def caption(text: str) -> str:
    """`text` in lower case, without surrounding blanks, ending with a dot; ValueError where it holds no word.

    The detector reads its caption as sub-sentences that end in dots. Upstream appends a dot even where there is one
    already and asks for "guitar.." (UPSTREAM_FACTS 4.2): here a dot is added only where it is absent.
    """
    plain = text.lower().strip()
    if not any(char.isalnum() for char in plain):
        raise ValueError(f"{text!r} holds no word, so the detector cannot be asked for it")
    return plain if plain.endswith(".") else f"{plain}."


def ask(sample: dict, chain: dict, *, column: str, caption_text: CaptionText = "cleaned") -> Asked:
    """The caption that `column` of a chain makes for its sample.

    Each column stands for itself, as upstream reads each tag: a reply without f_object can still name its s_object, and
    the reference needs no reply. Where nothing can be read nothing is asked; upstream sends the words "null" and
    "error" to the detector instead (T5, T23), and so does caption_text `verbatim`.
    """
    if sample["status"] != "ok":
        return Asked(None, "failed", f"sample: {sample['reason']}")
    if column != "reference" and chain["status"] == "failed":
        return Asked(None, "failed", f"think: {chain['reason']}")
    if caption_text == "verbatim" and column != "reference" and chain["raw"] is not None:
        return _verbatim(sample, chain["raw"], column=column)
    if chain[column] is None and chain["status"] != "ok":
        return Asked(None, "no_answer", f"think: the reply is {chain['status']}: {chain['reason']}")
    if chain[column] is None:
        return Asked(None, "no_caption", f"the chain has no {column}: nothing is referred to")
    try:
        return Asked(caption(chain[column]))
    except ValueError as error:
        return Asked(None, "no_answer", f"{column}: {error}")


def _verbatim(sample: dict, reply: str, *, column: str) -> Asked:
    """What upstream asks for after a reply: the text of the tag or "Error", in lower case, and always one dot more.

    Only in test_n, and only where it is exactly `null`, is nothing asked for (UPSTREAM_FACTS 4.2, 4.5). A tag without a
    word has no caption that a detector could be given: that alone is not repeated.
    """
    found = re.search(rf"<{column}>\s*(.*?)\s*</{column}>", reply, re.DOTALL)
    text = found.group(1).strip() if found else ERROR
    if sample["split"] == NULL_SPLIT and text == NULL:
        return Asked(
            None, "no_caption", f"{column} is exactly {NULL!r} in {NULL_SPLIT}, which upstream scores as S = 0"
        )
    if not any(char.isalnum() for char in text):
        return Asked(None, "no_answer", f"{column}: {text!r} holds no word, so the detector cannot be asked for it")
    return Asked(f"{text.lower().strip()}.")
