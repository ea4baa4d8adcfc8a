"""Ref-YouTube-VOS, and Ref-DAVIS17 as ReferFormer converts it (UPSTREAM_FACTS 5.2, 5.3).

    <root>/meta_expressions/<split>/meta_expressions.json     train, valid, test; dataset.metadata: meta_expressions
    <root>/<split>/JPEGImages/<vid>/<frame>.jpg
    <root>/<split>/Annotations/<vid>/<frame>.png              PNG of labels, where expressions have an obj_id (train)

The expressions of `valid` list the videos of `test` too, which are left out: 202 remain. There is no sound.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tgs_pipeline.data import truth
from tgs_pipeline.data.expressions import FILE, Expression, read_expressions, read_videos, sample_of
from tgs_pipeline.data.sample import Sample

SPLITS = ("train", "valid", "test")


def read_samples(metadata: Path, *, splits: list[str]) -> Iterator[Sample]:
    """The samples of the chosen splits in the order of SPLITS and of the files; uids are <vid>_<exp_id>.

    metadata: the folder meta_expressions. ValueError names the file and the sample of the first mistake.
    """
    row = 0
    for split in SPLITS:
        if split not in splits:
            continue
        path = metadata / split / FILE
        for expression in read_expressions(path, without=_of_test(metadata, path) if split == "valid" else frozenset()):
            yield _sample(expression, split=split, row=row)
            row += 1


def _sample(expression: Expression, *, split: str, row: int) -> Sample:
    folder = PurePosixPath(split)
    masks: tuple[PurePosixPath, ...] = ()
    if expression.obj_id is not None:
        annotations = folder / "Annotations" / expression.vid
        masks = tuple(truth.labelled(annotations / f"{name}.png", expression.obj_id) for name in expression.frames)
    return sample_of(expression, folder=folder, row=row, masks=masks)


def _of_test(metadata: Path, valid: Path) -> frozenset[str]:
    """The videos of the split test; none where the ground truth of valid is published, as in Ref-DAVIS17."""
    path = metadata / "test" / FILE
    if path.is_file():
        return frozenset(read_videos(path))
    if any(expression.obj_id is None for expression in read_expressions(valid)):
        raise ValueError(
            f"{path}: no such file; {valid} lists the videos of valid and test, and this file says which are of test: "
            "put it there"
        )
    return frozenset()
