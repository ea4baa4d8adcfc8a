"""A tiny benchmark, its samples and sound tags, and params that ask a local test server about them."""

import re
from pathlib import Path

import numpy as np
import yaml
from dataset_example import write_clip, write_metadata
from multimodal_server import KEY_NAME
from project import ROOT

from tgs_pipeline import params as pipeline_params
from tgs_pipeline.artifacts import features, table
from tgs_pipeline.operators import manifest
from tgs_pipeline.stage import execution_of, workspace_of

CLIPS = [f"clip{index}_0_10000" for index in range(3)]
THOUGHTS = "The expression asks for one thing. The video shows it. The audio contains its sound. So it is the {name}."


def rows_of(split="train"):
    """Four references to each clip: two dogs, a hair dryer, and nothing."""
    rows = []
    for vid in CLIPS:
        rows += [(vid, f"{vid}_dog_{number}", split, "3", f"The dog number {number} of {vid}.") for number in (1, 2)]
        rows.append((vid, f"{vid}_hair-dryer_1", split, "3", f"What blows in {vid}."))
        rows.append((vid, f"null_m-{vid}_null_1", split, "0", f"The cat of {vid}."))
    return rows


def write_project(folder: Path, base_url: str, *, rows=None, teacher=None, instruct=None, rewrite=None) -> Path:
    """Dataset, artifacts and params below `folder`, which must be the current one; returns the training params."""
    rows = rows or rows_of()
    root = folder / "dataset"
    for seed, vid in enumerate(CLIPS):
        for clip in (vid, f"null_m-{vid}"):
            write_clip(root, clip, fid=3 if clip == vid else 0, seed=seed)
    write_metadata(root / "metadata.csv", rows)
    data = yaml.safe_load((ROOT / "params.yaml").read_text())
    data["dataset"] |= {"tinyworld": None, "root": "dataset", "metadata": "metadata.csv", "splits": ["train"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(data))
    pipeline = pipeline_params.load(folder / "params.yaml")
    workspace = workspace_of(pipeline)
    manifest.run(pipeline, workspace, execution_of(pipeline, stage="manifest"))
    tags = [
        {"vid": vid, "label": label, "score": np.float32(score)}
        for vid in CLIPS
        for label, score in (("speech", 0.25), ("barking", 0.75))
    ]
    table.write(workspace.audio_tags, features.AUDIO_TAGS, [table.from_rows(tags, features.AUDIO_TAGS)])
    return write_params(folder, base_url, teacher=teacher, instruct=instruct, rewrite=rewrite)


def write_params(folder: Path, base_url: str, *, teacher=None, instruct=None, rewrite=None) -> Path:
    data = yaml.safe_load((ROOT / "training/teacher.yaml").read_text())
    data["teacher"] |= {
        "base_url": base_url, "api_key_env": KEY_NAME, "timeout_sec": 5, "max_retries": 1, "first_wait_sec": 0.01,
        "max_wait_sec": 1, "concurrency": 3, "max_attempts": 2, "replies_per_flush": 3,
    } | (teacher or {})  # fmt: skip
    data["instruct"] |= {"num_frames": 2, "think_words": {"min": 5, "max": 40}} | (instruct or {})
    data["rewrite"] |= {"references": "dataset/metadata.csv", "splits": ["train"]} | (rewrite or {})
    path = folder / "training.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def write_chain(question: str, **changes) -> str:
    """What a perfect teacher answers to a question of `instruct`, from the question alone."""
    name = re.search(r"^Object, by its simple name: (.+)$", question, re.MULTILINE)
    bbox = re.search(r"^Box line, to be copied: (.+)$", question, re.MULTILINE)[1]
    name = name[1] if name else "null"
    fields = {"s_object": name, "f_object": "null" if name == "null" else f"the small {name}", "bbox": bbox} | changes
    return (
        f"<think>\n{THOUGHTS.format(name=name)}\n</think>\n<answer>\n<f_object> {fields['f_object']} </f_object>\n"
        f"<s_object> {fields['s_object']} </s_object>\n{fields['bbox']}\n</answer>"
    )
