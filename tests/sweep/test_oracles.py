import numpy as np
import pytest
from asked_example import chain, sample, workspace_in, write
from PIL import Image

from tgs_pipeline.artifacts import boxes, chains, samples, table
from tgs_pipeline.sweep import oracles

GONE = {"f_object": None, "status": "failed", "reason": "gone"}


@pytest.fixture
def workspace(tmp_path):
    """A dog in one of two frames at rows 8 to 15 and columns 16 to 31, a null sample, and a failed one."""
    place = workspace_in(tmp_path)
    place.dataset.mkdir()
    mask = np.zeros((32, 48), np.uint8)  # half the size of the frame
    Image.fromarray(mask).save(place.dataset / "gone.png")
    mask[8:16, 16:32] = 255
    Image.fromarray(mask).save(place.dataset / "seen.png")
    masks = {"mask_paths": ["seen.png", "gone.png"]}
    write(
        place,
        [
            (sample("v_hair-dryer_1", 0, frames=["f0", "f1"], **masks), chain("v_hair-dryer_1", 0, "dog")),
            (sample("null_m-v_null_1", 1, frames=["f0", "f1"], is_null=True), chain("null_m-v_null_1", 1, "cat")),
            (sample("v_dog_2", 2, frames=["f0", "f1"], **masks), chain("v_dog_2", 2, None)),
            (sample("v_dog_3", 3, frames=[], status="failed", reason="gone"), chain("v_dog_3", 3, None) | GONE),
        ],
    )
    return place


def test_true_names_come_from_the_uid(workspace):
    oracles.write_true_names(workspace)
    rows = list(table.read_rows(workspace.chains, chains.SCHEMA))
    assert [row["s_object"] for row in rows] == ["hair-dryer", None, "dog", None]
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "failed"] and rows[3]["reason"] == "gone"
    said = ["the brown guitar", None, "the brown guitar", None]  # as the thinker said, but of nothing
    assert [row["f_object"] for row in rows] == said


def test_true_boxes_replace_what_was_looked_for(workspace):
    found = []
    for sample_row in table.read_rows(workspace.samples, samples.SCHEMA):
        status = "no_caption" if sample_row["row"] == 2 else "ok"
        for index in sample_row["frame_indices"]:
            found.append(
                {
                    "uid": sample_row["uid"],
                    "row": sample_row["row"],
                    "frame_index": index,
                    "score": 0.5,
                    "phrase": "dog",
                }
                | {"box_xyxy_px": [0.0, 0.0, 1.0, 1.0] if status == "ok" else None, "query_index": 1}
                | {"num_candidates": 1, "rule": "s_object", "status": status, "reason": None}
            )
    table.write_rows(workspace.boxes, boxes.SCHEMA, found)
    workspace.pivots.write_bytes(b"of those boxes")
    oracles.write_true_boxes(workspace)
    assert not workspace.pivots.exists()
    rows = list(table.read_rows(workspace.boxes, boxes.SCHEMA))
    assert rows[0]["box_xyxy_px"] == [32, 16, 64, 32]  # twice the size of the mask
    assert [row["status"] for row in rows] == ["ok", "no_box", "no_box", "no_box", "no_caption", "no_caption"]
    assert [row["rule"] for row in rows] == ["oracle_box"] * 4 + ["s_object"] * 2
    assert rows[1]["reason"] == "the object is not in this frame" and rows[1]["box_xyxy_px"] is None
