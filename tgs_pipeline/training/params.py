"""Typed parameters of the training pipeline: training/params.yaml, read as strictly as params.yaml."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tgs_pipeline.backends.thinker.checkpoint import Sizes
from tgs_pipeline.params import Dataset, Dtype, Features, load_as
from tgs_pipeline.params_section import Fraction, PositiveInt, Section, Text

NotNegative = Annotated[int, Field(ge=0)]


class Captions(Section):
    """Where the captions of a modality come from."""

    format: Literal["tinyworld", "audiocaps", "video_llava"]
    annotations: list[Text]  # JSON files; none for tinyworld, which writes its own captions

    @model_validator(mode="after")
    def _annotated(self) -> "Captions":
        if bool(self.annotations) == (self.format == "tinyworld"):
            raise ValueError(
                f"corpus: format {self.format} with annotations {self.annotations}: "
                "audiocaps and video_llava need JSON files, tinyworld takes none"
            )
        return self


class Given(Section):
    """Instructions of which the chain's description of the clip is given, and the media are another clip's.

    What follows a description must then be read from it: the chain carries the answer, not the media behind its back.
    """

    share: Fraction  # of the samples, for which such a row is added
    ends_before: list[Text]  # what the part of a chain begins with that follows the description


class Corpus(Section):
    """Stage corpus."""

    audio: Captions
    visual: Captions
    instructions: Text  # JSON of {uid: {"output": chain}}, as published
    prompt: Literal["training", "inference"]  # upstream trains with another prompt than it tests with (trap T2)
    given: Given | None
    held_out: Fraction  # share of the media whose rows are kept for measuring the loss


class Pretraining(Section):
    """How one of the tiny models is made from random weights."""

    num_steps: PositiveInt
    # Clips (vision, sound, segmenter_clips, backbone), texts (language), slots (alignment), else frames.
    batch_size: PositiveInt
    warmup_steps: NotNegative
    matrix_rate: Annotated[float, Field(gt=0)]  # learning rate of Muon, for the matrices of the layers
    other_rate: Annotated[float, Field(gt=0)]  # of AdamW, for all else
    decay_power: Annotated[float, Field(gt=0)]  # both fall as (1 - progress) ** decay_power
    bfloat16: bool  # matrix products in bfloat16: five times as fast on a CPU with AVX512-BF16, slower on others
    log_every_steps: PositiveInt
    seed: NotNegative


class Encoder(Pretraining):
    """One of the models of the stage encoders."""

    start: Text  # module.safetensors of an earlier run, or an empty file: random weights


class Encoders(Section):
    """Stage encoders: only of the tiny world."""

    vision: Encoder
    sound: Encoder
    language: Encoder


class Projectors(Section):
    """A projector of each modality."""

    visual: Text
    audio: Text


class Alignment(Pretraining):
    """Stage alignment: only of the tiny world. A batch is of slots of transcripts."""

    features: Text
    language: Text  # module.safetensors of encoders@language
    projectors: Projectors  # of the stage encoders


class SegmenterClips(Pretraining):
    """Stage segmenter_clips: only of the tiny world, as segmenter_image before it."""

    start: Text  # weights of a tiny SAM 2 that masks the object of a box


class DetectorTraining(Pretraining):
    """Stage detector: the tiny Grounding-DINO."""

    start: Text  # folder grounding_dino of an earlier detector, backbone and all; an empty file: none
    backbone: Text  # otherwise: weights that the stage backbone wrote; an empty file: from random weights
    backbone_pace: Annotated[float, Field(gt=0, le=1)]  # factor on both rates for the backbone
    # For what words pass through. At 1 the same large vector was soon added to all words, and the norms that follow
    # left nothing of their differences: colours could not be told apart any more, and no gradient came through.
    text_pace: Annotated[float, Field(gt=0, le=1)]


class Model(Section):
    """What training starts from."""

    llama: Text  # Hugging Face folder of the language model
    sizes: Sizes
    dtype: Dtype  # of the frozen weights; what is trained is float32
    autocast: bool  # matrix products in bfloat16


class Phase(Section):
    """One training run; the values of the paper stand in UPSTREAM_FACTS 2.8 and 2.9."""

    features: Text  # folder of features of the media that the corpus names
    max_steps: PositiveInt | None  # optimizer steps; null: `epochs` decides
    epochs: PositiveInt
    batch_size: PositiveInt  # rows for each device and micro-batch
    accumulate: PositiveInt  # micro-batches for each optimizer step
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["upstream", "cosine"]  # upstream: logarithmic warm-up, then linear to 0 (trap T9)
    warmup_steps: NotNegative
    max_grad_norm: Annotated[float, Field(gt=0)]
    log_every_steps: PositiveInt
    seed: NotNegative


class Pretrain(Phase):
    """Stages pretrain_audio and pretrain_visual."""

    # To go on from: ours, or {audio,visual}_pretrain.bin as published; an empty file: from random weights.
    projector: Text


class Finetune(Phase):
    """Stage finetune."""

    visual_projector: Text  # pretrained: ours, or visual_pretrain.bin as published
    audio_projector: Text


class Export(Section):
    """Stage export."""

    dtype: Dtype  # of our folder
    original_dtype: Dtype  # of the two files in the published format


class Runtime(Section):
    """What decides how training runs, and is no part of any stage's identity."""

    cache: Text
    device: Text
    num_threads: PositiveInt
    num_loaders: PositiveInt
    batch_size: PositiveInt  # videos for each call of the encoders
    save_every_steps: PositiveInt
    gradient_checkpointing: bool
    accelerate: Text | None  # configuration file of `accelerate launch` (DDP, FSDP, DeepSpeed); null: one process


class TrainingParams(Section):
    """A complete training/params.yaml."""

    encoders: Encoders
    segmenter_image: Pretraining
    segmenter_clips: SegmenterClips
    backbone: Pretraining
    detector: DetectorTraining
    dataset: Dataset
    features: Features
    corpus: Corpus
    model: Model
    alignment: Alignment
    pretrain_audio: Pretrain
    pretrain_visual: Pretrain
    finetune: Finetune
    export: Export
    runtime: Runtime

    @model_validator(mode="after")
    def _agree(self) -> "TrainingParams":
        """Refuse settings that contradict each other across sections."""
        runs = {name: getattr(self, name) for name in ("pretrain_audio", "pretrain_visual", "finetune")}
        runs |= {name: getattr(self, name) for name in ("segmenter_image", "segmenter_clips")}
        runs |= {f"encoders.{name}": getattr(self.encoders, name) for name in ("vision", "sound", "language")}
        runs |= {"alignment": self.alignment, "backbone": self.backbone, "detector": self.detector}
        for name, run in runs.items():
            if self.runtime.save_every_steps % run.log_every_steps:
                raise ValueError(
                    f"runtime.save_every_steps {self.runtime.save_every_steps} is no multiple of "
                    f"{name}.log_every_steps {run.log_every_steps}: a resumed run would log other averages"
                )
        if self.model.dtype != "float32" and not self.model.autocast:
            raise ValueError(
                f"model.dtype {self.model.dtype} needs model.autocast true: what is trained is float32, and without "
                "it the two cannot be multiplied"
            )
        for name in ("audio", "visual"):
            if getattr(self.corpus, name).format == "tinyworld" and self.dataset.tinyworld is None:
                raise ValueError(f"corpus.{name}.format is tinyworld, but dataset.tinyworld is null")
        if self.corpus.audio.format == "video_llava" or self.corpus.visual.format == "audiocaps":
            raise ValueError("corpus: audiocaps holds captions of sounds, video_llava of images and videos")
        return self


def load(path: Path) -> TrainingParams:
    """Read and validate a file; ParamsError lists every mistake found."""
    return load_as(TrainingParams, path, template="training/params.yaml of the repository")
