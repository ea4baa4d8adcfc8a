"""Examples: what a corpus holds (one row of `SCHEMA` each), and reading them with the features of their media."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tgs_pipeline.artifacts.features_reader import FeatureReader
from tgs_pipeline.artifacts.table import field, read
from tgs_pipeline.models.qformer import Modality

SCHEMA = pa.schema(
    [
        field("name", pa.string(), "uid of the reference, or id of the caption; for messages"),
        field("vid", pa.string(), "key of the media in the features"),
        field("prompt", pa.string(), "text before the answer, with its special tokens"),
        field("target", pa.string(), "the answer, with the end token"),
        field("part", pa.string(), "train | held_out; media are in one of them only"),
    ]
)


@dataclass(frozen=True)
class Example:
    """A row of a corpus with what the encoders made of its media: float16 (S, P, E), None where it shows none."""

    name: str
    prompt: str
    target: str
    visual: np.ndarray | None
    audio: np.ndarray | None


class Examples(Sequence[Example]):
    """Examples of one part of a corpus; features are read when an example is asked for.

    Rows whose media have no features, because encoding failed or a modality is missing, are left out and counted in
    `unusable`. ValueError where the features lack a medium altogether, or nothing is left of part train.
    """

    def __init__(self, path: Path, *, part: str, features: Path, modalities: Sequence[Modality]) -> None:
        self._reader = FeatureReader(features)
        self._modalities = frozenset(modalities)
        rows = pa.concat_tables(read(path, SCHEMA)).to_pylist()
        rows = [row for row in rows if row["part"] == part]
        unknown = sorted({row["vid"] for row in rows if row["vid"] not in self._reader})
        if unknown:
            raise ValueError(f"{features} holds no features of {len(unknown)} media of {path}, first {unknown[:3]}")
        usable = {vid: self._has_all(vid) for vid in {row["vid"] for row in rows}}
        self._rows: list[Mapping[str, str]] = [row for row in rows if usable[row["vid"]]]
        self.unusable = len(rows) - len(self._rows)
        if part == "train" and not self._rows:
            raise ValueError(f"{path}: no row of part {part} has features in {features}")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]  # slices are not needed
        row = self._rows[index]
        features = self._reader.get(row["vid"])
        return Example(
            name=row["name"],
            prompt=row["prompt"],
            target=row["target"],
            visual=features.visual if "visual" in self._modalities else None,
            audio=features.audio if "audio" in self._modalities else None,
        )

    def _has_all(self, vid: str) -> bool:
        features = self._reader.get(vid)
        return features.status == "ok" and all(getattr(features, name) is not None for name in self._modalities)
