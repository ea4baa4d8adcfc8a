"""Instructions in which the description of the clip is given and the media are those of another clip.

A model that is trained on whole chains alone can take its answer from the media and write the chain beside it. Here the
media contradict the description, so what follows can only be read from the chain.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

_NULL_PREFIX = "null_"


def with_given_descriptions(
    rows: Iterable[dict[str, str]], *, share: float, ends_before: Sequence[str]
) -> Iterator[dict[str, str]]:
    """Rows of examples.SCHEMA and, for a share of them, one more each, named `<name>+given`.

    Its prompt holds the chain up to the first of `ends_before`; its media are the last that came before in the same
    part and show another clip: rows of a clip and of its null variants get the same ones, else media that fit the
    description would give a null reference away. Which rows are chosen depends on their names alone. ValueError names
    a chosen chain that holds none of `ends_before`.
    """
    recent: dict[str, tuple[str, str]] = {}  # part -> the last medium of the clip before, and the current medium
    for row in rows:
        yield row
        before, current = recent.get(row["part"], ("", ""))
        if clip_of(row["vid"]) != clip_of(current):
            before = current
        recent[row["part"]] = before, row["vid"]
        if before and place_of(row["name"]) < share:
            ends = [place for place in (row["target"].find(text) for text in ends_before) if place > 0]
            if not ends:
                raise ValueError(
                    f"{row['name']}: its chain holds none of corpus.given.ends_before {list(ends_before)}: "
                    "name what follows the description, or set corpus.given to null"
                )
            given, rest = row["target"][: min(ends)], row["target"][min(ends) :]
            yield row | {"name": f"{row['name']}+given", "vid": before, "prompt": row["prompt"] + given, "target": rest}


def clip_of(vid: str) -> str:
    """The clip whose frames a medium shows: null variants, `null_<x>-<vid>`, have those of `<vid>`."""
    return vid.partition("-")[2] if vid.startswith(_NULL_PREFIX) else vid


def place_of(name: str) -> float:
    """A number in [0, 1) that depends on the name alone, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") / 2**64
