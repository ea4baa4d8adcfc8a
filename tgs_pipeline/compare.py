"""The engine of `tgs compare`: the scores of two runs side by side, and the samples that moved between them.

A run is a folder of artifacts: score/metrics.json and score/scores.parquet are needed; chains, boxes and masks tell, if
they are there, at which stage a sample began to differ. Runs must have one protocol and the same samples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

import pyarrow as pa

from tgs_pipeline.artifacts import boxes, chains, masks, score_metrics, scores
from tgs_pipeline.artifacts.table import read_rows
from tgs_pipeline.compat.traps import summary
from tgs_pipeline.workspace import Workspace

Id = tuple[str, int]  # uid, row
EPSILON = 1e-12  # sums in another order move a score by less
NUM_NAMED = 5
# stage -> (its artifact in a workspace, its schema, what of a row must differ to count)
STAGES: dict[str, tuple[str, pa.Schema, tuple[str, ...]]] = {
    "think": ("chains", chains.SCHEMA, ("think", "f_object", "s_object", "status")),
    "ground": ("boxes", boxes.SCHEMA, ("box_xyxy_px", "status")),
    "segment": ("masks", masks.SCHEMA, ("rle", "levels", "status")),
}


class Pair(TypedDict):
    """A score of both runs; change = b - a, None where one is missing."""

    a: float | int | None
    b: float | int | None
    change: float | None


@dataclass(frozen=True)
class Moved:
    """A sample whose score differs. metric: JF or S; since: the first stage whose output differs, or score."""

    uid: str
    row: int
    split: str
    metric: str
    a: float | None
    b: float | None
    change: float | None
    since: str


@dataclass(frozen=True)
class Comparison:
    """compat: of each run, by stage; splits: split -> metric -> both values; moved: the largest change first."""

    protocol: str
    compat: tuple[dict[str, str], dict[str, str]]
    splits: dict[str, dict[str, Pair]]
    num_samples: int
    moved: list[Moved]

    def to_json(self) -> dict:
        """The object that `tgs compare --json` prints."""
        return {
            "protocol": self.protocol,
            "compat": dict(zip("ab", self.compat, strict=True)),
            "splits": self.splits,
            "num_samples": self.num_samples,
            "moved": [asdict(one) for one in self.moved],
        }


def compare(a: Path, b: Path) -> Comparison:
    """Compare two folders of artifacts; ValueError where they have other protocols or samples, or lack their scores."""
    runs = [workspace_in(a), workspace_in(b)]
    found = [score_metrics.read(run.metrics) for run in runs]
    protocols = [metrics["protocol"] for metrics in found]
    if protocols[0] != protocols[1]:
        raise ValueError(
            f"{a} is scored by protocol {protocols[0]!r}, {b} by {protocols[1]!r}: scores of different protocols "
            "cannot be compared; set score.protocol of one run to that of the other and run `dvc repro score`"
        )
    rows = [_scores(run) for run in runs]
    _check_samples(rows[0], rows[1], a=a, b=b)
    return Comparison(
        protocol=protocols[0],
        compat=(found[0]["compat"], found[1]["compat"]),
        splits=_splits(found[0]["splits"], found[1]["splits"]),
        num_samples=len(rows[0]),
        moved=_moved(runs, rows[0], rows[1]),
    )


def as_text(found: Comparison, *, a: Path, b: Path, num_shown: int) -> str:
    """What `tgs compare` prints: a table of splits, then the `num_shown` samples that moved most."""
    lines = [f"protocol {found.protocol}"]
    lines += [
        f"{name}  {path}, compat {summary(compat)}"
        for name, path, compat in zip("AB", (a, b), found.compat, strict=True)
    ]
    lines.append(f"{'split':16} {'metric':20} {'A':>9} {'B':>9} {'B - A':>9}")
    for split, metrics in found.splits.items():
        for metric, pair in metrics.items():
            shown = (_number(pair["a"]), _number(pair["b"]), _signed(pair["change"]))
            lines.append(f"{split:16} {metric:20} " + " ".join(f"{text:>9}" for text in shown))
    lines.append(f"{len(found.moved)} of {found.num_samples} samples moved" + (":" if found.moved else ""))
    for one in found.moved[:num_shown]:
        values = f"{one.metric} {_number(one.a)} -> {_number(one.b)}  {_signed(one.change)}"
        lines.append(f"  {values}  {one.uid} (row {one.row}, {one.split}), differs since {one.since}")
    left = len(found.moved) - num_shown
    return "\n".join(lines + ([f"  ... and {left} more (--top, --json)"] if left > 0 else []))


def workspace_in(folder: Path) -> Workspace:
    """The artifacts of a run: `folder` itself, or the folder `artifacts` in it."""
    inner = folder / "artifacts"
    return Workspace(artifacts=inner if (inner / "score").is_dir() else folder, dataset=inner / "dataset")


def _scores(run: Workspace) -> dict[Id, dict]:
    columns = ["uid", "row", "split", "is_null", "JF", "S"]
    return {(row["uid"], row["row"]): row for row in read_rows(run.scores, scores.SCHEMA, columns=columns)}


def _check_samples(a_rows: dict[Id, dict], b_rows: dict[Id, dict], *, a: Path, b: Path) -> None:
    """ValueError where one run has a sample that the other lacks, or has it in another split."""
    problems = []
    for folder, own, other in ((a, a_rows, b_rows), (b, b_rows, a_rows)):
        if only := sorted(own.keys() - other.keys()):
            named = ", ".join(f"{uid} (row {row})" for uid, row in only[:NUM_NAMED])
            problems.append(f"{len(only)} only in {folder}: {named}" + (", ..." if len(only) > NUM_NAMED else ""))
    same = sorted(a_rows.keys() & b_rows.keys())
    elsewhere = [one for one in same if a_rows[one]["split"] != b_rows[one]["split"]]
    problems += [
        f"{uid} (row {row}) is of {a_rows[uid, row]['split']} in {a} and of {b_rows[uid, row]['split']} in {b}"
        for uid, row in elsewhere[:NUM_NAMED]
    ]
    if problems:
        raise ValueError(f"{a} and {b} are runs on different samples: " + "; ".join(problems))


def _splits(a: dict, b: dict) -> dict[str, dict[str, Pair]]:
    return {
        split: {
            metric: _pair(a.get(split, {}).get(metric), b.get(split, {}).get(metric))
            for metric in dict.fromkeys([*a.get(split, {}), *b.get(split, {})])
        }
        for split in dict.fromkeys([*a, *b])
    }


def _pair(a: float | int | None, b: float | int | None) -> Pair:
    return {"a": a, "b": b, "change": None if a is None or b is None else b - a}


def _moved(runs: Sequence[Workspace], a_rows: dict[Id, dict], b_rows: dict[Id, dict]) -> list[Moved]:
    """The samples whose score differs: first those that one run alone could score, then by size of the change."""
    changes = {}
    for one, row in a_rows.items():
        metric = "S" if row["is_null"] else "JF"
        pair = _pair(row[metric], b_rows[one][metric])
        if (pair["a"] is None) != (pair["b"] is None) or abs(pair["change"] or 0) > EPSILON:
            changes[one] = (metric, pair)
    since = _since(runs, set(changes))
    moved = [
        Moved(one[0], one[1], a_rows[one]["split"], metric, pair["a"], pair["b"], pair["change"], since[one])
        for one, (metric, pair) in changes.items()
    ]
    return sorted(moved, key=lambda one: (one.change is not None, -abs(one.change or 0), one.uid, one.row))


def _since(runs: Sequence[Workspace], ids: set[Id]) -> dict[Id, str]:
    """The first stage at which each of these samples differs; stages whose artifact a run lacks cannot tell."""
    since = dict.fromkeys(ids, "score")
    for stage, (name, schema, columns) in reversed(STAGES.items()):
        paths = [getattr(run, name) for run in runs]
        if all(path.is_file() for path in paths):
            a, b = (_contents(path, schema, columns, ids) for path in paths)
            since |= {one: stage for one in ids if a.get(one) != b.get(one)}
    return since


def _contents(path: Path, schema: pa.Schema, columns: Sequence[str], ids: set[Id]) -> dict[Id, list[int]]:
    """What decides in the rows of each sample, as one hash for each row."""
    found: dict[Id, list[int]] = {}
    for row in _rows_of(path, schema, columns, ids):
        found.setdefault((row["uid"], row["row"]), []).append(hash(tuple(map(_hashable, map(row.get, columns)))))
    return found


def _rows_of(path: Path, schema: pa.Schema, columns: Sequence[str], ids: set[Id]) -> Iterator[dict]:
    for row in read_rows(path, schema, columns=["uid", "row", *columns]):
        if (row["uid"], row["row"]) in ids:
            yield row


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def _signed(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:+d}" if isinstance(value, int) else f"{value:+.4f}"
