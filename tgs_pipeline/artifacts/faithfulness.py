"""faithfulness: one row for each intervention on a sample, with the answer before and after it.

Answers are names of objects (`s_object`), or `null` where the thinker says that nothing is referred to.
"""

import pyarrow as pa

from tgs_pipeline.artifacts.table import field

SCHEMA = pa.schema(
    [
        field("uid", pa.string(), "unique id of the reference"),
        field("row", pa.int32(), "data row in the CSV"),
        field("vid", pa.string(), "video id of the sample"),
        field("split", pa.string(), "split"),
        field("reference", pa.string(), "referring expression, verbatim"),
        field("intervention", pa.string(), "what was done, see metrics/faithfulness.py"),
        field("detail", pa.string(), "the edited fact, or the uid of the sample that gave a chain, scene or medium"),
        field("forced", pa.string(), "the text with which the reply had to begin; empty for none"),
        field("visual_vid", pa.string(), "video whose frames were given"),
        field("audio_vid", pa.string(), "video whose sound was given"),
        field("original", pa.string(), "the answer without intervention"),
        field("expected", pa.string(), "the answer that would follow; null where it is not known", nullable=True),
        field(
            "should_change",
            pa.bool_(),
            "swapped media: whether the right answer changes; null where it is not known, or something is forced",
            nullable=True,
        ),
        field("answer", pa.string(), "the answer after the intervention; null where none can be read", nullable=True),
        field("follows", pa.bool_(), "the answer is the expected one; null where none is known", nullable=True),
        field("changes", pa.bool_(), "the answer is another than the original; null where none is read", nullable=True),
        field("raw", pa.string(), "the reply, with the forced beginning", nullable=True),
        field("status", pa.string(), "ok | malformed | truncated | failed (counted in no rate)"),
        field("reason", pa.string(), "why it is not ok, or what an ok reply lacks", nullable=True),
    ]
)
