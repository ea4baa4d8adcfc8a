"""Where the artifacts of training lie."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tgs_pipeline.models.qformer import Modality
from tgs_pipeline.workspace import Workspace

Examples = Literal["audio", "visual", "instructions"]
PhaseName = Literal["pretrain_audio", "pretrain_visual", "finetune"]
EncoderName = Literal["vision", "sound", "language"]
SegmenterPhase = Literal["image", "clips"]


@dataclass(frozen=True)
class TrainingWorkspace:
    """Folders of a training run."""

    media: Workspace  # dataset, samples and features, laid out as by the main pipeline
    cache: Path

    def examples(self, name: Examples) -> Path:
        return self.media.artifacts / "corpus" / f"{name}.parquet"

    def phase(self, name: PhaseName) -> Path:
        """Folder of the weights, the loss curve and the metrics of a phase."""
        return self.media.artifacts / name

    def encoder(self, name: EncoderName) -> Path:
        """Folder of a pretrained tiny model, its loss curve and its metrics."""
        return self.media.artifacts / "encoders" / name

    def alignment(self, modality: Modality) -> Path:
        """Folder of a projector that speaks the words of the language model, its loss curve and its metrics."""
        return self.media.artifacts / "alignment" / modality

    def segmenter(self, phase: SegmenterPhase) -> Path:
        """Folder of the tiny SAM 2 after a phase of its training, of the loss curve and the metrics."""
        return self.media.artifacts / f"segmenter_{phase}"

    @property
    def backbone(self) -> Path:
        """Folder of the pretrained backbone of the detector, its loss curve and its metrics."""
        return self.media.artifacts / "backbone"

    @property
    def detector(self) -> Path:
        """Folder of the trained detector in both layouts, its loss curve and its metrics."""
        return self.media.artifacts / "detector"

    def checkpoints(self, name: str) -> Path:
        """Folder of unfinished runs. It is no artifact: DVC removes artifacts before a stage starts."""
        return self.cache / "training" / name

    @property
    def export(self) -> Path:
        return self.media.artifacts / "export"
