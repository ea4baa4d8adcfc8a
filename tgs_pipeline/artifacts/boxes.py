"""boxes: the chosen box of each frame of each sample; a frame without a box says why."""

import pyarrow as pa

from tgs_pipeline.artifacts.table import field

SCHEMA = pa.schema(
    [
        field("uid", pa.string(), "unique id of the reference"),
        field("row", pa.int32(), "data row in the CSV"),
        field("frame_index", pa.int32(), "frame of the clip"),
        field(
            "box_xyxy_px",
            pa.list_(pa.float32()),
            "x0 y0 x1 y1 in frame pixels; null where nothing is chosen",
            nullable=True,
        ),
        field("score", pa.float32(), "detection score of the chosen candidate, 0..1", nullable=True),
        field("phrase", pa.string(), "words of the caption above text_threshold", nullable=True),
        field("query_index", pa.int32(), "decoder query of the chosen candidate", nullable=True),
        field("num_candidates", pa.int32(), "candidates above box_threshold"),
        field(
            "status",
            pa.string(),
            "ok | no_caption (the thinker abstained) | no_box (none above the threshold) | "
            "no_answer (reply malformed or truncated) | failed",
        ),
        field("reason", pa.string(), "why there is no box", nullable=True),
    ]
)
