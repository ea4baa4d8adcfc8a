"""Matching: when the objects of each clip sound, found out from its sound (`segment.matching`).

A clip is cut into sound-event segments (sounding/segments.py): recorded ones where a file tells them, else neighbouring
seconds with like tags. Which objects sound in each says the matcher of tags (sounding/objects.py), or an audio-text
model (sounding/comparing.py). Clips with fewer than two objects are not listened to: a single one is taken to sound all
the time, as upstream (UPSTREAM_FACTS 6.1, step 8). Inputs: samples, chains, second_tags, sounds of the dataset.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tgs_pipeline.artifacts import chains, features, samples, table
from tgs_pipeline.execution import Execution, StageError, first_reasons
from tgs_pipeline.params_choosing import AudioTextMatching, MatchingParams, TagMatching
from tgs_pipeline.prompts.objects import object_names
from tgs_pipeline.sounding import comparing
from tgs_pipeline.sounding.comparing import Question
from tgs_pipeline.sounding.labels import class_name, read_names
from tgs_pipeline.sounding.objects import heard_objects
from tgs_pipeline.sounding.recorded import Activity, plain_name
from tgs_pipeline.sounding.segments import Segment, activity, find_segments
from tgs_pipeline.workspace import Workspace

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Told:
    """When objects sound, by video, and why that is not known of some videos."""

    activities: Mapping[str, Activity]
    failures: Mapping[str, str]


@dataclass(frozen=True)
class Clip:
    """A clip with its objects, by plain name in the order of its samples; frame t shows second t of `num_sec`."""

    vid: str
    names: tuple[str, ...]
    num_sec: int
    audio_path: str | None
    audio_hash: str | None


@dataclass(frozen=True)
class SecondTags:
    """Tags of the seconds of a clip. scores: float32 (seconds, classes), 0 where a class is not among the best."""

    names: tuple[str, ...]
    scores: np.ndarray

    def of(self, segment: Segment) -> list[tuple[str, float]]:
        """The mean tags of a segment; of one that begins after the sound has ended, those of the last second."""
        start = min(segment.start_sec, len(self.scores) - 1)
        means = self.scores[start : max(segment.end_sec, start + 1)].mean(axis=0)
        return list(zip(self.names, means.tolist(), strict=True))


def match(
    settings: MatchingParams,
    workspace: Workspace,
    execution: Execution,
    *,
    recorded: Mapping[str, Sequence[Segment]],
    label_names: Path | None,
) -> Told:
    """When the objects of the clips with two or more of them sound.

    recorded: segments by video. label_names: file that names the tagger's classes, None where labels are names.
    StageError where more clips than runtime.max_failure_rate cannot be listened to; fewer are failures.
    """
    clips = read_clips(workspace)
    tags: Mapping[str, SecondTags] = {}
    if settings.by == "tags" or any(clip.vid not in recorded for clip in clips):
        tags = read_second_tags(workspace.second_tags, {clip.vid for clip in clips}, label_names=label_names)
    segments, failures = _segments(clips, recorded, tags, settings=settings)
    asked = [clip for clip in clips if clip.vid in segments]
    if isinstance(settings, TagMatching):
        heard = _by_tags(settings, asked, segments, tags)
    else:
        heard, failed = _by_audio_text(settings, asked, segments, workspace=workspace, execution=execution)
        failures |= failed
    if len(failures) > execution.max_failure_rate * len(clips):
        raise StageError(
            f"segment.matching: {len(failures)} of {len(clips)} clips cannot be listened to "
            f"(runtime.max_failure_rate is {execution.max_failure_rate}):\n{first_reasons([*failures.values()])}"
        )
    num_found = sum(vid not in recorded for vid in segments)
    what = "matching: %d clips with several objects, segments of %d found, %d failed"
    log.info(what, len(clips), num_found, len(failures))
    known = [clip for clip in asked if clip.vid in heard]
    return Told({clip.vid: _activity(clip, segments[clip.vid], heard[clip.vid]) for clip in known}, failures)


def read_clips(workspace: Workspace) -> list[Clip]:
    """The clips with two or more objects, in the order of their samples."""
    names: dict[str, dict[str, None]] = defaultdict(dict)
    for chain in table.read_rows(workspace.chains, chains.SCHEMA, columns=["vid", "s_object", "raw", "status"]):
        names[chain["vid"]] |= dict.fromkeys(plain_name(name) for name in object_names(chain))
    found: dict[str, Clip] = {}
    columns = ["vid", "frame_indices", "audio_path", "audio_hash", "status"]
    for sample in table.read_rows(workspace.samples, samples.SCHEMA, columns=columns):
        vid = sample["vid"]
        if sample["status"] == "failed" or vid in found or len(names.get(vid, ())) < 2:
            continue
        num_sec = max(sample["frame_indices"], default=-1) + 1
        found[vid] = Clip(vid, tuple(names[vid]), num_sec, sample["audio_path"], sample["audio_hash"])
    return list(found.values())


def read_second_tags(path: Path, vids: set[str], *, label_names: Path | None) -> dict[str, SecondTags]:
    """The tags of the seconds of some videos; ValueError where the stage features made none, or a class has no name."""
    if not path.exists():
        raise ValueError(
            f"{path} is missing, and segment.matching needs it where segment.sounding records no segments: set "
            "features.num_second_tags to the number of sound classes to keep for each second, and run `dvc repro`"
        )
    named = None if label_names is None else read_names(label_names)
    scores: dict[str, dict[tuple[int, str], float]] = defaultdict(dict)
    for row in table.read_rows(path, features.SECOND_TAGS):
        if row["vid"] in vids:
            scores[row["vid"]][row["second"], row["label"]] = row["score"]
    return {vid: _second_tags(found, named=named) for vid, found in scores.items()}


def _second_tags(scores: Mapping[tuple[int, str], float], *, named: Mapping[str, str] | None) -> SecondTags:
    labels = sorted({label for _, label in scores})
    place = {label: number for number, label in enumerate(labels)}
    scores_SK = np.zeros((max(second for second, _ in scores) + 1, len(labels)), np.float32)
    for (second, label), score in scores.items():
        scores_SK[second, place[label]] = score
    return SecondTags(tuple(class_name(label, named) for label in labels), scores_SK)


def _segments(
    clips: Sequence[Clip],
    recorded: Mapping[str, Sequence[Segment]],
    tags: Mapping[str, SecondTags],
    *,
    settings: MatchingParams,
) -> tuple[dict[str, Sequence[Segment]], dict[str, str]]:
    """The segments of clips, and why others have none."""
    segments: dict[str, Sequence[Segment]] = {}
    failures: dict[str, str] = {}
    for clip in clips:
        if clip.audio_path is None:
            failures[clip.vid] = f"video {clip.vid}: it has no sound track, so it is not known which object sounds when"
        elif clip.vid not in tags and (settings.by == "tags" or clip.vid not in recorded):
            failures[clip.vid] = f"video {clip.vid}: it has no tags of its seconds, see the stage features"
        elif clip.vid in recorded:
            segments[clip.vid] = recorded[clip.vid]
        else:
            try:
                segments[clip.vid] = find_segments(tags[clip.vid].scores, similarity=settings.similarity)
            except ValueError as error:
                failures[clip.vid] = f"video {clip.vid}: {error}"
    return segments, failures


_Heard = dict[str, list[list[str]]]  # by video: the objects that sound in each of its segments


def _by_tags(
    settings: TagMatching,
    clips: Sequence[Clip],
    segments: Mapping[str, Sequence[Segment]],
    tags: Mapping[str, SecondTags],
) -> _Heard:
    return {
        clip.vid: [
            heard_objects(
                clip.names,
                tags[clip.vid].of(segment),
                rival_share=settings.rival_share,
                min_score=settings.min_score,
            )
            for segment in segments[clip.vid]
        ]
        for clip in clips
    }


def _by_audio_text(
    settings: AudioTextMatching,
    clips: Sequence[Clip],
    segments: Mapping[str, Sequence[Segment]],
    *,
    workspace: Workspace,
    execution: Execution,
) -> tuple[_Heard, dict[str, str]]:
    """Who is heard, and why nothing is known of some videos."""
    questions = [
        Question(clip.vid, str(clip.audio_path), str(clip.audio_hash), clip.names, tuple(segments[clip.vid]))
        for clip in clips
    ]
    answers = comparing.ask(questions, settings, dataset=workspace.dataset, execution=execution)
    heard = {answer.vid: answer.heard for answer in answers if answer.reason is None}
    return heard, {answer.vid: answer.reason for answer in answers if answer.reason is not None}


def _activity(clip: Clip, segments: Sequence[Segment], heard: Sequence[Sequence[str]]) -> Activity:
    """When each object sounds, second by second."""
    seconds = activity(clip.names, segments, heard, num_sec=clip.num_sec)
    return {
        name: tuple(Segment(second, second + 1) for second, sounding in enumerate(seconds) if name in sounding)
        for name in clip.names
    }
