"""Everything that would stop a run, found before any output is deleted: params, weights, dataset."""

from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from tgs_pipeline import params as params_file
from tgs_pipeline.catalogue.sets import named_by, weight_paths
from tgs_pipeline.data.truth import file_of
from tgs_pipeline.operators import manifest
from tgs_pipeline.params import Params
from tgs_pipeline.sounding.recorded import read_activity
from tgs_pipeline.sounding.segments import read_segments
from tgs_pipeline.weights import WHERE_FROM, check_device
from tgs_pipeline.workspace import cache_folder


def find_problems(path: Path) -> list[str]:
    """All problems of a profile, each a sentence that says what to do; empty where a run can start."""
    try:
        params = params_file.load(path)
    except params_file.ParamsError as error:
        return [str(error)]
    return [*_cache(params), *_devices(params), *_weights(params), *_sounding(params), *_dataset(params)]


def _cache(params: Params) -> Iterator[str]:
    try:
        folder = cache_folder(params.runtime.cache)
        folder.mkdir(parents=True, exist_ok=True)
        (probe := folder / ".writable").touch()
        probe.unlink()
    except (ValueError, OSError) as error:
        yield f"runtime.cache: {error}"


def _weights(params: Params) -> Iterator[str]:
    """Every path that dvc.yaml depends on must be there, also where the chosen backend does not read it."""
    published = {one.section: one for one in named_by(params)}
    for name, path in weight_paths(params).items():
        if name in published:
            if missing := published[name].missing:
                yield f"{name}: {missing[0]} is missing; `tgs weights pull` fetches it"
        elif not path.exists():
            yield f"{name}: {path} is missing; {WHERE_FROM}"
        for file in sorted([path] if path.is_file() else path.rglob("*")):
            if file.suffix == ".safetensors" and (damage := _damage(file)):
                yield f"{name}: {file} is damaged ({damage}); fetch or write it again"


def _sounding(params: Params) -> Iterator[str]:
    """dvc.yaml depends on the file, also where silent frames are kept."""
    path = Path(params.segment.sounding)
    try:
        if params.segment.matching is None:
            read_activity(path)
        else:
            read_segments(path)
    except ValueError as error:
        yield f"segment.sounding: {error}"


def _damage(file: Path) -> str | None:
    """What is wrong with the header of a safetensors file, which names all its tensors and their places."""
    try:
        with safe_open(file, framework="numpy"):
            return None
    except (SafetensorError, OSError) as error:
        return str(error)


def _devices(params: Params) -> Iterator[str]:
    """Devices other than the CPU are tried out, which takes torch."""
    for device in params.runtime.devices:
        if device != "cpu":
            try:
                check_device(device)
            except ValueError as error:
                yield str(error)


def _dataset(params: Params) -> Iterator[str]:
    """A dataset that exists already is listed whole; one that is to be rendered cannot be looked at yet."""
    if params.dataset.tinyworld is not None:
        return
    root = Path(params.dataset.root)
    try:
        missing = sorted(
            {
                str(file_of(path))
                for sample in manifest.read_samples(params.dataset, root)
                for path in [*sample.frames, *(() if sample.is_null else sample.masks)]
                if path is not None and not (root / file_of(path)).is_file()
            }
        )
    except ValueError as error:
        yield f"dataset: {error}"
        return
    if missing and params.dataset.missing_frames == "error":
        yield "\n  ".join([f"dataset: {len(missing)} frame or mask files are missing below {root}:", *missing])
