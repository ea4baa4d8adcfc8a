"""manifest: dataset folder -> samples. Finds every file, hashes its content, and says what is missing.

Inputs: dataset.root, dataset.metadata. Output: artifacts/samples/samples.parquet.
"""

import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from tgs_pipeline.artifacts import samples, table
from tgs_pipeline.data import avsbench, media_folder, mevis, ref_avsbench, ref_davis17, ref_youtube_vos
from tgs_pipeline.data.media import content_hash
from tgs_pipeline.data.sample import Sample
from tgs_pipeline.data.truth import file_of, truth_size
from tgs_pipeline.execution import Execution, StageError
from tgs_pipeline.params import Dataset, Params
from tgs_pipeline.workspace import Workspace

log = logging.getLogger(__name__)

PER_FRAME = ("frame_indices", "frame_paths", "frame_hashes", "mask_paths", "mask_hashes")
NUM_FILES_REMEMBERED = 16384  # the references of a clip stand together, so this is far more than is needed


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Write the samples; StageError lists everything that is missing, before anything is written."""
    inspect = _Inspector(workspace.dataset, skip_missing=params.dataset.missing_frames == "skip")
    found = read_samples(params.dataset, workspace.dataset)
    num_rows = table.write_rows(workspace.samples, samples.SCHEMA, map(inspect.row, found))
    if not num_rows:
        workspace.samples.unlink()
        raise StageError(
            f"{metadata_path(params.dataset, workspace.dataset)}: no row of splits {params.dataset.splits}"
        )
    allowed = execution.max_failure_rate * num_rows
    if len(inspect.problems) > allowed or (inspect.missing and not inspect.skip_missing):
        workspace.samples.unlink()
        raise StageError(_explain(inspect))
    log.info(
        "manifest: %d samples, %d files missing, %d samples failed",
        num_rows, len(inspect.missing), len(inspect.problems),
    )  # fmt: skip


def metadata_path(dataset: Dataset, root: Path) -> Path:
    """The CSV file or folder of expressions below the root; ValueError where the name leads out of it."""
    path = root / dataset.metadata
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"dataset.metadata {dataset.metadata!r} leads out of dataset.root {root}")
    return path


def read_samples(dataset: Dataset, root: Path) -> Iterator[Sample]:
    """The samples of the dataset that the params name, as its adapter reads them."""
    metadata = metadata_path(dataset, root)
    match dataset.adapter:
        case "ref_avsbench":
            return ref_avsbench.read_samples(metadata, splits=dataset.splits)
        case "media_folder":
            return media_folder.read_samples(metadata, splits=dataset.splits)
        case "avsbench_s4":
            return avsbench.read_s4(metadata, splits=dataset.splits)
        case "avsbench_ms3":
            return avsbench.read_ms3(metadata, splits=dataset.splits)
        case "avsbench_v2":
            return avsbench.read_v2_binary(metadata, splits=dataset.splits)
        case "avsbench_semantic":
            return avsbench.read_semantic(metadata, splits=dataset.splits)
        case "ref_youtube_vos":
            return ref_youtube_vos.read_samples(metadata, splits=dataset.splits)
        case "ref_davis17":
            return ref_davis17.read_samples(metadata, splits=dataset.splits)
        case "mevis":
            return mevis.read_samples(metadata, splits=dataset.splits)


class _Inspector:
    """Looks at the files of samples and remembers what is wrong with them."""

    def __init__(self, root: Path, *, skip_missing: bool) -> None:
        self.root = root
        self.skip_missing = skip_missing
        self.missing: dict[PurePosixPath, None] = {}  # ordered set
        self.problems: list[str] = []
        self._hash = lru_cache(maxsize=NUM_FILES_REMEMBERED)(content_hash)
        self._header_size = lru_cache(maxsize=NUM_FILES_REMEMBERED)(truth_size)

    def row(self, sample: Sample) -> dict:
        """The samples row of one sample."""
        present = [index for index, path in enumerate(sample.frames) if self._exists(path)]
        frames = [sample.frames[index] for index in present]
        truth = [self._mask(sample, index) for index in range(len(sample.frames))]
        masks = [truth[index] for index in present]
        audio = next((path for path in sample.audio if (self.root / path).is_file()), None)
        row = {
            "uid": sample.uid,
            "row": sample.row,
            "vid": sample.vid,
            "split": sample.split,
            "reference": sample.reference,
            "is_null": sample.is_null,
            "frame_indices": present,
            "frame_paths": [str(path) for path in frames],
            "frame_hashes": [],
            "height": 0,
            "width": 0,
            "num_frames": len(sample.frames),
            "audio_path": None if audio is None else str(audio),
            "audio_hash": None,
            "mask_paths": [None if path is None else str(path) for path in masks],
            "mask_hashes": [],
            "status": "ok",
            "reason": None,
        }
        try:
            if not frames:
                raise ValueError(f"{self.root / sample.frames[0].parent}: holds none of the frames of {sample.uid}")
            row["height"], row["width"] = self._size(frames, masks)
            row["frame_hashes"] = [self._hash(self.root / path) for path in frames]
            row["mask_hashes"] = [None if path is None else self._hash(self.root / file_of(path)) for path in masks]
            row["audio_hash"] = None if audio is None else self._hash(self.root / audio)
        except ValueError as error:
            row |= {name: [] for name in PER_FRAME} | {"status": "failed", "reason": str(error)}
            self.problems.append(f"{sample.uid} (row {sample.row}): {error}")
        return row

    def _exists(self, path: PurePosixPath) -> bool:
        file = file_of(path)
        if (self.root / file).is_file():
            return True
        self.missing[file] = None
        return False

    def _mask(self, sample: Sample, index: int) -> PurePosixPath | None:
        """The ground truth of a frame; a null sample needs none."""
        if not sample.masks:
            return None
        path = sample.masks[index]
        if path is None or (sample.is_null and not (self.root / file_of(path)).is_file()):
            return None
        return path if self._exists(path) else None

    def _size(self, frames: list[PurePosixPath], masks: list[PurePosixPath | None]) -> tuple[int, int]:
        """(height, width) of the frames; ValueError where a frame or mask has another size."""
        size = self._header_size(self.root / frames[0])
        for path in [*frames[1:], *(mask for mask in masks if mask is not None)]:
            other = self._header_size(self.root / path)
            if other != size:
                raise ValueError(
                    f"{self.root / path}: {other[1]} x {other[0]} px, but {frames[0].name} of this clip has "
                    f"{size[1]} x {size[0]} px"
                )
        return size


def _explain(inspect: _Inspector) -> str:
    """Everything that is wrong, one line each."""
    lines = []
    if inspect.missing and not inspect.skip_missing:
        lines.append(
            f"{len(inspect.missing)} frame or mask files are missing below {inspect.root} "
            "(dataset.missing_frames: skip leaves them out and counts them in coverage):"
        )
        lines += [f"  {path}" for path in inspect.missing]
    if inspect.problems:
        lines.append(f"{len(inspect.problems)} samples cannot be used:")
        lines += [f"  {problem}" for problem in inspect.problems]
    return "manifest: " + "\n".join(lines)
