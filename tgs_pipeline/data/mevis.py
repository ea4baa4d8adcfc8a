"""MeViS: motion expressions, which may refer to several objects (UPSTREAM_FACTS 5.1).

    <root>/<split>/meta_expressions.json            train, valid_u, valid; dataset.metadata: "."
    <root>/<split>/mask_dict.json                   {<anno_id>: [COCO run lengths or null, ...]}; not for valid
    <root>/<split>/JPEGImages/<vid>/<frame>.jpg

The mask of an expression is the union of its annotations. There is no sound.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tgs_pipeline.data import truth
from tgs_pipeline.data.expressions import FILE, Expression, read_expressions, sample_of
from tgs_pipeline.data.sample import Sample

SPLITS = ("train", "valid_u", "valid")
MASKS = "mask_dict.json"


def read_samples(metadata: Path, *, splits: list[str]) -> Iterator[Sample]:
    """The samples of the chosen splits in the order of SPLITS and of the files; uids are <vid>_<exp_id>.

    metadata: the folder that holds the splits. ValueError names the file and the sample of the first mistake.
    """
    row = 0
    for split in SPLITS:
        if split in splits:
            for expression in read_expressions(metadata / split / FILE):
                yield _sample(expression, split=split, row=row)
                row += 1


def _sample(expression: Expression, *, split: str, row: int) -> Sample:
    folder = PurePosixPath(split)
    masks: tuple[PurePosixPath, ...] = ()
    if expression.anno_ids:
        masks = tuple(
            truth.annotated(folder / MASKS, expression.anno_ids, frame_index=index)
            for index in range(len(expression.frames))
        )
    return sample_of(expression, folder=folder, row=row, masks=masks)
