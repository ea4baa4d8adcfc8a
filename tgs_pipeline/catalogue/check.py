"""Checking weights before a run: files there and whole, names and shapes as the models expect. No weights are loaded.

Models are built without memory and files are mapped, so a check of 15 GB takes seconds; checksums read every byte.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tgs_pipeline.catalogue.pull import matches, records
from tgs_pipeline.catalogue.sets import File, Placed, named_by, weight_paths
from tgs_pipeline.params import Detect, Params
from tgs_pipeline.weights import loading, without_memory


@dataclass(frozen=True)
class Checked:
    """The state of one path of the params; problem: the first thing that is wrong, or None."""

    section: str
    path: Path
    problem: str | None


def check(params: Params, *, checksums: bool) -> Iterator[Checked]:
    """The first thing that is wrong with each weights path of a profile.

    checksums: compare SHA-256 or Git ids too, where they are known from the catalogue or from `pull`.
    """
    placed = {one.section: one for one in named_by(params)}
    for section, path in weight_paths(params).items():
        problem = None
        if section in placed:
            problem = next(_wrong_files(placed[section], checksums=checksums), None)
        elif not path.exists():
            problem = f"{path} is missing, and the catalogue does not know it"
        yield Checked(section, path, problem or _misfit(params, section))


def _wrong_files(placed: Placed, *, checksums: bool) -> Iterator[str]:
    """What is wrong with the files of a set, in their order."""
    known = records(placed.root)
    for file in placed.set.files:
        path = placed.place(file)
        if not path.is_file():
            yield f"{path} is missing: `tgs weights pull` fetches it" + (
                f", or get it by hand from {file.by_hand}" if file.by_hand else ""
            )
            continue
        record = known.get(path.relative_to(placed.root).as_posix())
        size = record.size_bytes if record else file.size_bytes if file.sha256 else None
        if size is not None and path.stat().st_size != size:
            yield f"{path} has {path.stat().st_size} bytes, expected {size}: delete it and pull again"
        checksum = _checksum(file, record.checksum if record else None)
        if checksums and checksum is not None and not matches(path, checksum):
            yield f"{path} does not have the checksum {checksum}: delete it and pull again"


def _checksum(file: File, recorded: str | None) -> str | None:
    return file.sha256 or recorded


def _misfit(params: Params, section: str) -> str | None:
    """Why the model of a section could not be loaded, from names and shapes alone."""
    path = weight_paths(params)[section]
    fits: dict[str, Callable[[], object]] = {
        "features.visual.weights": lambda: _fit_visual(path),
        "features.audio.weights": lambda: _fit_audio(path),
        "features.other_tagger": lambda: _fit_audio(path),
        "think.weights": lambda: _fit_thinker(path) if params.think.backend == "ref_thinker" else None,
        "detect.weights": lambda: _fit_detector(params.detect),
        "segment.weights": lambda: _fit_segmenter(path, config=Path(params.segment.config)),
        "segment.matching.weights": lambda: _fit_audio_text(path),
    }
    if section not in fits:
        return None
    try:
        with loading(path, device="cpu"):
            fits[section]()
    except ValueError as error:
        return str(error)
    return None


def _fit_visual(path: Path) -> None:
    from transformers import CLIPVisionConfig

    from tgs_pipeline.backends.encoder import clip

    clip.input_size_px(path)
    clip.fit(CLIPVisionConfig.from_pretrained(path, local_files_only=True), folder=path)


def _fit_audio(path: Path) -> None:
    from tgs_pipeline.backends.encoder import beats

    beats.read(path)


def _fit_audio_text(path: Path) -> None:
    from tgs_pipeline.backends.audio_text import languagebind

    languagebind.fit(path)


def _fit_thinker(path: Path) -> None:
    from tgs_pipeline.backends.thinker import loading as thinker

    thinker.fit(path)


def _fit_detector(settings: Detect) -> None:
    path = Path(settings.weights)
    match settings.backend:
        case "groundingdino":
            from tgs_pipeline.backends.detector import groundingdino

            groundingdino.fit(path)
        case "transformers":
            from tgs_pipeline.backends.detector.transformers import TransformersDetector

            TransformersDetector(
                path,
                device="cpu",
                dtype=settings.dtype,
                shortest_edge_px=settings.shortest_edge_px,
                longest_edge_px=settings.longest_edge_px,
            )


def _fit_segmenter(path: Path, *, config: Path) -> None:
    from tgs_pipeline.backends.segmenter.sam2 import fit
    from tgs_pipeline.backends.segmenter.sam2_config import build_model, check_config

    with without_memory():
        model = build_model(check_config(config))
    fit(model, config=config, weights=path)
