"""Caption corpora of projector pretraining: AudioCaps, Video-LLaVA, and the tiny world's own captions.

Each yields rows of examples.SCHEMA without `part`.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tgs_pipeline.models.qformer import Modality
from tgs_pipeline.prompts.pretraining import QUESTION, audio_prompt, end_sentence, target, visual_prompt
from tgs_pipeline.tinyworld.chains import describe_frames, describe_sound
from tgs_pipeline.tinyworld.clip import SPLITS, scenes_of
from tgs_pipeline.training.annotations import read_annotations

AUDIOCAPS_SKIPPED = "12347"  # upstream leaves this clip out (UPSTREAM_FACTS 2.9)


def audiocaps(path: Path) -> Iterator[dict[str, str]]:
    """Captions of a JSON list of {audiocap_id, start_time, caption}; the media key is the audiocap_id."""
    for number, item in enumerate(read_annotations(path, list, setting="`annotations`")):
        name = str(_get(item, "audiocap_id", path=path, number=number))
        if name == AUDIOCAPS_SKIPPED:
            continue
        caption = _text(_get(item, "caption", path=path, number=number), path=path, number=number)
        yield {"name": f"{path.name}:{number}", "vid": name, "prompt": audio_prompt(), "target": target(caption)}


def video_llava(path: Path) -> Iterator[dict[str, str]]:
    """First question and answer of each {image or video, conversations}; the media key is the path of the medium."""
    for number, item in enumerate(read_annotations(path, list, setting="`annotations`")):
        kinds = [kind for kind in ("image", "video") if kind in item]
        if len(kinds) != 1:
            raise ValueError(f"{path}, item {number}: expected either 'image' or 'video', found {sorted(item)}")
        turns = _get(item, "conversations", path=path, number=number)
        if not isinstance(turns, list) or len(turns) < 2:
            raise ValueError(f"{path}, item {number}: 'conversations' must hold a question and an answer")
        question, answer = (
            _text(_get(turn, "value", path=path, number=number), path=path, number=number) for turn in turns[:2]
        )
        yield {
            "name": f"{path.name}:{number}",
            "vid": _text(item[kinds[0]], path=path, number=number),
            "prompt": visual_prompt("image" if kinds == ["image"] else "video", question),
            "target": target(end_sentence(answer)),
        }


def tinyworld(modality: Modality, *, seed: int, num_clips: dict[str, int], splits: list[str]) -> Iterator[dict]:
    """A caption for each rendered clip of the splits and for its null variant, from their scenes."""
    for split in (name for name in SPLITS if name in splits):
        for index in range(num_clips[split]):
            for vid, scene in scenes_of(seed, split, index).items():
                rng = np.random.default_rng(list(hashlib.blake2b(f"{seed} {vid}".encode(), digest_size=16).digest()))
                frames, sound = describe_frames(rng, scene, sizes=True), describe_sound(rng, scene, numbered=False)
                prompt = visual_prompt("video", QUESTION) if modality == "visual" else audio_prompt()
                caption = frames if modality == "visual" else sound
                yield {"name": vid, "vid": vid, "prompt": prompt, "target": target(caption)}


def _get(item: Any, key: str, *, path: Path, number: int) -> Any:  # noqa: ANN401  # JSON
    if not isinstance(item, dict) or key not in item:
        raise ValueError(f"{path}, item {number}: expected an object with {key!r}, found {item!r:.80}")
    return item[key]


def _text(value: Any, *, path: Path, number: int) -> str:  # noqa: ANN401  # JSON
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{path}, item {number}: expected a text, found {value!r:.80}")
    return value
