"""Recorded replies in the layout that AL-Ref-SAM 2 publishes, made for the tests."""

import json
from pathlib import Path

OBJECTS = {
    "v1": "{'dog': 2, 'man': 1}",
    "v2": "{'piano': 5}",
    "v3": "{}",
    "v4": "{'emergency-car': 3, 'emergency-car': 4}",
}
BOXES = {"v1": {"dog": "2"}, "v2": "3", "v3": {}}


def write_recordings(folder: Path, *, objects: object = OBJECTS, boxes: object = BOXES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cot_stage_1_outputs.json").write_text(json.dumps(objects))
    (folder / "cot_stage_2_outputs.json").write_text(json.dumps(boxes))
    return folder
