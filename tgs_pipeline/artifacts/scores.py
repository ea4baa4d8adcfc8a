"""scores: one row for each sample, by the protocol that the params name."""

import pyarrow as pa

from tgs_pipeline.artifacts.table import field

SCHEMA = pa.schema(
    [
        field("uid", pa.string(), "unique id of the reference"),
        field("row", pa.int32(), "data row in the CSV"),
        field("vid", pa.string(), "video id"),
        field("split", pa.string(), "split"),
        field("is_null", pa.bool_(), "a null sample is scored by S, any other by J and F"),
        field("J", pa.float64(), "region similarity, 0..1", nullable=True),
        field("F", pa.float64(), "F measure of the protocol, 0..1", nullable=True),
        field("JF", pa.float64(), "(J + F) / 2", nullable=True),
        field("S", pa.float64(), "null metric, 0..1, lower is better", nullable=True),
        field(
            "temporal_stability",
            pa.float64(),
            "0..1, higher is steadier, whatever the protocol (metrics/stability.py); null where no two frames follow",
            nullable=True,
        ),
        field("enters_late", pa.bool_(), "the object is out of view in the first frame scored, and in view later"),
        field("num_frames", pa.int32(), "frames scored"),
        field("num_frames_expected", pa.int32(), "frames that the benchmark defines"),
        field(
            "status",
            pa.string(),
            "ok | no_answer (scored as the worst) | partial (not scored: an object was not asked about) | "
            "failed (not scored) | repeated (not counted)",
        ),
        field("reason", pa.string(), "why it is not ok", nullable=True),
    ]
)
