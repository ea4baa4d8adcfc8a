"""masks: the predicted mask and score map of each frame of each sample."""

import pyarrow as pa

from tgs_pipeline.artifacts.table import field

SCHEMA = pa.schema(
    [
        field("uid", pa.string(), "unique id of the reference"),
        field("row", pa.int32(), "data row in the CSV"),
        field("frame_index", pa.int32(), "frame of the clip"),
        field("height", pa.int32(), "mask height = frame height, px"),
        field("width", pa.int32(), "mask width = frame width, px"),
        field("rle", pa.binary(), "COCO run lengths (compressed counts) of the mask at frame size"),
        field(
            "levels",
            pa.binary(),
            "score map (metrics/levels.py): zlib of levels uint8 (levels_size, levels_size) and bits; null = all zero",
            nullable=True,
        ),
        field("levels_size", pa.int32(), "side of the score map, px"),
        field(
            "predicted_iou",
            pa.float32(),
            "the segmenter's own estimate of IoU, 0..1; null where propagated",
            nullable=True,
        ),
        field(
            "status",
            pa.string(),
            "ok | the status of the box where there is none | partial (of the objects that were found; another one was "
            "not asked about) | silent | failed",
        ),
        field("reason", pa.string(), "why the mask is empty, partial or failed", nullable=True),
    ]
)
