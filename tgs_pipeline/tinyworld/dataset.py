"""Writes the tiny world to disk in the layout of Ref-AVSBench (UPSTREAM_FACTS 1.1 to 1.4), clip by clip.

media/<vid>/frames/{0..9}.jpg            media/<vid>/audio.wav
media/<null_vid>/frames/{0..9}.jpg       media_cross/<null_vid>/audio.wav
gt_mask/<vid>/fid_<k>/0000{0..9}.png     one folder for every object; all black for null clips
metadata.csv                             vid,uid,split,fid,exp (CRLF)
R2AVSBench_metadata.csv                  the same columns (LF): reasoning-intensive references of test_s and test_u
RefThinker_instruction_tuning_set.json   {uid: {"output": chain}} for every row of train
contact_sheet.png                        a few clips to look at
"""

import csv
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import soundfile
from PIL import Image

from tgs_pipeline.tinyworld.chains import write_chain
from tgs_pipeline.tinyworld.clip import SPLITS, Clip, ClipPlan, Split, chain_generator, generate_clip
from tgs_pipeline.tinyworld.contact_sheet import draw_contact_sheet
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.scene import Scene

METADATA = "metadata.csv"
R2_METADATA = "R2AVSBench_metadata.csv"
INSTRUCTIONS = "RefThinker_instruction_tuning_set.json"
CONTACT_SHEET = "contact_sheet.png"
JPEG_QUALITY = 92
_COLUMNS = ("vid", "uid", "split", "fid", "exp")
_SHEET_CLIPS_PER_SPLIT = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClipRow:
    """A row of metadata.csv, with its R2-style rewriting where there is one, and the scene that it speaks of.

    vid: as in the CSV, that is without the prefix of a null variant. heard: with the soundtrack of this row.
    """

    vid: str
    uid: str
    fid: int
    reference: Reference
    reasoning: Reference | None
    heard: Scene


def write_dataset(
    root: Path,
    *,
    seed: int,
    num_clips: Mapping[str, int],
    references_per_clip: int,
    frame_size_px: int,
    sample_rate_hz: int,
) -> None:
    """Write a dataset into a new or empty folder.

    num_clips: how many clips of each of SPLITS; a split left out has none. A clip depends
    on seed, split and its index only: larger counts add clips and change none. A clip has up to `references_per_clip`
    references, and as many null ones where it has a null variant (see clip.py). Raises ValueError for an unknown
    split, a negative count, or a folder with content.
    """
    _check_request(root, num_clips)
    root.mkdir(parents=True, exist_ok=True)
    shown: list[Clip] = []
    with ExitStack() as stack:
        tables = _open_tables(root, stack)
        for split, index in _clip_indices(num_clips):
            clip = generate_clip(
                seed,
                split,
                index,
                references_per_clip=references_per_clip,
                frame_size_px=frame_size_px,
                sample_rate_hz=sample_rate_hz,
            )
            _write_media(root, clip, split, sample_rate_hz)
            _write_rows(tables, clip, seed, split, index)
            if index < _SHEET_CLIPS_PER_SPLIT:
                shown.append(clip)
        tables.instructions.close()
    draw_contact_sheet(shown).save(root / CONTACT_SHEET)
    _log.info("tiny world: %d clips written to %s", sum(num_clips.values()), root)


def _clip_indices(num_clips: Mapping[str, int]) -> Iterator[tuple[Split, int]]:
    for split in SPLITS:
        for index in range(num_clips.get(split, 0)):
            yield split, index


def _open_tables(root: Path, stack: ExitStack) -> "_Tables":
    files = [
        stack.enter_context((root / name).open("w", encoding="utf-8", newline=""))
        for name in (METADATA, R2_METADATA, INSTRUCTIONS)
    ]
    tables = _Tables(
        metadata=csv.writer(files[0], lineterminator="\r\n"),
        r2_metadata=csv.writer(files[1], lineterminator="\n"),
        instructions=_InstructionWriter(files[2]),
    )
    for table in (tables.metadata, tables.r2_metadata):
        table.writerow(_COLUMNS)
    return tables


def _write_rows(tables: "_Tables", clip: Clip, seed: int, split: Split, index: int) -> None:
    """Append the rows of a clip to the tables, and in train their chains."""
    for number, row in enumerate(rows_of_clip(clip.plan)):
        tables.metadata.writerow([row.vid, row.uid, split, row.fid, row.reference.text])
        if row.reasoning is not None:
            tables.r2_metadata.writerow([row.vid, row.uid, split, row.fid, row.reasoning.text])
        if split == "train":
            rng = chain_generator(seed, split, index, number)
            chain = write_chain(rng, row.heard, row.reference)
            tables.instructions.append(row.uid, chain)


class _InstructionWriter:
    """Streams a JSON object of {uid: {"output": text}}."""

    def __init__(self, file: IO[str]) -> None:
        """`file`: open text file at its beginning."""
        self._file = file
        self._separator = "{\n"

    def append(self, uid: str, output: str) -> None:
        """Add one sample."""
        self._file.write(f"{self._separator}{json.dumps(uid)}: {json.dumps({'output': output})}")
        self._separator = ",\n"

    def close(self) -> None:
        """Finish the object; the file stays open."""
        self._file.write("{}\n" if self._separator == "{\n" else "\n}\n")


class _CsvWriter(Protocol):
    def writerow(self, row: Iterable[object], /) -> object: ...


@dataclass(frozen=True)
class _Tables:
    metadata: _CsvWriter
    r2_metadata: _CsvWriter
    instructions: _InstructionWriter


def _check_request(root: Path, num_clips: Mapping[str, int]) -> None:
    unknown = sorted(set(num_clips) - set(SPLITS))
    if unknown:
        raise ValueError(f"num_clips names unknown splits {unknown}: expected {list(SPLITS)}")
    negative = {split: count for split, count in num_clips.items() if count < 0}
    if negative:
        raise ValueError(f"num_clips must not be negative: got {negative}")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ValueError(f"{root} exists and is not an empty folder: remove it or name another one")


def rows_of_clip(plan: ClipPlan) -> Iterator[ClipRow]:
    """Yield the CSV rows of a clip, those of its null variant last; numbers count from 1 for each (vid, object)."""
    counts: dict[str, int] = {}
    for reference, reasoning in zip(plan.references, plan.reasoning, strict=True):
        if reference.target is None:
            raise ValueError(f"clip {plan.vid}: a reference without target among the references to objects")
        category = plan.scene.objects[reference.target].category
        counts[category] = counts.get(category, 0) + 1
        uid = f"{plan.vid}_{category}_{counts[category]}"
        yield ClipRow(plan.vid, uid, reference.target, reference, reasoning, plan.scene)
    if plan.null is not None:
        for number, reference in enumerate(plan.null.references, start=1):
            uid = f"{plan.null.prefix}-{plan.vid}_null_{number}"
            yield ClipRow(plan.vid, uid, 0, reference, None, plan.null.scene)


def _write_media(root: Path, clip: Clip, split: Split, sample_rate_hz: int) -> None:
    if split != "test_n":
        _write_frames(root / "media" / clip.plan.vid / "frames", clip.frames)
        _write_audio(root / "media" / clip.plan.vid / "audio.wav", clip.waveform, sample_rate_hz)
        for fid, masks in enumerate(clip.masks):
            _write_masks(root / "gt_mask" / clip.plan.vid / f"fid_{fid}", masks)
    if clip.plan.null is not None and clip.null_waveform is not None:
        null_vid = f"{clip.plan.null.prefix}-{clip.plan.vid}"
        _write_frames(root / "media" / null_vid / "frames", clip.frames)
        _write_audio(root / "media_cross" / null_vid / "audio.wav", clip.null_waveform, sample_rate_hz)
        _write_masks(root / "gt_mask" / null_vid / "fid_0", np.zeros_like(clip.masks[0]))


def _write_frames(folder: Path, frames: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{index}.jpg", quality=JPEG_QUALITY)


def _write_audio(path: Path, waveform: np.ndarray, sample_rate_hz: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.round(waveform * 32767).astype(np.int16), sample_rate_hz, subtype="PCM_16")


def _write_masks(folder: Path, masks: np.ndarray) -> None:
    """Write the masks of one object, bool (num_frames, height, width)."""
    folder.mkdir(parents=True)
    for index, mask in enumerate(masks):
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{index:05d}.png")
