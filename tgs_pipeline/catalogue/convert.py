"""Writing the weights of a profile as safetensors, once: the published pickles are then not needed any more.

Tensors keep their values and dtypes; what no model reads is left out. A folder or file keeps its name.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tgs_pipeline.catalogue.sets import weight_paths
from tgs_pipeline.params import Params
from tgs_pipeline.weights import without_memory

if TYPE_CHECKING:
    import torch

FROM_PICKLE = (".pt", ".pth", ".bin")


def convert(params: Params, out: Path) -> Iterator[tuple[str, Path]]:
    """Convert what a profile names and is not safetensors yet; yields (key of the params, its new value).

    ValueError where weights do not fit their model, or where a place below `out` is taken.
    """
    visual, audio = Path(params.features.visual.weights), Path(params.features.audio.weights)
    thinker, segmenter = Path(params.think.weights), Path(params.segment.weights)
    detector = Path(params.detect.weights)
    other_tagger = weight_paths(params).get("features.other_tagger")
    audio_text = weight_paths(params).get("segment.matching.weights")
    steps: dict[str, tuple[Path | None, str, Callable[[Path, Path], None]]] = {
        "features.visual.weights": (visual, "", _visual),
        "features.audio.weights": (audio, ".safetensors", _audio),
        "features.other_tagger": (other_tagger, ".safetensors", _audio),
        "think.weights": (thinker, "", _thinker),
        "detect.weights": (detector, "", _detector),
        "segment.weights": (segmenter, ".safetensors", lambda source, target: _segmenter(source, target, params)),
        "segment.matching.weights": (audio_text, "", _audio_text),
    }
    for key, (source, suffix, write) in steps.items():
        if (
            source is None
            or not _is_pickled(source)
            or (key == "think.weights" and params.think.backend != "ref_thinker")
        ):
            continue
        target = out / (source.with_suffix(suffix).name if suffix else source.name)
        if target.exists():
            raise ValueError(f"{target} exists already: give another --out, or remove it")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part{suffix}")
        shutil.rmtree(part, ignore_errors=True)
        part.unlink(missing_ok=True)
        write(source, part)
        part.rename(target)
        yield key, target


def _is_pickled(path: Path) -> bool:
    """Whether a file, or any file right in a folder, is a pickle."""
    files = [path] if path.is_file() else path.glob("*")
    return any(file.suffix in FROM_PICKLE for file in files)


def _visual(source: Path, target: Path) -> None:
    from transformers import CLIPVisionConfig

    from tgs_pipeline.backends.encoder import clip

    _, state = clip.fit(CLIPVisionConfig.from_pretrained(source, local_files_only=True), folder=source)
    target.mkdir()
    _save(state, target / "model.safetensors")
    for name in ("config.json", "preprocessor_config.json"):
        if (source / name).is_file():
            shutil.copy(source / name, target)


def _audio(source: Path, target: Path) -> None:
    from tgs_pipeline.backends.encoder import beats

    beats.convert(source, target)


def _audio_text(source: Path, target: Path) -> None:
    from tgs_pipeline.backends.audio_text import languagebind

    _, state, _ = languagebind.fit(source)
    target.mkdir()
    _save(state, target / "model.safetensors")
    for path in source.glob("*"):
        if path.suffix in (".json", ".txt") and not path.name.endswith(".index.json"):  # settings and tokenizer
            shutil.copy(path, target)


def _thinker(source: Path, target: Path) -> None:
    from tgs_pipeline.backends.thinker.checkpoint import file_keys, read_sizes
    from tgs_pipeline.backends.thinker.loading import OURS, fit

    model, _, state = fit(source)
    sizes = read_sizes(source / "ref_thinker.json")
    target.mkdir()
    _save({name: state[key] for name, key in file_keys(model, sizes=sizes).items()}, target / OURS)
    shutil.copy(source / "ref_thinker.json", target)
    shutil.copytree(source / "llama", target / "llama", copy_function=_link)


def _detector(source: Path, target: Path) -> None:
    from tgs_pipeline.backends.detector import groundingdino

    model, state, _, _ = groundingdino.fit(source)
    (checkpoint,) = (path for path in source.iterdir() if path.suffix in FROM_PICKLE)
    target.mkdir()
    _save(
        {name: state[name] for name in model.state_dict() if name in state}, target / f"{checkpoint.stem}.safetensors"
    )
    for path in source.iterdir():
        if path.is_dir():
            shutil.copytree(path, target / path.name)
        elif path.name == "config.json":
            shutil.copy(path, target)


def _segmenter(source: Path, target: Path, params: Params) -> None:
    from tgs_pipeline.backends.segmenter.sam2 import fit
    from tgs_pipeline.backends.segmenter.sam2_config import build_model, check_config

    config = check_config(Path(params.segment.config))
    with without_memory():
        model = build_model(config)
    _save(fit(model, config=config, weights=source), target)


def _save(state: "Mapping[str, torch.Tensor]", path: Path) -> None:
    """safetensors wants tensors that share no memory."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().contiguous().clone() for name, tensor in state.items()}, path)


def _link(source: str, target: str) -> None:
    """The same file under another name where the disk allows it: LLaMA's 13 GB are not doubled."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)
