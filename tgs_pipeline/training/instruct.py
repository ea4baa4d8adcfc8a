"""instruct: a teacher writes the reasoning chains that Ref-Thinker is tuned on.

    tgs train instruct --params training/params.yaml

Inputs: artifacts/samples, artifacts/features/audio_tags.parquet, frames and masks of the dataset. The object is told
to the teacher by the uid (<vid>_<object>_<number>; null where nothing is referred to). Outputs, in samples order:

    <out>/RefThinker_instruction_tuning_set.json   {uid: {"output": chain}}, the original format (UPSTREAM_FACTS 1.4)
    <out>/rejects.jsonl                            uid, row, reference, status, reason, replies of all others

Upstream's loader stops at a training row without a chain: leave the rejects out of its metadata.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from tgs_pipeline.artifacts import features, samples
from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.artifacts.table import read_rows
from tgs_pipeline.asking import Question, answers, make_recipe
from tgs_pipeline.backends.multimodal.base import make_picture
from tgs_pipeline.data.media import read_image
from tgs_pipeline.data.truth import read_truth
from tgs_pipeline.params import Params
from tgs_pipeline.params_multimodal import ServerParams
from tgs_pipeline.prompts import instruct as prompt
from tgs_pipeline.rows import Recipe
from tgs_pipeline.sounding.labels import read_names
from tgs_pipeline.training.params_teacher import InstructParams, WordLimits
from tgs_pipeline.workspace import Workspace, cache_folder

log = logging.getLogger(__name__)

VERSION = 1  # raise when the meaning of a row changes: questions or checks
CHAINS = "RefThinker_instruction_tuning_set.json"
REJECTS = "rejects.jsonl"
_SAMPLE_COLUMNS = [
    "uid", "row", "vid", "split", "reference", "is_null", "frame_indices", "frame_paths", "frame_hashes", "mask_paths",
    "mask_hashes", "status", "reason",
]  # fmt: skip


def run(settings: InstructParams, teacher: ServerParams, *, pipeline: Params, workspace: Workspace) -> None:
    """Ask for the chains that the row store lacks and write all of them."""
    if pipeline.dataset.adapter != "ref_avsbench":
        raise ValueError(
            f"{settings.pipeline}: dataset.adapter is {pipeline.dataset.adapter!r}; chains need the object that a "
            "reference means, which only the uids of ref_avsbench hold"
        )
    _check_uids(workspace.samples, settings)
    limits = {"think_words": _pair(settings.think_words), "f_object_words": _pair(settings.f_object_words)}
    recipe = make_recipe(
        "instruct",
        teacher,
        version=VERSION,
        system=prompt.system_prompt(**limits),
        **settings.model_dump(include={"num_frames", "longest_edge_px", "jpeg_quality"}),
    )
    sounds = _Sounds(workspace.audio_tags, names=settings.sound_names)
    lookup = answers(
        (unit for sample, unit in _units(workspace.samples, settings, recipe, sounds) if unit),
        recipe=recipe,
        settings=teacher,
        section="teacher",
        question=partial(_question, root=workspace.dataset, settings=settings),
        check=lambda reply, unit: prompt.check(reply, object_word=unit["object"], bbox=unit["bbox"], **limits),
        cache=cache_folder(pipeline.runtime.cache),
        num_loaders=pipeline.runtime.num_loaders,
        max_failure_rate=pipeline.runtime.max_failure_rate,
    )
    _publish(Path(settings.out), _units(workspace.samples, settings, recipe, sounds), lookup)


def _check_uids(path: Path, settings: InstructParams) -> None:
    """ValueError where a uid stands twice among the samples asked for, or none is: nothing has been asked yet."""
    uids = Counter(sample["uid"] for sample in _samples(path, settings))
    if not uids:
        raise ValueError(f"{path}: no sample of splits {settings.splits}: add them to dataset.splits, run `dvc repro`")
    repeated = sorted(uid for uid, count in uids.items() if count > 1)
    if repeated:
        raise ValueError(
            f"{path}: {len(repeated)} uids stand there more than once ({', '.join(repeated[:5])}); {CHAINS} holds one "
            "chain for each uid: leave the split out of instruct.splits, or the rows out of the metadata"
        )


def _samples(path: Path, settings: InstructParams) -> Iterator[dict]:
    for sample in read_rows(path, samples.SCHEMA, columns=_SAMPLE_COLUMNS):
        if sample["split"] in settings.splits:
            yield sample


def _units(
    path: Path, settings: InstructParams, recipe: Recipe, sounds: "_Sounds"
) -> Iterator[tuple[dict, dict | None]]:
    """Each sample with its unit of work, None where its files failed."""
    for sample in _samples(path, settings):
        if sample["status"] != "ok":
            yield sample, None
            continue
        object_word = None if sample["is_null"] else sample["uid"].rsplit("_", 2)[1]
        heard = sounds.describe(sample["vid"])
        content = [sample[name] for name in ("reference", "frame_indices", "frame_hashes", "mask_hashes")]
        unit = {name: sample[name] for name in ("reference", "frame_indices", "frame_paths", "mask_paths")}
        unit |= {"name": f"{sample['uid']} (row {sample['row']})", "object": object_word, "sounds": heard}
        yield sample, unit | {"key": recipe.key(*content, object_word, heard)}


class _Sounds:
    """What the tagger heard in each video, in words."""

    def __init__(self, path: Path, *, names: str | None) -> None:
        self._names: Mapping[str, str] = {}
        if names is not None:
            self._names = read_names(Path(names))
        self._tags: dict[str, list[tuple[float, str]]] = {}
        for tag in read_rows(path, features.AUDIO_TAGS):
            self._tags.setdefault(tag["vid"], []).append((tag["score"], self._name(tag["label"])))

    def describe(self, vid: str) -> str:
        tags = sorted(self._tags.get(vid, []), key=lambda tag: (-tag[0], tag[1]))
        return ", ".join(f"{label} ({score:.2f})" for score, label in tags) or "not known"

    def _name(self, label: str) -> str:
        if label in self._names:
            return self._names[label]
        if label.startswith(("/m/", "/t/", "/g/")):
            raise ValueError(
                f"the sound tag {label!r} is an id that says nothing to a teacher: set instruct.sound_names to "
                "AudioSet's class_labels_indices.csv or ontology.json, which names it"
            )
        return label


@dataclass(frozen=True)
class _Place:
    """The frame that shows most of the target: its offset among the frames, its index, the box in px, and in words."""

    offset: int
    index: int
    box_xyxy_px: tuple[int, int, int, int]
    text: str


def _question(unit: dict, *, root: Path, settings: InstructParams) -> Question:
    """Frames, sounds, reference and object of a sample; ValueError where a file cannot be read."""
    place = None if unit["object"] is None else _place(unit, root=root)
    spread = np.linspace(0, len(unit["frame_paths"]) - 1, settings.num_frames).round().astype(int)
    shown = sorted({*spread.tolist(), *([place.offset] if place else [])})
    pictures = [
        make_picture(
            read_image(root / unit["frame_paths"][offset]),
            name=f"Frame {unit['frame_indices'][offset]}",
            longest_edge_px=settings.longest_edge_px,
            jpeg_quality=settings.jpeg_quality,
        )
        for offset in shown
    ]
    bbox = prompt.bbox_line(place.index, place.box_xyxy_px) if place else prompt.bbox_line(None, None)
    text = prompt.question(
        reference=unit["reference"],
        object_word=unit["object"],
        sounds=unit["sounds"],
        place=place.text if place else None,
        bbox=bbox,
    )
    return Question(text, tuple(pictures), {"bbox": bbox})


def _place(unit: dict, *, root: Path) -> _Place | None:
    """Where the ground truth shows most of the target; None where it shows it nowhere."""
    best, most = None, 0
    for offset, path in enumerate(unit["mask_paths"]):
        mask = None if path is None else read_truth(root / path) > 0
        if mask is not None and (num_px := int(mask.sum())) > most:
            best, most = (offset, mask), num_px
    if best is None:
        return None
    offset, mask = best
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    box = (int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max()))
    left, top, right, bottom = (
        round(100 * edge / size)
        for edge, size in zip((box[0], box[1], box[2] + 1, box[3] + 1), (width, height, width, height), strict=True)
    )
    index = unit["frame_indices"][offset]
    text = f"in frame {index} from {left} % to {right} % of the width and from {top} % to {bottom} % of the height"
    return _Place(offset, index, box, text)


def _publish(out: Path, units: Iterator[tuple[dict, dict | None]], lookup: Lookup) -> None:
    """Write both files, whole or not at all."""
    counts: Counter[str] = Counter()
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        chains, rejects = (stack.enter_context(_whole(out / name)) for name in (CHAINS, REJECTS))
        separator = "{\n"
        for sample, unit in units:
            row = (
                lookup.take([unit["key"]]).to_pylist()[0] if unit else {"status": "failed", "reason": sample["reason"]}
            )
            counts[row["status"]] += 1
            counts["prompt tokens"] += row.get("prompt_tokens") or 0
            counts["completion tokens"] += row.get("completion_tokens") or 0
            if unit and row["status"] == "ok":
                entry = {"output": prompt.render(row["replies"][-1], object_word=unit["object"])}
                chains.write(f"{separator}{json.dumps(sample['uid'])}: {json.dumps(entry, ensure_ascii=False)}")
                separator = ",\n"
            else:
                reject = {name: sample[name] for name in ("uid", "row", "reference")}
                reject |= {"status": row["status"], "reason": row["reason"], "replies": row.get("replies") or []}
                rejects.write(json.dumps(reject, ensure_ascii=False) + "\n")
        chains.write("{}\n" if separator == "{\n" else "\n}\n")
    log.info(
        "instruct: %d chains, %d rejected, %d failed; they took %d prompt and %d completion tokens; %s",
        counts["ok"], counts["rejected"], counts["failed"], counts["prompt tokens"], counts["completion tokens"], out,
    )  # fmt: skip


@contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    """A text file that appears under its name when it is complete."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _pair(limits: WordLimits) -> tuple[int, int]:
    return limits.min, limits.max
