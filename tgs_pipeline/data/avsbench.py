"""AVSBench: S4, MS3, and the two readings of AVSBench-semantic (UPSTREAM_FACTS 5.1, 6.1). Which object sounds?

    S4     <root>/s4_meta_data.csv      name, _, category, split, ...
           s4_data/visual_frames/<split>/<category>/<name>/<name>_{1..5}.png
           s4_data/gt_masks/<split>/<category>/<name>/<name>_{1..5}.png     in train only the first
           s4_data/audio_wav/<split>/<category>/<name>.wav
    MS3    <root>/ms3_meta_data.csv     name, ..., split
           ms3_data/visual_frames/<name>/<name>.mp4_{1..5}.png
           ms3_data/gt_masks/<split>/<name>/<name>_{1..5}.png
           ms3_data/audio_wav/<split>/<name>.wav
    semantic and V2-binary              <root>/metadata.csv     uid, label (v1s, v1m, v2), split, ...
           <label>/<uid>/frames/{i}.jpg, audio.wav, labels_rgb/{i}.png      10 frames if v2, else 5; in train v1s has
                                                                            only the first mask

There are no sentences: REFERENCE stands for what is asked. Any object of a colour mask is foreground: no colour of the
palette is so dark that its luma is 0. V2-binary is the rows labelled v2. Clips of S4, MS3 and v1 take five seconds.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tgs_pipeline.data.sample import Sample, check_name, read_csv

REFERENCE = "the object that is making the sound"
REFERENCE_TO_SEVERAL = "the objects that are making the sounds"
NUM_FRAMES = 5
NUM_FRAMES_OF_LABEL = {"v1s": 5, "v1m": 5, "v2": 10}

Rows = Iterator[tuple[int, dict[str, str]]]


def read_s4(metadata: Path, *, splits: list[str]) -> Iterator[Sample]:
    """Single sounding objects; uids are names. ValueError names the file and row of the first mistake."""
    data = PurePosixPath("s4_data")
    for row, fields in _rows(metadata, splits=splits, num_columns=3):
        columns = list(fields.values())
        name, category = (check_name(columns[place], path=metadata, row=row) for place in (0, 2))
        split = check_name(fields["split"], path=metadata, row=row)
        inside = PurePosixPath(split) / category
        masks = [data / "gt_masks" / inside / name / f"{name}_{index}.png" for index in range(1, NUM_FRAMES + 1)]
        yield _sample(
            name,
            row,
            split,
            REFERENCE,
            frames=[
                data / "visual_frames" / inside / name / f"{name}_{index}.png" for index in range(1, NUM_FRAMES + 1)
            ],
            audio=data / "audio_wav" / inside / f"{name}.wav",
            masks=_first(masks) if split == "train" else masks,
        )


def read_ms3(metadata: Path, *, splits: list[str]) -> Iterator[Sample]:
    """Several sounding objects; uids are names. Errors as in `read_s4`."""
    data = PurePosixPath("ms3_data")
    for row, fields in _rows(metadata, splits=splits, num_columns=1):
        name = check_name(next(iter(fields.values())), path=metadata, row=row)
        split = check_name(fields["split"], path=metadata, row=row)
        yield _sample(
            name,
            row,
            split,
            REFERENCE_TO_SEVERAL,
            frames=[data / "visual_frames" / name / f"{name}.mp4_{index}.png" for index in range(1, NUM_FRAMES + 1)],
            audio=data / "audio_wav" / split / f"{name}.wav",
            masks=[data / "gt_masks" / split / name / f"{name}_{index}.png" for index in range(1, NUM_FRAMES + 1)],
        )


def read_v2_binary(metadata: Path, *, splits: list[str]) -> Iterator[Sample]:
    """The clips of ten seconds of AVSBench-semantic (label v2): foreground and background. Errors as in `read_s4`."""
    return _read_semantic(metadata, splits=splits, labels=("v2",))


def read_semantic(metadata: Path, *, splits: list[str]) -> Iterator[Sample]:
    """All clips of AVSBench-semantic. Errors as in `read_s4`."""
    return _read_semantic(metadata, splits=splits, labels=tuple(NUM_FRAMES_OF_LABEL))


def _read_semantic(metadata: Path, *, splits: list[str], labels: tuple[str, ...]) -> Iterator[Sample]:
    for row, fields in _rows(metadata, splits=splits, num_columns=1, required=("uid", "label", "split")):
        label = fields["label"]
        if label not in NUM_FRAMES_OF_LABEL:
            raise ValueError(
                f"{metadata}, data row {row}: label {label!r} of {fields['uid']!r}, expected one of "
                f"{', '.join(NUM_FRAMES_OF_LABEL)}"
            )
        if label not in labels:
            continue
        uid = check_name(fields["uid"], path=metadata, row=row)
        clip = PurePosixPath(label) / uid
        indices = range(NUM_FRAMES_OF_LABEL[label])
        masks = [clip / "labels_rgb" / f"{index}.png" for index in indices]
        yield _sample(
            uid,
            row,
            fields["split"],
            REFERENCE_TO_SEVERAL,
            frames=[clip / "frames" / f"{index}.jpg" for index in indices],
            audio=clip / "audio.wav",
            masks=_first(masks) if (label, fields["split"]) == ("v1s", "train") else masks,
        )


def _rows(metadata: Path, *, splits: list[str], num_columns: int, required: tuple[str, ...] = ("split",)) -> Rows:
    """The rows of the chosen splits; ValueError where a name repeats or there are fewer than num_columns columns."""
    seen: dict[str, int] = {}
    for row, fields in read_csv(metadata, required=required):
        if fields["split"] not in splits:
            continue
        if len(fields) < num_columns:
            raise ValueError(f"{metadata}: {len(fields)} columns {list(fields)}, expected the category in the third")
        name = fields["uid"] if "uid" in required else next(iter(fields.values()))
        if name in seen:
            raise ValueError(f"{metadata}, data row {row}: {name!r} stands in row {seen[name]} already; keep one row")
        seen[name] = row
        yield row, fields


def _first(masks: list[PurePosixPath]) -> list[PurePosixPath | None]:
    """Only the first frame has ground truth."""
    return [masks[0], *[None] * (len(masks) - 1)]


def _sample(
    name: str, row: int, split: str, reference: str, *, frames: list[PurePosixPath], audio: PurePosixPath,
    masks: list[PurePosixPath] | list[PurePosixPath | None],
) -> Sample:  # fmt: skip
    return Sample(
        uid=name, row=row, vid=name, split=split, reference=reference, is_null=False, frames=tuple(frames),
        audio=(audio,), masks=tuple(masks),
    )  # fmt: skip
