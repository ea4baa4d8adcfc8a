"""Everything that would stop a training run, found before DVC deletes an output."""

from pathlib import Path

from tgs_pipeline.params import ParamsError
from tgs_pipeline.training.params import TrainingParams, load

MADE_BY_TRAINING = Path("training/artifacts")


def find_problems(path: Path) -> list[str]:
    """One line for each problem of a training params file and the files it names; empty where all is well."""
    try:
        params = load(path)
    except ParamsError as error:
        return [str(error)]
    return [
        f"{name}: {file} is missing"
        for name, file in _inputs(params).items()
        if not file.exists() and not file.is_relative_to(MADE_BY_TRAINING)
    ]


def _inputs(params: TrainingParams) -> dict[str, Path]:
    """Setting -> the file or folder that it names."""
    named = {
        "dataset.root": params.dataset.root,
        "features.visual.weights": params.features.visual.weights,
        "features.audio.weights": params.features.audio.weights,
        "segmenter_clips.start": params.segmenter_clips.start,
        "corpus.instructions": params.corpus.instructions,
        "model.llama": params.model.llama,
        "detector.start": params.detector.start,
        "detector.backbone": params.detector.backbone,
        "alignment.features": params.alignment.features,
        "alignment.language": params.alignment.language,
        "alignment.projectors.visual": params.alignment.projectors.visual,
        "alignment.projectors.audio": params.alignment.projectors.audio,
        "pretrain_audio.projector": params.pretrain_audio.projector,
        "pretrain_visual.projector": params.pretrain_visual.projector,
        "finetune.visual_projector": params.finetune.visual_projector,
        "finetune.audio_projector": params.finetune.audio_projector,
    }
    named |= {f"encoders.{name}.start": encoder.start for name, encoder in params.encoders}
    for phase in ("pretrain_audio", "pretrain_visual", "finetune"):
        named[f"{phase}.features"] = getattr(params, phase).features
    for modality in ("audio", "visual"):
        for number, annotation in enumerate(getattr(params.corpus, modality).annotations):
            named[f"corpus.{modality}.annotations[{number}]"] = annotation
    if params.features.other_tagger is not None:
        named["features.other_tagger"] = params.features.other_tagger
    if params.runtime.accelerate:
        named["runtime.accelerate"] = params.runtime.accelerate
    return {name: Path(file) for name, file in named.items()}
