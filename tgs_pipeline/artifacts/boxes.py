"""boxes: the chosen box of each frame of each sample; a frame without a box says why.

Rules of runs where ground.frames is not every, which have one box for each window, are those of artifacts/pivots.py.
"""

import pyarrow as pa

from tgs_pipeline.artifacts.table import field

RULES = {
    "s_object": "its candidates decided alone; every prompt but auto has the name of its caption here",
    "f_object": "the same, of the prompt f_object",
    "reference": "the same, of the prompt reference",
    "f_object_decides": "auto: s_object has several places in the frame, f_object chose between them",
    "undecided": "auto: the same, but f_object is absent or speaks for none of them",
    "fallback_f_object": "auto: s_object finds nothing in the clip, f_object was asked",
    "fallback_reference": "auto: the captions before find nothing in the clip, the reference was asked",
    "null_threshold": "abstention: the thinker's probability of null is above ground.null_threshold",
    "oracle_box": "ceiling of `tgs sweep`, no system: the box of the ground truth",
    "clip_threshold": "abstention: the best candidate of the clip is below ground.clip_threshold",
}

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
        field("rule", pa.string(), "what decided: " + "; ".join(f"{rule}: {why}" for rule, why in RULES.items())),
        field(
            "status",
            pa.string(),
            "ok | no_caption (the thinker abstained) | no_box (none above the thresholds) | "
            "no_answer (reply malformed or truncated) | failed | partial (nobody could be asked about one of several "
            "objects or windows; the boxes are those of the others)",
        ),
        field("reason", pa.string(), "why there is no box, or what an ok or partial choice lacks", nullable=True),
    ]
)
