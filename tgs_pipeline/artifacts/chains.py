"""chains: what the thinker said about each reference."""

import pyarrow as pa

from tgs_pipeline.artifacts.table import field

SCHEMA = pa.schema(
    [
        field("uid", pa.string(), "unique id of the reference"),
        field("row", pa.int32(), "data row in the CSV"),
        field("vid", pa.string(), "video id"),
        field("split", pa.string(), "split"),
        field("reference", pa.string(), "referring expression, verbatim"),
        field("think", pa.string(), "reasoning chain", nullable=True),
        field("f_object", pa.string(), "fine-grained description of the object", nullable=True),
        field(
            "s_object",
            pa.string(),
            "simple name of the object; null where the thinker says nothing is referred to",
            nullable=True,
        ),
        field(
            "null_probability",
            pa.float32(),
            "probability of `null` at the first token of s_object, 0..1, to 4 decimals; null for thinkers without one",
            nullable=True,
        ),
        field("raw", pa.string(), "the reply as generated", nullable=True),
        field("num_tokens", pa.int32(), "generated tokens, 0 for thinkers that generate none"),
        field(
            "status",
            pa.string(),
            "ok | malformed (f_object or s_object cannot be read) | truncated (the same, cut at the cap) | failed",
        ),
        field("reason", pa.string(), "why it is not ok, or what an ok reply lacks", nullable=True),
    ]
)
