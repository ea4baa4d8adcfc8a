"""Your own media: a CSV of references over clips without ground truth, as `tgs extract` and `tgs run` write them.

<root>/media/<vid>/frames/{0..9}.jpg, audio.wav
<root>/<metadata>                                    vid,exp and, if you like, split (else "media")
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tgs_pipeline.data.ref_avsbench import NUM_FRAMES
from tgs_pipeline.data.sample import Sample, check_name, check_reference, read_csv

DEFAULT_SPLIT = "media"


def read_samples(metadata: Path, *, splits: list[str]) -> Iterator[Sample]:
    """The samples of the chosen splits, in CSV order; uids are <vid>_<row>. ValueError names the first bad row."""
    for row, fields in read_csv(metadata, required=("vid", "exp")):
        split = fields.get("split", DEFAULT_SPLIT)
        if split not in splits:
            continue
        vid = check_name(fields["vid"], path=metadata, row=row)
        media = PurePosixPath("media") / vid
        yield Sample(
            uid=f"{vid}_{row}",
            row=row,
            vid=vid,
            split=split,
            reference=check_reference(fields["exp"], path=metadata, row=row),
            is_null=False,
            frames=tuple(media / "frames" / f"{index}.jpg" for index in range(NUM_FRAMES)),
            audio=(media / "audio.wav",),
            masks=(),
        )
