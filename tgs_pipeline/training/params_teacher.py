"""Typed parameters of the teacher and of what it is asked for: the file training/teacher.yaml.

`load` reads these three sections and leaves the others of the file to those who read them.
"""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError, model_validator

from tgs_pipeline.params import ParamsError
from tgs_pipeline.params_multimodal import ServerParams
from tgs_pipeline.params_section import PositiveInt, Section, Text


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
    sound_names: str | None  # AudioSet's class_labels_indices.csv or ontology.json, for taggers that answer with ids
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

    teacher: ServerParams
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
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise ParamsError(f"{path}: {len(problems)} problem(s)\n" + "\n".join(f"  {p}" for p in problems)) from None
