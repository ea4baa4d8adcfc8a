"""Expressions about videos, in the JSON form of Ref-YouTube-VOS that MeViS and converted Ref-DAVIS17 share.

{"videos": {<vid>: {"expressions": {<exp_id>: {"exp": <sentence>, ...}}, "frames": [<frame>, ...]}}}
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tgs_pipeline.data.sample import SAFE_NAME, Sample, check_reference

FILE = "meta_expressions.json"
MAX_JSON_BYTES = 2**28


@dataclass(frozen=True)
class Expression:
    """One sentence about one video. frames: names without suffix, in the order of the file.

    obj_id: the label of the object in the masks (Ref-YouTube-VOS, Ref-DAVIS17); anno_ids: its annotations (MeViS). Both
    are absent where the ground truth is not published.
    """

    vid: str
    exp_id: str
    reference: str
    frames: tuple[str, ...]
    obj_id: int | None
    anno_ids: tuple[int, ...]


def read_videos(path: Path) -> dict[str, Any]:
    """The content of `videos`; ValueError where the file is missing, truncated, of another form or repeats a name."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ValueError(f"{path}: larger than {MAX_JSON_BYTES} bytes, which no file of expressions is")
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=lambda pairs: _unique(pairs, path))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; check dataset.root, metadata and splits in params.yaml") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error.reason}); fetch it again") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not valid JSON ({error}); fetch it again") from None
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, dict):
        raise ValueError(f"{path}: expected an object with `videos`, as in {FILE} of Ref-YouTube-VOS")
    return videos


def read_expressions(path: Path, *, without: frozenset[str] = frozenset()) -> Iterator[Expression]:
    """The expressions of a file, in its order; without: videos to leave out. ValueError names the first bad one."""
    for vid, video in read_videos(path).items():
        if vid in without:
            continue
        _check(isinstance(video, dict), path, vid, "is no object")
        _check_name(vid, path, vid)
        frames, expressions = video.get("frames"), video.get("expressions")
        _check(isinstance(frames, list) and bool(frames), path, vid, "has no list of `frames`")
        _check(isinstance(expressions, dict) and bool(expressions), path, vid, "has no `expressions`")
        for name in frames:
            _check_name(name, path, vid)
        _check(len(set(frames)) == len(frames), path, vid, "names a frame twice")
        for exp_id, fields in expressions.items():
            _check_name(exp_id, path, vid)
            yield _expression(vid, exp_id, fields, frames=tuple(frames), path=path)


def sample_of(expression: Expression, *, folder: PurePosixPath, row: int, masks: tuple[PurePosixPath, ...]) -> Sample:
    """The sample of an expression, without sound.

    folder: of its split, that holds JPEGImages; its name is that of the split. masks: one for each frame, or none.
    """
    return Sample(
        uid=f"{expression.vid}_{expression.exp_id}",
        row=row,
        vid=expression.vid,
        split=folder.name,
        reference=expression.reference,
        is_null=False,
        frames=tuple(folder / "JPEGImages" / expression.vid / f"{name}.jpg" for name in expression.frames),
        audio=(),
        masks=masks,
    )


def _expression(vid: str, exp_id: str, fields: Any, *, frames: tuple[str, ...], path: Path) -> Expression:  # noqa: ANN401
    sample = f"{vid}, expression {exp_id}"
    _check(isinstance(fields, dict) and isinstance(fields.get("exp"), str), path, sample, "has no sentence `exp`")
    obj_id = fields.get("obj_id")
    if isinstance(obj_id, str | int):
        _check(str(obj_id).isascii() and str(obj_id).isdigit() and 0 < int(obj_id) < 255, path, sample,
               f"has obj_id {obj_id!r}, expected a label from 1 to 254")  # fmt: skip
    anno_ids = fields.get("anno_id", [])
    well_formed = isinstance(anno_ids, list) and all(isinstance(one, int) and one >= 0 for one in anno_ids)
    _check(well_formed, path, sample, f"has anno_id {anno_ids!r}, expected a list of numbers")
    try:
        reference = check_reference(fields["exp"], path=path, row=0)
    except ValueError as error:
        raise ValueError(f"{path}, {sample}: {str(error).partition(': ')[2]}") from None
    return Expression(
        vid=vid,
        exp_id=exp_id,
        reference=reference,
        frames=frames,
        obj_id=int(obj_id) if isinstance(obj_id, str | int) else None,
        anno_ids=tuple(anno_ids),
    )


def _check(holds: bool, path: Path, sample: str, problem: str) -> None:
    if not holds:
        raise ValueError(f"{path}, {sample}: {problem}; fetch the file again, or correct it")


def _check_name(name: object, path: Path, sample: str) -> None:
    _check(
        isinstance(name, str) and SAFE_NAME.fullmatch(name) is not None,
        path,
        sample,
        f"{name!r} is no valid name; names build paths: up to 200 letters, digits, '_', '-'",
    )


def _unique(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{path}: {repeated!r} stands twice in one object; keep the right one")
    return found
