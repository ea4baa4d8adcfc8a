"""Replay: recorded replies in the layout that AL-Ref-SAM 2 publishes, so that its runs repeat without a model.

    <folder>/cot_stage_1_outputs.json   {vid: "{'piano': 3, 'violin': 1}"}   objects, frames; in Python's spelling
    <folder>/cot_stage_2_outputs.json   {vid: {"piano": "2"}}, or {vid: "2"} where a video has one object (S4): the box

(UPSTREAM_FACTS 6.1). The files hold what the published code read in the replies, not the replies themselves; they are
told here in the form that was asked for, `['piano': 3, 'violin': 1]` and `[2]`, so that reading them takes the same way
as reading a model. A video without an object has no entry of its own in the second file.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tgs_pipeline.backends.multimodal.base import Answer, BadRequestError, Message, Subject
from tgs_pipeline.prompts.tasks import BOX, OBJECTS

FILES = {OBJECTS: "cot_stage_1_outputs.json", BOX: "cot_stage_2_outputs.json"}
MAX_FILE_BYTES = 64 * 2**20


class Replay:
    """Answers from the two files of `folder`; ValueError where they are not of this layout.

    digest: changes with their content.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        files = {task: _read(folder / name) for task, name in FILES.items()}
        digest = hashlib.blake2b(digest_size=16)
        for data in files.values():
            digest.update(hashlib.blake2b(data).digest())
        self.digest = digest.hexdigest()
        self._objects = _objects(folder / FILES[OBJECTS], _decode(folder / FILES[OBJECTS], files[OBJECTS]))
        self._boxes = _boxes(folder / FILES[BOX], _decode(folder / FILES[BOX], files[BOX]))

    def videos(self) -> list[str]:
        """The videos with a recorded list of objects, in the order of the file."""
        return list(self._objects)

    def boxes(self) -> list[Subject]:
        """What a box is recorded for, in the order of the file; `object_name` None where the video has one object."""
        return [Subject(BOX, vid, name) for vid, boxes in self._boxes.items() for name in boxes]

    def ask(self, messages: Sequence[Message], *, subject: Subject | None = None) -> Answer:
        """The reply recorded for the subject, whatever was asked; BadRequestError where there is none."""
        if subject is None or subject.task not in FILES:
            raise BadRequestError(f"{self._folder} answers {' and '.join(FILES)} only, not {subject}")
        if subject.task == OBJECTS:
            text = self._objects.get(subject.vid)
            reply = None if text is None else f"[{text.strip()[1:-1]}]"
        else:
            boxes = self._boxes.get(subject.vid, {})
            box = boxes.get(subject.object_name, boxes.get(None))
            reply = None if box is None else f"[{box}]"
        if reply is None:
            named = "" if subject.object_name is None else f", object {subject.object_name!r}"
            raise BadRequestError(
                f"{self._folder / FILES[subject.task]} holds no reply for video {subject.vid!r}{named}: "
                "record it, or ask a model"
            )
        return Answer(reply, prompt_tokens=0, completion_tokens=0)


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}); recordings are a folder with {', '.join(FILES.values())}"
        ) from None
    if size > MAX_FILE_BYTES:
        raise ValueError(f"{path}: {size} bytes, at most {MAX_FILE_BYTES} are read as a recording")
    return path.read_bytes()


def _decode(path: Path, data: bytes) -> Mapping[str, object]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected an object that maps videos to replies, found {type(content).__name__}")
    return content


def _objects(path: Path, content: Mapping[str, object]) -> dict[str, str]:
    """The spelled dictionary of each video, unread: prompts/ know what stands in it."""
    found = {}
    for vid, text in content.items():
        if not (isinstance(text, str) and text.strip()[:1] == "{" and text.strip()[-1:] == "}"):
            raise ValueError(f"{path}, video {vid!r}: expected a text such as \"{{'piano': 3}}\", found {text!r:.80}")
        found[vid] = text
    return found


def _boxes(path: Path, content: Mapping[str, object]) -> dict[str, dict[str | None, str]]:
    """The box of each object of each video; under None where the file does not name the object."""
    found: dict[str, dict[str | None, str]] = {}
    for vid, entry in content.items():
        boxes: dict[str | None, object] = {None: entry} if isinstance(entry, str) else {}
        if isinstance(entry, dict):
            boxes |= entry
        elif not isinstance(entry, str):
            raise ValueError(f"{path}, video {vid!r}: expected a box or boxes by object, found {entry!r:.80}")
        for name, box in boxes.items():
            if not (isinstance(box, str) and box.isascii() and box.isdecimal() and len(box) < 10):
                raise ValueError(f"{path}, video {vid!r}, {name or 'its object'}: expected a number, found {box!r:.80}")
        found[vid] = {name: str(box) for name, box in boxes.items()}
    return found
