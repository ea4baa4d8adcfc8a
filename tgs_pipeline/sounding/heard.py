"""Heard: what the sound tagger hears in each video, from the artifact `features`."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from tgs_pipeline.artifacts import features, table
from tgs_pipeline.sounding.labels import Tag, heard_labels, read_names


def read_heard(path: Path, *, num_labels: int, names: Path | None) -> Mapping[str, list[str]]:
    """The best `num_labels` labels of each video besides silence, sorted by name; a video without sound has none.

    path: audio_tags.parquet. names: file that names the tagger's classes, None where its labels are names. ValueError
    where a class has no name.
    """
    named = None if names is None else read_names(names)
    tags: dict[str, list[Tag]] = defaultdict(list)
    for row in table.read_rows(path, features.AUDIO_TAGS):
        tags[row["vid"]].append((row["label"], row["score"]))
    return {vid: heard_labels([found], num_labels=num_labels, names=named) for vid, found in tags.items()}
