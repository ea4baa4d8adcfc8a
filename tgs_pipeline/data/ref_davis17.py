"""Ref-DAVIS17 as it is published: DAVIS 2017 beside four files of sentences (UPSTREAM_FACTS 5.2).

    <root>/davis_text_annotations/Davis17_annot{1,2}.txt, Davis17_annot{1,2}_full_video.txt    dataset.metadata
    <root>/DAVIS/ImageSets/2017/{train,val}.txt                          names of videos; splits train, val
    <root>/DAVIS/JPEGImages/480p/<vid>/<frame>.jpg
    <root>/DAVIS/Annotations_unsupervised/480p/<vid>/<frame>.png         PNG of labels, 255 is void

A line of a text file is `<vid> <obj_id> "<sentence>"`. Expression 4 * k + a is annotation a of the k-th object: 0 first
frame and 1 full video by annotator 1, 2 and 3 the same by annotator 2. There is no sound. The layout that ReferFormer
converts this to is read by the adapter `ref_youtube_vos`.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tgs_pipeline.data import truth
from tgs_pipeline.data.sample import Sample, check_name, check_reference

SPLITS = ("train", "val")
# The files of annotator 2 are in Latin-1.
TEXTS = (
    ("Davis17_annot1.txt", "utf-8"),
    ("Davis17_annot1_full_video.txt", "utf-8"),
    ("Davis17_annot2.txt", "latin-1"),
    ("Davis17_annot2_full_video.txt", "latin-1"),
)
NUM_ANNOTATIONS = len(TEXTS)
MISSPELT = {"clasic-car": "classic-car", "dog-scale": "dogs-scale", "motor-bike": "motorbike"}

Sentences = dict[str, dict[int, str]]  # by video and label of the object


def read_samples(metadata: Path, *, splits: list[str]) -> Iterator[Sample]:
    """The samples of the chosen splits, video by video; uids are <vid>_<number of the expression>.

    metadata: the folder davis_text_annotations. ValueError names the file and the sample of the first mistake.
    """
    root = metadata.parent
    texts = [read_sentences(metadata / name, encoding=encoding) for name, encoding in TEXTS]
    row = 0
    for split in SPLITS:
        if split not in splits:
            continue
        for vid in _videos(root / "DAVIS" / "ImageSets" / "2017" / f"{split}.txt"):
            frames = _frames(root, vid)
            for number, (obj_id, reference) in enumerate(_expressions(vid, texts, metadata)):
                yield _sample(vid, number, obj_id=obj_id, reference=reference, frames=frames, split=split, row=row)
                row += 1


def read_sentences(path: Path, *, encoding: str) -> Sentences:
    """The sentences of one file; ValueError names the line that is not one, or that repeats an object."""
    found: Sentences = {}
    for number, line in enumerate(_lines(path, encoding=encoding), start=1):
        vid, obj_id, text = [*line.split(maxsplit=2), "", "", ""][:3]
        vid = check_name(MISSPELT.get(vid, vid), path=path, row=number - 1)
        if not (obj_id.isascii() and obj_id.isdigit() and 0 < int(obj_id) < truth.FOREGROUND):
            raise ValueError(f'{path}, line {number}: object {obj_id!r} of {vid}: expected <vid> <obj_id> "<sentence>"')
        if int(obj_id) in found.setdefault(vid, {}):
            raise ValueError(f"{path}, line {number}: a second sentence for object {obj_id} of {vid}; keep one")
        # Upstream joins words by one space and cuts the first and the last character, which are quotation marks.
        sentence = " ".join(text.split())[1:-1]
        found[vid][int(obj_id)] = check_reference(sentence, path=path, row=number - 1)
    return found


def _expressions(vid: str, texts: list[Sentences], metadata: Path) -> Iterator[tuple[int, str]]:
    """(label, sentence) of each expression of a video; the objects are in the order of their labels as text."""
    objects = [sorted(text.get(vid, {}), key=str) for text in texts]
    for (name, _), found in zip(TEXTS, objects, strict=True):
        if not found or found != objects[0]:
            raise ValueError(
                f"{metadata / name}: describes objects {found} of {vid}, but {TEXTS[0][0]} describes {objects[0]}; "
                "fetch the files again"
            )
    for obj_id in objects[0]:
        yield from ((obj_id, text[vid][obj_id]) for text in texts)


def _sample(vid: str, number: int, *, obj_id: int, reference: str, frames: list[str], split: str, row: int) -> Sample:
    davis = PurePosixPath("DAVIS")
    return Sample(
        uid=f"{vid}_{number}",
        row=row,
        vid=vid,
        split=split,
        reference=reference,
        is_null=False,
        frames=tuple(davis / "JPEGImages" / "480p" / vid / f"{name}.jpg" for name in frames),
        audio=(),
        masks=tuple(
            truth.labelled(davis / "Annotations_unsupervised" / "480p" / vid / f"{name}.png", obj_id) for name in frames
        ),
    )


def _videos(path: Path) -> list[str]:
    names = [check_name(line.strip(), path=path, row=row) for row, line in enumerate(_lines(path, encoding="utf-8"))]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{path}: {repeated[0]} stands twice; keep one")
    return names


def _frames(root: Path, vid: str) -> list[str]:
    folder = root / "DAVIS" / "JPEGImages" / "480p" / vid
    names = sorted(file.stem for file in folder.glob("*.jpg"))
    if not names:
        raise ValueError(f"{folder}: holds no frame of {vid}; unpack DAVIS-2017-Unsupervised-trainval-480p.zip here")
    return names


def _lines(path: Path, *, encoding: str) -> list[str]:
    """The lines of a text file that are not blank."""
    try:
        return [line for line in path.read_text(encoding=encoding).splitlines() if line.strip()]
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; check dataset.root and dataset.metadata in params.yaml") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not {encoding} ({error.reason}); fetch it again") from None
