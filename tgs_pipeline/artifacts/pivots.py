"""pivots: where ground.frames is not every, the pivot of each object in each window of each sample, beside the boxes.

The boxes hold one box for each frame; where a clip has several sounding objects, two of them can have the same pivot
frame, and here each has its own row.
"""

import pyarrow as pa

from tgs_pipeline.artifacts.table import field

RULES = {
    "pivot_score": "the frame and the box with the best score of the detector",
    "pivot_mllm": "a multimodal model chose the frame, and the box in it",
    "pivot_lbru": "the frame was chosen with the object's name, the box in it by a multimodal model",
    "pivot_first": "the first frame, and the box with the best score in it",
    "pivot_middle": "the same, of the middle frame",
    "pivot_last": "the same, of the last frame",
    "default_frame": "upstream's default where nothing is chosen in the whole clip: the best box of the first frame",
}
NOT_PIVOT = "not_pivot"
BOX_RULES = RULES | {NOT_PIVOT: "no box here: the pivot of the clip or window is another frame"}  # those in the boxes

SCHEMA = pa.schema(
    [
        field("uid", pa.string(), "unique id of the reference"),
        field("row", pa.int32(), "data row in the CSV"),
        field("object", pa.string(), "name of the sounding object; null where the sample is about one", nullable=True),
        field("window", pa.int32(), "number of the window in the clip, from 0"),
        field("frame_index", pa.int32(), "frame of the clip; null where none is chosen", nullable=True),
        field("box_xyxy_px", pa.list_(pa.float32()), "x0 y0 x1 y1 in frame pixels", nullable=True),
        field("score", pa.float32(), "detection score of the chosen candidate, 0..1", nullable=True),
        field("phrase", pa.string(), "words of the caption above text_threshold", nullable=True),
        field("query_index", pa.int32(), "decoder query of the chosen candidate", nullable=True),
        field("num_candidates", pa.int32(), "candidates above box_threshold in the frame"),
        field("rule", pa.string(), "who chose: " + "; ".join(f"{rule}: {why}" for rule, why in RULES.items())),
        field("status", pa.string(), "ok | no_box (nothing fits) | no_answer (replies cannot be read) | failed"),
        field("reason", pa.string(), "why there is no box, or what an ok choice lacks", nullable=True),
    ]
)
