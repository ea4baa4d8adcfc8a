"""Typed parameters: one class per stage, read from a complete YAML file, with no defaults in code.

`load` reads a profile (params.yaml or a file of profiles/) and reports *every* mistake at once: unknown keys (with the
nearest known name), missing keys, wrong types, values out of range and settings that contradict each other.
Everything here can change results, except the section `runtime`.
"""

import difflib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from tgs_pipeline.params_agreement import contradictions
from tgs_pipeline.params_choosing import LbruParams, MatchingParams, MllmParams, WindowParams
from tgs_pipeline.params_section import Fraction, PositiveInt, Section, Text

Dtype = Literal["float32", "bfloat16", "float16"]
Caption = Literal["s_object", "f_object", "reference"]


class NumClips(Section):
    """Clips to render in each split."""

    train: Annotated[int, Field(ge=0)]
    val: Annotated[int, Field(ge=0)]
    test_s: Annotated[int, Field(ge=0)]
    test_u: Annotated[int, Field(ge=0)]
    test_n: Annotated[int, Field(ge=0)]
    open: Annotated[int, Field(ge=0)] = 0  # like train, with every category: for training alone


class TinyWorld(Section):
    """The procedural world that the dataset stage renders."""

    seed: Annotated[int, Field(ge=0)]
    num_clips: NumClips
    references_per_clip: PositiveInt
    frame_size_px: Annotated[int, Field(ge=64, le=2048)]
    sample_rate_hz: Annotated[int, Field(ge=16000)]


class Dataset(Section):
    """Stages dataset and manifest: what to render, where samples are read from and how."""

    tinyworld: TinyWorld | None  # null: nothing is rendered, `root` exists already
    adapter: Literal[
        "ref_avsbench", "media_folder", "avsbench_s4", "avsbench_ms3", "avsbench_v2", "avsbench_semantic",
        "ref_youtube_vos", "ref_davis17", "mevis",
    ]  # fmt: skip
    root: Text
    metadata: Text  # CSV file, or folder of expressions, below root
    splits: Annotated[list[Text], Field(min_length=1)]
    missing_frames: Literal["error", "skip"]


class VisualEncoder(Section):
    """CLIP vision tower: a Hugging Face folder and the hidden state that is kept."""

    weights: Text
    layer: int  # index into hidden_states; 23 of 25 in CLIP ViT-L/14 (UPSTREAM_FACTS 2.1)


class AudioEncoder(Section):
    """BEATs: the original `.pt` file, or a safetensors file of ours."""

    weights: Text
    outputs: Literal["features_and_tags", "tags"]  # tags: for clips that are not 10 s long, and thinkers that name


class Features(Section):
    """Stage features."""

    visual: VisualEncoder
    audio: AudioEncoder
    other_tagger: Text | None  # a further BEATs, for tags of each clip alone: `lbru` is told those of both
    num_tags: PositiveInt  # highest-scoring sound classes of each tagger that are kept for each clip
    num_second_tags: Annotated[int, Field(ge=0)]  # kept for each second, by `audio`; 0: seconds are not tagged
    dtype: Dtype


class Think(Section):
    """Stage think."""

    backend: Literal["ref_thinker", "reference", "audio_tags", "lbru"]
    weights: Text
    reply_format: Literal["free", "enforced"]  # enforced: decoding is constrained to the tag structure of the prompt
    max_new_tokens: PositiveInt
    prompt: Literal["inference", "training"]  # inference: without colon and quotes, as upstream asks (trap T2)
    padding: Literal["masked", "read"]  # read: as text, in batches of 8 in CSV order, as upstream (trap T1)
    dtype: Dtype
    label_names: Text | None  # of audio_tags and lbru: file that names the tagger's classes; null: they are names
    lbru: LbruParams | None


class Faithfulness(Section):
    """Stage faithfulness: chains and media are interfered with, to see whether answers follow."""

    num_samples: Annotated[int, Field(ge=0)]  # for each intervention; 0 switches the stage off
    seed: Annotated[int, Field(ge=0)]  # draws the samples and what is done to them
    splits: Annotated[list[Text], Field(min_length=1)] | None  # null: every split that is thought about


class Detect(Section):
    """Stage detect: every candidate above `floor` is kept, thresholds come later."""

    backend: Literal["transformers", "groundingdino"]
    weights: Text
    captions: Annotated[list[Caption | Literal["objects"]], Field(min_length=1)]
    caption_text: Literal["cleaned", "verbatim"]  # verbatim: "null", "error" and "dog.." too, as upstream (T5, T23)
    floor: Fraction
    shortest_edge_px: Annotated[int, Field(ge=32, le=4096)]
    longest_edge_px: Annotated[int, Field(ge=32, le=8192)]
    dtype: Dtype


class Auto(Section):
    """What `ground.prompt: auto` does besides asking for s_object (grounding/choice.py)."""

    fallbacks: list[Literal["f_object", "reference"]]  # asked in this order where a clip shows no s_object
    same_place_iou: Fraction  # boxes of a frame that overlap more are one place
    rival_share: Fraction  # places scoring at least this share of the best one compete; f_object decides


class Ground(Section):
    """Stage ground: thresholds, abstention and box choice."""

    frames: Literal["every", "pivot", "first", "middle", "last"]  # in which a box is chosen
    selector: Literal["score", "mllm"]  # of pivots
    window: WindowParams | None  # a pivot in each; null: the whole clip is one
    mllm: MllmParams | None
    prompt: Caption | Literal["auto", "objects"]
    auto: Auto
    null_threshold: Fraction | None  # of the thinker's probability of `null`; null: the word it wrote decides
    clip_threshold: Fraction  # a clip whose best candidate scores less shows nothing
    box_threshold: Fraction
    text_threshold: Fraction  # labels phrases only, filters no box (trap T22)
    box_select: Literal["max", "first"]  # first: the first query above the threshold, as upstream (trap T19)


class Exclusive(Section):
    """Objects of a clip share its pixels: each belongs to the object of the highest logit, or to the background."""

    background_logit: Annotated[float, Field(allow_inf_nan=False)]  # -1.0 in AL-Ref-SAM 2 on DAVIS (trap T45)
    num_annotations: PositiveInt  # every n-th sample of a clip is another object in the words of one annotator


class Segment(Section):
    """Stage segment."""

    backend: Literal["sam2"]
    weights: Text
    config: Text  # YAML file in the form of the configurations of the package sam2
    mode: Literal["frame", "propagate"]  # propagate: the boxes of a clip are prompts, tracked through all its frames
    exclusive: Exclusive | None  # of propagate; null: each object by itself, masks may overlap
    silent_frames: Literal["keep", "drop"]  # drop: no mask where the object does not sound, as far as is known
    matching: MatchingParams | None  # how it is found out when objects sound; null: `sounding` tells
    sounding: Text  # file: when objects sound (sounding/recorded.py); with `matching`: segments (sounding/segments.py)
    input_size_px: PositiveInt | None  # null: native size; 224: distorted to a square as upstream (trap T21)
    swap_channels: bool  # true: BGR as upstream (trap T20)
    levels_size_px: Annotated[int, Field(gt=0, le=4096)]  # side of the score map that protocol tgs scores
    dtype: Dtype

    @model_validator(mode="after")
    def _agree(self) -> "Segment":
        if self.exclusive is not None and self.mode == "frame":
            raise ValueError(
                "segment.exclusive is for segment.mode: propagate, where the objects of a clip are segmented together: "
                "set segment.mode to propagate, or segment.exclusive to null"
            )
        return self


class Score(Section):
    """Stage score."""

    protocol: Literal["tgs", "refavs", "avsbench", "alref", "davis"]  # metrics/protocols.py
    gt_resize: Literal["nearest", "bicubic_bool"]  # under tgs; bicubic_bool dilates it as upstream (trap T28)
    repeated_uids: Literal["each", "first"]  # first: against the ground truth of the last, as upstream (trap T6)
    missing: Literal["unscored", "scored"]  # scored: what lacks every file has J = F = 0, or S = 0 (trap T7)


class Report(Section):
    """Stage report."""

    title: Text
    frame_width_px: PositiveInt
    max_samples: PositiveInt


class BatchSize(Section):
    """Units of work per model call."""

    features: PositiveInt
    think: PositiveInt
    faithfulness: PositiveInt
    detect: PositiveInt
    segment: PositiveInt


class Runtime(Section):
    """What cannot change results: declared by no stage, so editing it reruns nothing."""

    cache: Text
    devices: Annotated[list[Text], Field(min_length=1)]  # one process per device
    num_loaders: PositiveInt
    num_threads: PositiveInt  # CPU threads of a model; OMP_NUM_THREADS in the environment overrides it
    batch_size: BatchSize
    flush_rows: PositiveInt
    flush_sec: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    max_failure_rate: Fraction


class Params(Section):
    """A complete profile."""

    dataset: Dataset
    features: Features
    think: Think
    faithfulness: Faithfulness
    detect: Detect
    ground: Ground
    segment: Segment
    score: Score
    report: Report
    runtime: Runtime

    @model_validator(mode="after")
    def _agree(self) -> "Params":
        """Refuse settings that contradict each other across sections."""
        if found := list(contradictions(self)):
            raise ValueError("\n  ".join(found))
        return self


Sections = TypeVar("Sections", bound=Section)


class _Loader(yaml.SafeLoader):
    """YAML as usual, but a key that stands twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = sorted({str(key) for key in keys if keys.count(key) > 1})
        if repeated:
            raise yaml.constructor.ConstructorError(None, None, f"the key(s) {repeated} stand twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


class ParamsError(ValueError):
    """A params file that cannot be used; the message lists everything that is wrong with it."""


def load(path: Path) -> Params:
    """Read and validate a params file; ParamsError lists every mistake found."""
    return load_as(Params, path, template="profiles/tiny.yaml")


def load_as(kind: type[Sections], path: Path, *, template: str) -> Sections:
    """Read a file as sections of `kind`, as `load` does; template: the complete file that messages refer to."""
    return check(kind, read(path, kind=kind, template=template), where=str(path), template=template)


def read(path: Path, *, kind: type[Section] = Params, template: str = "profiles/tiny.yaml") -> dict:
    """The content of a params file, which `check` has not seen yet; ParamsError where it is no YAML mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; start from a copy of {template}") from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    try:
        data = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ParamsError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(data, dict):
        raise ParamsError(f"{path}: expected a mapping of sections ({', '.join(kind.model_fields)})")
    return data


def check(kind: type[Sections], data: dict, *, where: str, template: str = "profiles/tiny.yaml") -> Sections:
    """Sections of `kind` from the content of a file; ParamsError lists every mistake found. where: begins messages."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        problems = [_explain(problem, kind=kind, template=template) for problem in error.errors()]
        raise ParamsError(f"{where}: {len(problems)} problem(s)\n" + "\n".join(f"  {p}" for p in problems)) from None


def _explain(problem: ErrorDetails, *, kind: type[Section], template: str) -> str:
    """One line for one pydantic error: where, what, and the nearest known key for an unknown one."""
    path = [str(part) for part in problem["loc"]]
    where = ".".join(path) or "params"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _known_keys(kind, path[:-1]), n=1, cutoff=0.5)
        return f"{where}: unknown key" + (f"; did you mean {'.'.join([*path[:-1], near[0]])!r}?" if near else "")
    if problem["type"] == "missing":
        return f"{where}: missing (there are no defaults in code; see {template})"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return f"{where}: {problem['msg']}, got {problem['input']!r}"


def _known_keys(kind: type[Section], path: list[str]) -> list[str]:
    """The keys of the section at `path` below `kind`."""
    section = kind
    for name in path:
        field = section.model_fields.get(name)
        kinds = [] if field is None else [field.annotation, *getattr(field.annotation, "__args__", ())]
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), Section)
    return list(section.model_fields)
