"""Where artifacts live: the one place that knows the file names under `artifacts/`."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """Folders of one run: the artifacts that DVC tracks and the dataset they were made from."""

    artifacts: Path
    dataset: Path

    @property
    def samples(self) -> Path:
        return self.artifacts / "samples" / "samples.parquet"

    @property
    def features(self) -> Path:
        """Folder of Arrow IPC shards."""
        return self.artifacts / "features"

    @property
    def audio_tags(self) -> Path:
        return self.artifacts / "features" / "audio_tags.parquet"

    @property
    def other_audio_tags(self) -> Path:
        """Only where features.other_tagger names one."""
        return self.artifacts / "features" / "other_audio_tags.parquet"

    @property
    def second_tags(self) -> Path:
        """Only where features.num_second_tags is not 0."""
        return self.artifacts / "features" / "second_tags.parquet"

    @property
    def chains(self) -> Path:
        return self.artifacts / "chains" / "chains.parquet"

    @property
    def faithfulness(self) -> Path:
        return self.artifacts / "faithfulness" / "faithfulness.parquet"

    @property
    def faithfulness_metrics(self) -> Path:
        return self.artifacts / "faithfulness.json"

    @property
    def candidates(self) -> Path:
        return self.artifacts / "candidates" / "candidates.parquet"

    @property
    def boxes(self) -> Path:
        return self.artifacts / "boxes" / "boxes.parquet"

    @property
    def pivots(self) -> Path:
        """Only where ground.frames is not every."""
        return self.artifacts / "boxes" / "pivots.parquet"

    @property
    def masks(self) -> Path:
        return self.artifacts / "masks" / "masks.parquet"

    @property
    def scores(self) -> Path:
        return self.artifacts / "score" / "scores.parquet"

    @property
    def metrics(self) -> Path:
        return self.artifacts / "score" / "metrics.json"

    @property
    def report(self) -> Path:
        """Folder of the HTML page."""
        return self.artifacts / "report"


def cache_folder(configured: str) -> Path:
    """The row cache: TGS_CACHE from the environment if set (it must be absolute), else the configured folder."""
    override = os.environ.get("TGS_CACHE")
    if not override:
        return Path(configured)
    if not Path(override).is_absolute():
        raise ValueError(f"TGS_CACHE is {override!r}: it must be an absolute path")
    return Path(override)
