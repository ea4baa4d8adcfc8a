"""features: what the frozen encoders see and hear in each video, as Arrow IPC shards, and its sound tags in Parquet.

The tags of another tagger, where one is asked, are a file of the same columns; those of seconds are one of their own.
"""

import pyarrow as pa

from tgs_pipeline.artifacts.table import field

SCHEMA = pa.schema(
    [
        field("vid", pa.string(), "video id"),
        field("key", pa.string(), "content key of the row: changes when media, encoders or their settings change"),
        field("visual", pa.large_binary(), "float16 (frames, patches, dim), C order", nullable=True),
        field("visual_shape", pa.list_(pa.int32()), "shape of `visual`", nullable=True),
        field(
            "audio",
            pa.large_binary(),
            "float16 (segments, patches, dim), C order; null where the video has no sound",
            nullable=True,
        ),
        field("audio_shape", pa.list_(pa.int32()), "shape of `audio`", nullable=True),
        field("status", pa.string(), "ok | failed"),
        field("reason", pa.string(), "why it failed", nullable=True),
    ]
)

AUDIO_TAGS = pa.schema(
    [
        field("vid", pa.string(), "video id"),
        field("label", pa.string(), "sound class of the tagger (AudioSet id for the original BEATs)"),
        field("score", pa.float32(), "probability of the class over the clip, 0..1"),
    ]
)

SECOND_TAGS = pa.schema(
    [
        field("vid", pa.string(), "video id"),
        field("second", pa.int32(), "of the sound, counted from 0; the last one may be cut short"),
        field("label", pa.string(), "sound class of the tagger, as in audio_tags"),
        field("score", pa.float32(), "probability of the class in this second, 0..1"),
    ]
)
