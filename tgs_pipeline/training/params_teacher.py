"""Typed parameters of the teacher and of what it is asked for: the file training/teacher.yaml.

`load` reads these three sections and leaves the others of the file to those who read them.
"""

import re
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from tgs_pipeline.params import ParamsError, PositiveInt, Section, Text

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0)]
RESERVED = {"model", "messages", "stream", "n"}


class TeacherParams(Section):
    """The server and how it is asked. Rows depend on `model` and `sampling` only."""

    base_url: Text
    model: Text
    api_key_env: str | None  # name of the environment variable with the key; null: the server wants none
    sampling: dict[str, float | int | bool | str]  # further fields of a request, as they are
    timeout_sec: Seconds  # longest silence of the server
    max_retries: Count  # after 429, 5xx, timeouts, cut connections
    first_wait_sec: Seconds  # before the first retry; doubles; Retry-After overrides it
    max_wait_sec: Seconds
    concurrency: PositiveInt
    max_picture_bytes: PositiveInt
    max_attempts: PositiveInt  # questions per row: a reply that fails its checks is asked for again with the reason
    replies_per_flush: PositiveInt  # a killed run loses at most so many
    give_up_after: PositiveInt  # failures in a row; the rest is left to the next run

    @field_validator("api_key_env")
    @classmethod
    def _is_a_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise ValueError(
                "teacher.api_key_env: expected the NAME of an environment variable (capitals, digits, _), not the key"
            )
        return name

    @field_validator("base_url")
    @classmethod
    def _holds_no_secret(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[^@?#\s]+", url):
            raise ValueError(
                "teacher.base_url: expected http(s)://host/path without user, password or query: "
                "keys come from the environment"
            )
        return url

    @field_validator("sampling")
    @classmethod
    def _leaves_the_rest_alone(cls, sampling: dict) -> dict:
        taken = sorted(RESERVED & sampling.keys())
        if taken:
            raise ValueError(f"teacher.sampling: {taken} cannot be set here")
        return sampling


class WordLimits(Section):
    """Numbers of words allowed, both ends included."""

    min: PositiveInt
    max: PositiveInt

    @model_validator(mode="after")
    def _in_order(self) -> "WordLimits":
        if self.min > self.max:
            raise ValueError(f"word limits: min {self.min} is above max {self.max}")
        return self


class InstructParams(Section):
    """`tgs train instruct`: reasoning chains for the samples of a pipeline."""

    pipeline: Text  # params file of the pipeline whose artifacts are read
    splits: Annotated[list[Text], Field(min_length=1)]
    out: Text  # folder of the results
    num_frames: PositiveInt  # shown of each clip, evenly spread, besides the one that shows most of the target
    longest_edge_px: PositiveInt
    jpeg_quality: Annotated[int, Field(ge=1, le=95)]
    sound_names: str | None  # CSV with columns mid,display_name (AudioSet's), for taggers that answer with ids
    think_words: WordLimits
    f_object_words: WordLimits


class RewriteParams(Section):
    """`tgs train rewrite`: reasoning-intensive references for the rows of a CSV file."""

    references: Text  # CSV of Ref-AVSBench
    splits: Annotated[list[Text], Field(min_length=1)]
    out: Text
    words: WordLimits
    cache: Text  # row cache; the environment variable TGS_CACHE overrides it
    max_failure_rate: Annotated[float, Field(ge=0, le=1)]


class TeachingParams(Section):
    """The sections that are read here."""

    teacher: TeacherParams
    instruct: InstructParams
    rewrite: RewriteParams


def load(path: Path) -> TeachingParams:
    """Read the sections of a training params file; ParamsError lists every mistake, and repeats no value."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; see training/teacher.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(data, dict):
        raise ParamsError(f"{path}: expected a mapping of sections ({', '.join(TeachingParams.model_fields)})")
    try:
        return TeachingParams.model_validate(data)
    except ValidationError as error:
        problems = [
            problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "value_error"
            else f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise ParamsError(f"{path}: {len(problems)} problem(s)\n" + "\n".join(f"  {p}" for p in problems)) from None
