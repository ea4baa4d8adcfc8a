"""Made-up features and corpora."""

import numpy as np
import pyarrow as pa

from tgs_pipeline.artifacts import features, table
from tgs_pipeline.training.examples import SCHEMA


def write_features(folder, arrays):
    """arrays: vid -> (visual, audio), None for a modality that the video lacks; None alone for a failed one."""
    folder.mkdir(parents=True, exist_ok=True)
    with pa.ipc.new_file(folder / "features-00000.arrow", features.SCHEMA) as writer:
        for vid, found in arrays.items():
            row = dict.fromkeys(features.SCHEMA.names) | {"vid": vid, "key": f"key of {vid}", "status": "ok"}
            if found is None:
                row |= {"status": "failed", "reason": "broken file"}
            else:
                for name, array in zip(("visual", "audio"), found, strict=True):
                    if array is not None:
                        row |= {name: array.astype(np.float16).tobytes(), f"{name}_shape": array.shape}
            writer.write_batch(pa.RecordBatch.from_pylist([row], schema=features.SCHEMA))
    return folder


def write_corpus(path, rows):
    table.write(path, SCHEMA, [table.from_rows(rows, SCHEMA)])
    return path
