"""Labels: what sound taggers hear in a clip, as names for people and for language models (LBRU's first step).

Taggers of the original BEATs answer with AudioSet's ids; a file says their names: AudioSet's ontology.json, or its
class_labels_indices.csv. The tiny tagger answers with names already.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tgs_pipeline.data.sample import read_csv

SILENCE = {"/m/028v0c", "silence"}  # AudioSet's id, and the name in any case

Tag = tuple[str, float]  # label, probability 0..1


def heard_labels(taggers: Sequence[Sequence[Tag]], *, num_labels: int, names: Mapping[str, str] | None) -> list[str]:
    """The best `num_labels` labels of each tagger without silence, named, in one list: sorted, each once.

    taggers: the tags of one clip by each tagger (AL-Ref-SAM 2 takes one for S4, two elsewhere), in any order. names:
    of ids, None where labels are names. Upstream's union has no order of its own, so that its prompts do not repeat
    (trap T42). ValueError where an id has no name.
    """
    found = set()
    for tags in taggers:
        sounds = [tag for tag in tags if tag[0].lower() not in SILENCE]
        best = sorted(sounds, key=lambda tag: (-tag[1], tag[0]))[:num_labels]
        found |= {class_name(label, names) for label, _ in best}
    return sorted(found)


def read_names(path: Path) -> dict[str, str]:
    """Names by id, of an ontology (JSON: [{"id", "name", ...}, ...]) or of class labels (CSV: mid, display_name)."""
    if path.suffix != ".json":
        return {row["mid"]: row["display_name"] for _, row in read_csv(path, required=("mid", "display_name"))}
    try:
        items = json.loads(path.read_bytes())
        names = {item["id"]: item["name"] for item in items}
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    except (TypeError, KeyError):
        names = {}
    if not names or not all(isinstance(text, str) for pair in names.items() for text in pair):
        raise ValueError(f"{path}: expected a list of sound classes with id and name")
    return names


def class_name(label: str, names: Mapping[str, str] | None) -> str:
    """The name of a tagger's class. names: by id, None where labels are names. ValueError where it has none."""
    if names is None:
        return label
    if label not in names:
        raise ValueError(f"the sound class {label!r} has no name: give the list of names of the tagger's classes")
    return names[label]
