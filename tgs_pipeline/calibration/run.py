"""Calibration: thresholds of abstention, fitted on a split that is not tested on.

Three thresholds of the section `ground`, one after the other, each on the cases that those before it keep:
null_threshold on samples (the thinker's doubt), clip_threshold on samples (the best candidate of the clip),
box_threshold on frames (the best candidate of the frame, against whether the object is in it).

S is that of the masks of the current run: exact for thresholds that let less pass than it did, absent for those that
would let something pass that it never segmented. With `box_select: first` or `prompt: auto` the box of a frame may
change with the thresholds; then S and the fit are those of its best candidate.
"""

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.calibration.evidence import Evidence, read_evidence
from tgs_pipeline.calibration.thresholds import Cases, Keeps, Point, best, curve
from tgs_pipeline.params import Params
from tgs_pipeline.report.charts import curves, standalone
from tgs_pipeline.workspace import Workspace

NULL, CLIP, BOX = "null_threshold", "clip_threshold", "box_threshold"
COLUMNS = ("name", "threshold", "missed", "false_positives", "S", "chosen")


@dataclass(frozen=True)
class Fit:
    """One threshold of `ground`. points: empty where it cannot be fitted, because no case or one kind alone is left."""

    name: str
    unit: str
    num_present: int
    num_absent: int
    points: list[Point]

    @property
    def chosen(self) -> Point | None:
        return best(self.points) if self.points else None


def run(params: Params, workspace: Workspace, *, split: str, out: Path) -> list[Fit]:
    """Fit, and write calibration.csv and calibration.html into `out`. ValueError where the split is not there."""
    fits = fit(list(read_evidence(params, workspace, split=split)), floor=params.detect.floor)
    write_text(out / "calibration.csv", as_csv(fits))
    rows = [asdict(point) | {"name": found.name} for found in fits for point in found.points if point.S is not None]
    marks = [asdict(found.chosen) | {"name": found.name} for found in fits if found.chosen is not None]
    svg = curves(rows, x="missed", y="S", colour="name", marks=[mark for mark in marks if mark["S"] is not None])
    title = f"Abstention on {split}: S against missed objects"
    write_text(out / "calibration.html", standalone(title, [svg], body=f"<pre>{html.escape(as_text(fits))}</pre>"))
    return fits


def fit(found: Sequence[Evidence], *, floor: float) -> list[Fit]:
    """The three fits, in the order in which they apply."""
    doubts = [1.0 if one.null_probability is None else one.null_probability for one in found]
    has_doubts = any(one.null_probability is not None for one in found)
    by_null = _fit(NULL, found, doubts, keeps=np.less_equal, low=0.0, usable=has_doubts)
    limit = by_null.chosen.threshold if by_null.chosen else 1.0
    asked = [one for one in found if one.answerable and (one.null_probability or 0.0) <= limit]
    by_clip = _fit(CLIP, asked, [one.clip_score for one in asked], keeps=np.greater_equal, low=floor)
    least = by_clip.chosen.threshold if by_clip.chosen else 0.0
    frames = [frame for one in asked if one.clip_score >= least for frame in one.frames if frame.shown is not None]
    cases = Cases(
        values=np.array([frame.score for frame in frames]),
        present=np.array([frame.shown for frame in frames], bool),
        answerable=np.ones(len(frames), bool),
        S=np.array([frame.S for frame in frames]),
    )
    return [by_null, by_clip, _of_cases(BOX, "frames", cases, keeps=np.greater, low=floor)]


def as_text(fits: Sequence[Fit]) -> str:
    """The values to put into the section `ground`, each with what it costs."""
    lines = ["ground:"]
    for found in fits:
        counts = f"{found.num_present} {found.unit} with the object, {found.num_absent} without"
        point = found.chosen
        if point is None:
            lines.append(f"  # {found.name} is not fitted: {counts}")
            continue
        value = "not known, the current run abstains from some of them" if point.S is None else f"{point.S:.3f}"
        lines.append(
            f"  {found.name}: {point.threshold:g}  # missed {100 * point.missed:.1f} %, "
            f"false positives {100 * point.false_positives:.1f} %, S {value} ({counts})"
        )
    return "\n".join(lines)


def as_csv(fits: Sequence[Fit]) -> str:
    """Every point of every threshold."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for found in fits:
        for point in found.points:
            writer.writerow(asdict(point) | {"name": found.name, "chosen": int(point == found.chosen)})
    return text.getvalue()


def _fit(name: str, found: Sequence[Evidence], values: list[float], *, keeps: Keeps, low: float,
         usable: bool = True) -> Fit:  # fmt: skip
    """A threshold of samples."""
    cases = Cases(
        values=np.array(values),
        present=np.array([not one.is_null for one in found], bool),
        answerable=np.array([one.answerable for one in found], bool),
        S=np.array([one.S for one in found]),
    )
    return _of_cases(name, "samples", cases, keeps=keeps, low=low, usable=usable)


def _of_cases(name: str, unit: str, cases: Cases, *, keeps: Keeps, low: float, usable: bool = True) -> Fit:
    num_present = int(cases.present.sum())
    points = curve(cases, keeps=keeps, low=low) if usable and len(cases.values) else []
    return Fit(name, unit, num_present, len(cases.present) - num_present, points)
