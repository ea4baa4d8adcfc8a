"""Instruction tuning: the published JSON of chains joined with the references of the split train."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tgs_pipeline.artifacts import samples
from tgs_pipeline.artifacts.table import read_rows
from tgs_pipeline.prompts.ref_thinker import PROMPTS, parse_reply
from tgs_pipeline.training.annotations import read_annotations

SPLIT = "train"
END = "</s>"

log = logging.getLogger(__name__)


def read_chains(path: Path) -> dict[str, str]:
    """Target text of each uid, from a JSON object {uid: {"output": text, ...}}; other keys are ignored."""
    items = read_annotations(path, dict, setting="corpus.instructions")
    chains: dict[str, str] = {}
    for uid, item in items.items():
        output = item.get("output") if isinstance(item, dict) else None
        if not isinstance(output, str) or not output.strip():
            raise ValueError(f"{path}, uid {uid!r}: expected an object with a text 'output', found {item!r:.80}")
        chains[uid] = output
    return chains


def instructions(
    path: Path, *, samples_path: Path, prompt: Literal["training", "inference"]
) -> Iterator[dict[str, str]]:
    """Rows of examples.SCHEMA without `part`, one for each usable sample of the split train.

    Chains are taken verbatim, as upstream does; how many cannot be read as a reply is logged. ValueError names the
    samples that have no chain.
    """
    chains = read_chains(path)
    make_prompt = PROMPTS[prompt]
    missing, unreadable = [], 0
    columns = ["uid", "vid", "split", "reference", "status"]
    for sample in read_rows(samples_path, samples.SCHEMA, columns=columns):
        if sample["split"] != SPLIT or sample["status"] != "ok":
            continue
        output = chains.get(sample["uid"])
        if output is None:
            missing.append(sample["uid"])
            continue
        unreadable += parse_reply(output, truncated=False).status != "ok"
        yield {
            "name": sample["uid"],
            "vid": sample["vid"],
            "prompt": make_prompt(sample["reference"]),
            "target": output + END,
        }
    if missing:
        raise ValueError(f"{path}: no chain for {len(missing)} samples of split {SPLIT}, first {missing[:3]}")
    if unreadable:
        log.warning("%s: %d chains cannot be read as a reply; they are trained on as they are", path, unreadable)
