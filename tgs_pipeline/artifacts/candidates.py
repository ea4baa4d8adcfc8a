"""candidates: every box the detector proposed above the floor, for each distinct (frame, caption)."""

import pyarrow as pa

from tgs_pipeline.artifacts.table import field

SCHEMA = pa.schema(
    [
        field("key", pa.string(), "content key of the row"),
        field("frame_hash", pa.string(), "blake2b-128 of the frame file"),
        field("caption", pa.string(), "text as given to the detector: lower case, ends with a dot"),
        field("boxes_xyxy", pa.list_(pa.float32()), "4 numbers for each candidate, relative to the frame, 0..1"),
        field("scores", pa.list_(pa.float32()), "highest token probability of each candidate, 0..1"),
        field("query_index", pa.list_(pa.int32()), "decoder query of each candidate, ascending"),
        field("tokens", pa.list_(pa.string()), "word pieces of the caption, special tokens included"),
        field("token_scores", pa.list_(pa.float32()), "len(tokens) probabilities for each candidate, 0..1"),
        field("status", pa.string(), "ok | failed"),
        field("reason", pa.string(), "why it failed", nullable=True),
    ]
)
