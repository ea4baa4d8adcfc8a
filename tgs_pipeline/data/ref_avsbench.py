"""Ref-AVSBench and R2-AVSBench: one CSV of references over media/, media_cross/ and gt_mask/ (UPSTREAM_FACTS 1.1, 1.2).

    <root>/media/<vid>/frames/{0..9}.jpg, audio.wav      10 frames at 1 fps and 10 s of sound
    <root>/media_cross/<null vid>/audio.wav              another clip's sound, for null references
    <root>/gt_mask/<vid>/fid_<fid>/0000{0..9}.png        8-bit, foreground > 0
    <root>/metadata.csv                                  vid,uid,split,fid,exp

Quirks that are handled here: the column `vid` is ignored, `uid.rsplit('_', 2)[0]` names the folders; null uids keep
their prefix; uids repeat, so (uid, row) is the key (trap T6); rows of the split TODO belong to no split.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tgs_pipeline.data.sample import Sample, check_name, check_reference, read_csv

NUM_FRAMES = 10
COLUMNS = ("vid", "uid", "split", "fid", "exp")
NULL_PREFIX = "null_"
UNASSIGNED_SPLIT = "TODO"


def read_samples(metadata: Path, *, splits: list[str]) -> Iterator[Sample]:
    """The samples of the chosen splits, in CSV order; ValueError names the file and row of the first bad row."""
    for row, fields in read_csv(metadata, required=COLUMNS):
        if fields["split"] in splits:
            yield _sample(fields, row=row, path=metadata)


def summarise(metadata: Path) -> dict[str, int]:
    """Counts of everything unusual in a metadata file, every row of every split being read and checked."""
    counts: Counter[str] = Counter()
    uids: Counter[str] = Counter()
    tracks: dict[tuple[str, str], set[str]] = {}
    for row, fields in read_csv(metadata, required=COLUMNS):
        sample = _sample(fields, row=row, path=metadata)
        uids[sample.uid] += 1
        counts["rows"] += 1
        counts[f"rows of split {sample.split}"] += 1
        counts["null references"] += sample.is_null
        counts["rows whose vid column differs from the uid's"] += fields["vid"] != sample.vid
        counts["references with leading or trailing space"] += fields["exp"] != fields["exp"].strip()
        counts["references without a final dot"] += not fields["exp"].rstrip().endswith(".")
        counts["references with characters outside ASCII"] += not fields["exp"].isascii()
        counts["references that are error messages"] += fields["exp"].lstrip().lower().startswith("[error]")
        tracks.setdefault((sample.vid, sample.uid.rsplit("_", 2)[1]), set()).add(fields["fid"])
    counts["rows that repeat the uid of an earlier row"] = counts["rows"] - len(uids)
    counts["objects with several mask tracks"] = sum(len(fids) > 1 for fids in tracks.values())
    counts[f"rows ignored because their split is {UNASSIGNED_SPLIT}"] = counts[f"rows of split {UNASSIGNED_SPLIT}"]
    return dict(sorted(counts.items()))


def _sample(fields: dict[str, str], *, row: int, path: Path) -> Sample:
    uid = check_name(fields["uid"], path=path, row=row)
    if uid.count("_") < 2:
        raise ValueError(f"{path}, data row {row}: uid {uid!r} is not <vid>_<object>_<number>")
    if not re.fullmatch(r"[0-9]{1,4}", fields["fid"]):
        raise ValueError(f"{path}, data row {row}: fid of {uid} is {fields['fid']!r}, expected a number from 0 to 9999")
    vid = uid.rsplit("_", 2)[0]
    is_null = uid.startswith(NULL_PREFIX)
    media, masks = PurePosixPath("media") / vid, PurePosixPath("gt_mask") / vid / f"fid_{int(fields['fid'])}"
    cross = (PurePosixPath("media_cross") / vid / "audio.wav",) if is_null else ()
    return Sample(
        uid=uid,
        row=row,
        vid=vid,
        split=fields["split"],
        reference=check_reference(fields["exp"], path=path, row=row),
        is_null=is_null,
        frames=tuple(media / "frames" / f"{index}.jpg" for index in range(NUM_FRAMES)),
        audio=(*cross, media / "audio.wav"),
        masks=tuple(masks / f"{index:05d}.png" for index in range(NUM_FRAMES)),
    )
