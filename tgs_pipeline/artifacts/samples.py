"""samples: one row for each reference of the chosen splits, in CSV order. Paths are relative to the dataset.

A failed sample lists no frames, so later stages make no frame rows for it.
"""

import pyarrow as pa

from tgs_pipeline.artifacts.table import field

SCHEMA = pa.schema(
    [
        field("uid", pa.string(), "unique id of the reference in the benchmark; can repeat (UPSTREAM_FACTS 1.1)"),
        field("row", pa.int32(), "0-based data row in the CSV: (uid, row) is unique"),
        field("vid", pa.string(), "video id = uid without object and number; names the media folders"),
        field("split", pa.string(), "split of the benchmark: train, val, test_s, test_u, test_n"),
        field("reference", pa.string(), "referring expression, verbatim"),
        field("is_null", pa.bool_(), "the referred object does not exist in the clip"),
        field("frame_indices", pa.list_(pa.int32()), "indices of the frames present, ascending, usually 0..9"),
        field("frame_paths", pa.list_(pa.string()), "one for each frame index"),
        field("frame_hashes", pa.list_(pa.string()), "blake2b-128 of each frame file, hexadecimal"),
        field("height", pa.int32(), "frame height, px"),
        field("width", pa.int32(), "frame width, px"),
        field("num_frames", pa.int32(), "frames that the benchmark defines for the clip"),
        field("audio_path", pa.string(), "sound track; null where there is none", nullable=True),
        field("audio_hash", pa.string(), "blake2b-128 of the sound file", nullable=True),
        field(
            "mask_paths",
            pa.list_(pa.string()),
            "ground truth for each frame index (data/truth.py); null entries where there is none",
        ),
        field("mask_hashes", pa.list_(pa.string()), "blake2b-128 of each mask file, null where there is none"),
        field("status", pa.string(), "ok | failed"),
        field("reason", pa.string(), "why it failed", nullable=True),
    ]
)
