"""object_masks: beside the masks, that of each object with a name in each frame in which it sounds.

The masks hold the union of a sample's objects, in which the class of each is lost. An object without a row in a frame
is silent there, or has no mask.
"""

from pathlib import Path

import pyarrow as pa

from tgs_pipeline.artifacts.table import field
from tgs_pipeline.workspace import Workspace

SCHEMA = pa.schema(
    [
        field("uid", pa.string(), "unique id of the reference"),
        field("row", pa.int32(), "data row in the CSV"),
        field("frame_index", pa.int32(), "frame of the clip"),
        field("object", pa.string(), "name of the sounding object; in each frame they stand in the thinker's order"),
        field("height", pa.int32(), "mask height = frame height, px"),
        field("width", pa.int32(), "mask width = frame width, px"),
        field("rle", pa.binary(), "COCO run lengths (compressed counts) of the mask at frame size"),
    ]
)


def path_of(workspace: Workspace) -> Path:
    """The file; only where segment.mode is propagate."""
    return workspace.masks.with_name("objects.parquet")
