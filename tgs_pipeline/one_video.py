"""One video and one reference through the whole pipeline, without DVC: the same operators, a workspace of its own."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from tgs_pipeline.artifacts import boxes, chains, masks, pivots, samples, table
from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.data.media import read_image
from tgs_pipeline.data.media_folder import DEFAULT_SPLIT
from tgs_pipeline.data.sample import check_reference
from tgs_pipeline.data.video import extract
from tgs_pipeline.metrics import rle
from tgs_pipeline.operators import detect, features, ground, manifest, segment, think
from tgs_pipeline.params import Params
from tgs_pipeline.report.picture import captions_of, named_boxes, strip
from tgs_pipeline.report.records import drawn
from tgs_pipeline.stage import execution_of
from tgs_pipeline.workspace import Workspace

VID = "clip"
STAGES = {"manifest": manifest, "features": features, "think": think, "detect": detect, "ground": ground,
          "segment": segment}  # fmt: skip


def run(params: Params, *, video: Path, reference: str, out: Path, start_sec: float = 0.0) -> dict:
    """Think, ground and segment one reference in [start_sec, start_sec + 10) of a video; returns the chain.

    Writes below `out`: chain.json, boxes.json, masks/0000{0..9}.png (8-bit, 0 or 255, frame size), overlay.png, and
    the intermediate artifacts with rows of their own: the row cache of the pipeline is left alone. ValueError where
    the video cannot be used or a stage fails.
    """
    check_reference(reference, path=Path("--ref"), row=0)
    if (out / "chain.json").exists():
        raise ValueError(f"{out} holds the result of another run: give --out a new folder")
    shutil.rmtree(out / "artifacts", ignore_errors=True)  # of a run that failed
    params, workspace = _prepare(params, video=video, reference=reference, out=out, start_sec=start_sec)
    for name, stage in STAGES.items():
        stage.run(params, workspace, replace(execution_of(params, stage=name), cache=workspace.artifacts / "rows"))
    return _write_results(workspace, out)


def _prepare(params: Params, *, video: Path, reference: str, out: Path, start_sec: float) -> tuple[Params, Workspace]:
    """Extract the clip into a media folder below `out` and point the params at it."""
    root = out / "artifacts" / "dataset"
    extract(video, root / "media" / VID, start_sec=start_sec)
    write_references(root / "metadata.csv", [(VID, reference)])
    dataset = params.dataset.model_copy(
        update={"tinyworld": None, "adapter": "media_folder", "root": str(root), "metadata": "metadata.csv",
                "splits": [DEFAULT_SPLIT], "missing_frames": "error"}
    )  # fmt: skip
    workspace = Workspace(artifacts=out / "artifacts", dataset=root)
    return params.model_copy(update={"dataset": dataset}), workspace


def write_references(path: Path, references: list[tuple[str, str]]) -> None:
    """A metadata file of the media_folder adapter: (vid, reference) rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([("vid", "exp"), *references])


def _write_results(workspace: Workspace, out: Path) -> dict:
    """chain.json, boxes.json, masks and the overlay, from the artifacts of the one sample."""
    (sample,) = table.read_rows(workspace.samples, samples.SCHEMA)
    (chain,) = table.read_rows(workspace.chains, chains.SCHEMA)
    found = list(table.read_rows(workspace.boxes, boxes.SCHEMA))
    frames = [read_image(workspace.dataset / path) for path in sample["frame_paths"]]
    decoded = [
        rle.decode(row["rle"], height=row["height"], width=row["width"])
        for row in table.read_rows(workspace.masks, masks.SCHEMA)
    ]
    (out / "masks").mkdir(exist_ok=True)
    for index, mask in zip(sample["frame_indices"], decoded, strict=True):
        Image.fromarray(mask.astype(np.uint8) * 255).save(out / "masks" / f"{index:05d}.png")
    (out / "boxes.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    chosen = list(table.read_rows(workspace.pivots, pivots.SCHEMA)) if workspace.pivots.exists() else []
    shown = [named_boxes(drawn(row, chosen)) for row in found]
    strip(frames, decoded, shown, captions=captions_of(chain)).save(out / "overlay.png")
    write_text(out / "chain.json", json.dumps(chain, indent=2, ensure_ascii=False) + "\n")  # last: all is there
    return chain
