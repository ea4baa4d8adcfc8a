"""corpus: captions and instructions -> what each phase is trained on.

Inputs: artifacts/samples, annotation files, the instruction JSON. Outputs: corpus/{audio,visual,instructions}.parquet
(examples.SCHEMA). Media are told apart by a hash of their key: those of a share `held_out` are never trained on.
"""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from tgs_pipeline.artifacts import samples, table
from tgs_pipeline.models.qformer import Modality
from tgs_pipeline.training import captions
from tgs_pipeline.training.examples import SCHEMA
from tgs_pipeline.training.given import clip_of, place_of, with_given_descriptions
from tgs_pipeline.training.instructions import instructions
from tgs_pipeline.training.params import Captions, TrainingParams
from tgs_pipeline.training.workspace import TrainingWorkspace

log = logging.getLogger(__name__)


def run(params: TrainingParams, workspace: TrainingWorkspace) -> None:
    """Write the three corpora."""
    settings = params.corpus
    chains = instructions(Path(settings.instructions), samples_path=workspace.media.samples, prompt=settings.prompt)
    rows = {
        "audio": _captions(settings.audio, "audio", params=params, workspace=workspace),
        "visual": _captions(settings.visual, "visual", params=params, workspace=workspace),
        "instructions": chains,
    }
    parted = {name: _parted(each, held_out=settings.held_out) for name, each in rows.items()}
    if settings.given is not None:
        parted["instructions"] = with_given_descriptions(
            parted["instructions"], share=settings.given.share, ends_before=settings.given.ends_before
        )
    counts = {
        name: table.write(workspace.examples(name), SCHEMA, _tables(each))  # type: ignore[arg-type]
        for name, each in parted.items()
    }
    log.info("corpus: %s", ", ".join(f"{count} {name}" for name, count in counts.items()))


def part_of(vid: str, *, held_out: float) -> str:
    """Part of a medium and of its null variants, the same on every machine."""
    return "held_out" if place_of(clip_of(vid)) < held_out else "train"


def _parted(rows: Iterable[dict[str, str]], *, held_out: float) -> Iterator[dict[str, str]]:
    return (row | {"part": part_of(row["vid"], held_out=held_out)} for row in rows)


def _captions(
    settings: Captions, modality: Modality, *, params: TrainingParams, workspace: TrainingWorkspace
) -> Iterator[dict[str, str]]:
    match settings.format:
        case "audiocaps":
            for path in settings.annotations:
                yield from captions.audiocaps(Path(path))
        case "video_llava":
            for path in settings.annotations:
                yield from captions.video_llava(Path(path))
        case "tinyworld":
            world = params.dataset.tinyworld
            assert world is not None  # TrainingParams holds them together
            rendered = table.read_rows(workspace.media.samples, samples.SCHEMA, columns=["vid"])
            vids = {row["vid"] for row in rendered}  # a clip without a reference has no features
            rows = captions.tinyworld(
                modality, seed=world.seed, num_clips=world.num_clips.model_dump(), splits=params.dataset.splits
            )
            yield from (row for row in rows if row["vid"] in vids)


def _tables(rows: Iterable[dict[str, str]]) -> Iterator[pa.Table]:
    chunk: list[dict[str, str]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == table.ROW_GROUP_ROWS:
            yield table.from_rows(chunk, SCHEMA)
            chunk = []
    if chunk:
        yield table.from_rows(chunk, SCHEMA)
