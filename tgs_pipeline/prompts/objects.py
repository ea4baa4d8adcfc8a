"""Sounding objects of a chain: how the thinker `lbru` writes them into `raw`, and what the detector is asked for them.

`raw` of its chains is a JSON object from names to the index of the frame that shows each best, {"dog": 3, "man": 0};
`s_object` and `f_object` are the names in one caption of sub-sentences, "dog. man".
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tgs_pipeline.prompts.caption import Asked, ask, caption
from tgs_pipeline.prompts.listed import NamedFrame


@dataclass(frozen=True)
class AskedObject:
    """One sounding object. frame_index: of the clip, where it shows best; asked: its caption."""

    name: str
    frame_index: int
    asked: Asked


def write_objects(objects: Sequence[NamedFrame], *, frame_indices: Sequence[int]) -> str:
    """The objects as `raw` holds them. frame_indices: of the clip, those of the frames that were shown, in order."""
    return json.dumps({one.name: frame_indices[one.frame - 1] for one in objects}, ensure_ascii=False)


def names_of(objects: Sequence[NamedFrame]) -> str:
    """The objects as one caption, a sub-sentence each."""
    return ". ".join(one.name for one in objects)


def object_names(chain: dict) -> list[str]:
    """Names of what a chain is about: the objects of `lbru`, else its s_object; none where it has none."""
    if chain["status"] != "ok" or chain["s_object"] is None:
        return []
    try:
        objects = json.loads(chain["raw"] or "")
    except ValueError:
        return [chain["s_object"]]
    return list(objects) if isinstance(objects, dict) else [chain["s_object"]]


def ask_each(sample: dict, chain: dict) -> list[AskedObject]:
    """The objects of a chain, each with its caption; empty where the chain has none.

    ValueError where the chain was written by a thinker that names no objects.
    """
    if ask(sample, chain, column="s_object").caption is None:
        return []
    try:
        objects = json.loads(chain["raw"] or "")
        if not (isinstance(objects, dict) and all(type(frame) is int for frame in objects.values())):
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{sample['uid']} (row {sample['row']}): its chain lists no objects, as those of think.backend lbru do"
        ) from None
    return [AskedObject(name, frame, _asked(name)) for name, frame in objects.items()]


def _asked(name: str) -> Asked:
    try:
        return Asked(caption(name))
    except ValueError as error:
        return Asked(None, "no_answer", f"object: {error}")
