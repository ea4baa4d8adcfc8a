"""features: what the frozen encoders see and hear in each video, as Arrow IPC shards, and its sound tags in Parquet."""

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
