"""Heard: what the sound taggers hear in each video, from the artifact `features`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from tgs_pipeline.artifacts import features, table
from tgs_pipeline.sounding.labels import Tag, heard_labels, read_names


def read_heard(paths: Sequence[Path], *, num_labels: int, names: Path | None) -> Mapping[str, list[str]]:
    """The best `num_labels` labels of each tagger for each video, sorted by name; a video without sound has none.

    Silence is left out. paths: of the tags of each tagger, files like audio_tags.parquet. names: file that names the
    classes of all taggers, None where their labels are names. ValueError where a class has no name.
    """
    named = None if names is None else read_names(names)
    tags: dict[str, list[list[Tag]]] = defaultdict(lambda: [[] for _ in paths])
    for number, path in enumerate(paths):
        for row in table.read_rows(path, features.AUDIO_TAGS):
            tags[row["vid"]][number].append((row["label"], row["score"]))
    return {vid: heard_labels(found, num_labels=num_labels, names=named) for vid, found in tags.items()}
