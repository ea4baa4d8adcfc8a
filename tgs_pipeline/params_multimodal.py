"""Typed parameters of a multimodal model: the server that answers, or the recorded replies that stand in for it.

A section of this kind stands in a params file wherever such a model is asked (training/teacher.yaml: `teacher`).
Keys of rows depend on the model and its sampling only, or on the content of the recordings.
"""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from tgs_pipeline.params_section import PositiveInt, Section, Text

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
RESERVED = {"model", "messages", "stream", "n"}


class Prices(Section):
    """What a server takes, in any currency, for a million tokens."""

    prompt: Price
    completion: Price


class ServerParams(Section):
    """Any server that speaks OpenAI's chat completions protocol, and how it is asked."""

    provider: Literal["openai"]
    base_url: Text
    model: Text
    api_key_env: str | None  # name of the environment variable with the key; null: the server wants none
    sampling: dict[str, float | int | bool | str]  # further fields of a request, as they are
    picture_detail: Literal["low", "high", "auto"] | None  # how closely pictures are looked at; null: not said
    timeout_sec: Seconds  # longest silence of the server
    max_retries: Count  # after 429, 5xx, timeouts, cut connections
    first_wait_sec: Seconds  # before the first retry; doubles; Retry-After overrides it
    max_wait_sec: Seconds
    concurrency: PositiveInt
    max_picture_bytes: PositiveInt
    max_attempts: PositiveInt  # questions per row: a reply that fails its checks is asked for again with the reason
    replies_per_flush: PositiveInt  # rows of a segment of the cache
    give_up_after: PositiveInt  # failures in a row; the rest is left to the next run
    prices: Prices | None  # for the cost that a run tells; null: tokens alone are counted

    @field_validator("api_key_env")
    @classmethod
    def _is_a_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise ValueError(
                "api_key_env: expected the NAME of an environment variable (capitals, digits, _), not the key"
            )
        return name

    @field_validator("base_url")
    @classmethod
    def _holds_no_secret(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[^@?#\s]+", url):
            raise ValueError(
                "base_url: expected http(s)://host/path without user, password or query: keys come from the environment"
            )
        return url

    @field_validator("sampling")
    @classmethod
    def _leaves_the_rest_alone(cls, sampling: dict) -> dict:
        taken = sorted(RESERVED & sampling.keys())
        if taken:
            raise ValueError(f"sampling: {taken} cannot be set here")
        return sampling


class ReplayParams(Section):
    """Recorded replies in the layout that AL-Ref-SAM 2 publishes (backends/multimodal/replay.py)."""

    provider: Literal["replay"]
    recordings: Text  # folder with cot_stage_1_outputs.json and cot_stage_2_outputs.json


MultimodalParams = Annotated[ServerParams | ReplayParams, Field(discriminator="provider")]
