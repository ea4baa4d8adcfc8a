"""A multimodal model behind any server of OpenAI's chat completions protocol (OpenAI, Gemini, vLLM, llama.cpp, ...).

The key is read from the environment and appears in no message, log or repr: whatever a server sends back is searched
for it. Retries are ours, not the library's, so that their number and their waits are settings.
"""

import base64
import email.utils
import logging
import os
import random
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tgs_pipeline.backends.multimodal.base import (
    Answer,
    BadRequestError,
    Message,
    NoAnswerError,
    Picture,
    Subject,
    UnreachableError,
    UnusableError,
)
from tgs_pipeline.rows import JSON

if TYPE_CHECKING:
    import openai

log = logging.getLogger(__name__)

RETRIED_STATUS = {408, 409, 425, 429}  # and every 5xx
UNUSABLE_STATUS = {401, 403, 404}
REFUSAL_CODES = {"content_filter", "content_policy_violation"}
MAX_SHOWN_CHARS = 300
MIN_KEY_CHARS = 8  # what is shorter is no secret but a placeholder ("none"), and may well be a word of an answer
MAX_TOKENS = 2**40  # more are no count
JITTER = 0.25  # share of a wait that is left to chance, so that parallel requests do not come back together


class OpenAIServer:
    """Asks `model` at `base_url`.

    api_key_env: name of the environment variable that holds the key; None: the server wants none.
    sampling: further fields of the request, as they are (temperature, max_tokens, seed, ...).
    picture_detail: how closely pictures are looked at (low, high, auto); None leaves it to the server.
    timeout_sec: longest silence of the server within one request.
    max_retries: further requests after one that failed for a passing reason (429, 5xx, timeout, cut connection,
        unreadable body). Waits start at `first_wait_sec` and double, or are what Retry-After says; a server that asks
        for more than `max_wait_sec` is given up.
    concurrency: requests under way at a time, over all threads that share this object.
    section: the section of the params that holds these settings, for messages.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        api_key_env: str | None,
        sampling: Mapping[str, JSON],
        picture_detail: str | None,
        timeout_sec: float,
        max_retries: int,
        first_wait_sec: float,
        max_wait_sec: float,
        concurrency: int,
        max_picture_bytes: int,
        section: str,
    ) -> None:
        self._key = _key_from(api_key_env, section=section)
        self._section = section
        self._client = _make_client(base_url, key=self._key, timeout_sec=timeout_sec)
        self._model = model
        self._sampling = dict(sampling)
        self._max_retries = max_retries
        self._first_wait_sec, self._max_wait_sec = first_wait_sec, max_wait_sec
        self._free = threading.BoundedSemaphore(concurrency)
        self._max_picture_bytes = max_picture_bytes
        self._detail = {} if picture_detail is None else {"detail": picture_detail}

    def ask(self, messages: Sequence[Message], *, subject: Subject | None = None) -> Answer:
        """The model's answer; raises UnreachableError, BadRequestError, UnusableError or NoAnswerError."""
        request = [{"role": message.role, "content": self._content(message)} for message in messages]
        for attempt in range(self._max_retries + 1):
            try:
                with self._free:
                    body = self._request(request)
                return self._read(body)
            except _PassingError as fault:
                reason = str(fault)
                wait_sec = self._wait_sec(attempt, fault.retry_after_sec)
            if wait_sec > self._max_wait_sec:
                raise UnreachableError(
                    f"{reason}; it asks to wait {wait_sec:.0f} s, the limit is {self._max_wait_sec:g} s"
                )
            if attempt < self._max_retries:
                log.debug("%s; request %d of %d in %.1f s", reason, attempt + 2, self._max_retries + 1, wait_sec)
                time.sleep(wait_sec)
        raise UnreachableError(f"{reason}; gave up after {self._max_retries + 1} requests")

    def _content(self, message: Message) -> str | list[dict]:
        """The content of a message in the protocol: plain text where there are no pictures, as some servers demand."""
        if all(isinstance(part, str) for part in message.parts):
            return "\n".join(str(part) for part in message.parts)
        return [
            {"type": "image_url", "image_url": {"url": self._data_url(part), **self._detail}}
            if isinstance(part, Picture)
            else {"type": "text", "text": part}
            for part in message.parts
        ]

    def _data_url(self, picture: Picture) -> str:
        if len(picture.jpeg) > self._max_picture_bytes:
            raise BadRequestError(
                f"{picture.name}: {len(picture.jpeg)} bytes as JPEG, the limit {self._section}.max_picture_bytes is "
                f"{self._max_picture_bytes}: send smaller pictures (size, JPEG quality) or raise the limit"
            )
        return "data:image/jpeg;base64," + base64.b64encode(picture.jpeg).decode()

    def _request(self, messages: list[dict]) -> object:
        """The decoded body of one request; _PassingError where another try may help."""
        import openai

        try:
            raw = self._client.chat.completions.with_raw_response.create(
                model=self._model,
                messages=messages,  # type: ignore[arg-type]  # plain dictionaries of the protocol
                extra_body=self._sampling,
            )
            return raw.http_response.json()
        except openai.APITimeoutError:
            raise _PassingError("the server did not answer in time") from None
        except openai.APIConnectionError as error:
            cause = type(error.__cause__).__name__
            raise _PassingError(self._clean(f"the connection failed ({cause}: {error.__cause__})")) from None
        except openai.APIStatusError as error:
            raise self._fault_of(error) from None
        except (ValueError, RecursionError):
            raise _PassingError("the reply is not JSON") from None

    def _fault_of(self, error: "openai.APIStatusError") -> Exception:
        """What an error status means."""
        status = error.status_code
        message = error.message.removeprefix(f"Error code: {status} - ")
        reason = self._clean(f"the server answered {status}: {message}")
        if status in RETRIED_STATUS or status >= 500:
            return _PassingError(reason, retry_after_sec=_retry_after_sec(error.response.headers))
        if status in UNUSABLE_STATUS:
            return UnusableError(f"{reason}; check base_url, model and api_key_env of `{self._section}`")
        if error.code in REFUSAL_CODES:
            return NoAnswerError(
                f"the server refuses the request ({error.code})", text="", prompt_tokens=0, completion_tokens=0
            )
        return BadRequestError(reason)

    def _read(self, body: object) -> Answer:
        """The answer in a decoded body; NoAnswerError where it holds none, _PassingError where it is none of ours."""
        if not isinstance(body, dict):
            raise _PassingError("the reply is not a JSON object")
        if body.get("error"):
            raise _PassingError(self._clean(f"the reply holds an error: {body['error']}"))
        choices = body.get("choices")
        if not isinstance(choices, list):
            raise _PassingError("the reply has no list `choices`")
        usage = _object(body.get("usage"))
        counts = {name: _count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")}
        choice = _object(choices[0]) if choices else {}
        message = _object(choice.get("message"))
        content = message.get("content")
        text = self._hide_key(content.strip()) if isinstance(content, str) else ""
        reason = _why_no_answer(choices, choice=choice, message=message, text=text)
        if reason:
            refusal = message.get("refusal")
            raise NoAnswerError(self._clean(reason), text=text or self._hide_key(str(refusal or "")), **counts)
        return Answer(text, **counts)

    def _wait_sec(self, attempt: int, retry_after_sec: float | None) -> float:
        if retry_after_sec is not None:
            return retry_after_sec
        wait_sec = min(self._first_wait_sec * 2.0**attempt, self._max_wait_sec)
        return wait_sec * (1 - JITTER * random.random())

    def _clean(self, text: str) -> str:
        """Text of a server, on one line, without the key, cut to a length that suits a log."""
        text = " ".join(self._hide_key(text).split())
        return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + " ..."

    def _hide_key(self, text: str) -> str:
        """Text of a server without the key, and without lone surrogates, which no file of ours can hold."""
        text = text.encode(errors="replace").decode()
        return text.replace(self._key, "[key]") if len(self._key) >= MIN_KEY_CHARS else text


class _PassingError(Exception):
    """A fault that another request may not meet."""

    def __init__(self, reason: str, *, retry_after_sec: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_sec = retry_after_sec


def _key_from(name: str | None, *, section: str) -> str:
    """The key in the environment variable `name`, "" where no key is wanted."""
    if name is None:
        return ""
    key = os.environ.get(name, "").strip()
    if not key:
        raise UnusableError(
            f"the environment variable {name} ({section}.api_key_env) holds no key: export it, or set null"
        )
    return key


def _make_client(base_url: str, *, key: str, timeout_sec: float) -> "openai.OpenAI":
    import openai

    client = openai.OpenAI(api_key=key or "none", base_url=base_url, timeout=timeout_sec, max_retries=0)
    client.organization = client.project = None  # taken from OPENAI_* variables, which this server may have no part in
    return client


def _why_no_answer(choices: list, *, choice: dict, message: dict, text: str) -> str | None:
    """Why a reply is no answer, or None where it is one."""
    if not choices:
        return "the reply has no choices"
    if message.get("refusal"):
        return f"the model refuses: {message['refusal']}"
    if choice.get("finish_reason") == "content_filter":
        return "the reply was stopped by a content filter"
    if choice.get("finish_reason") == "length":
        return "the reply was cut at the token limit"
    return None if text else "the reply is empty"


def _retry_after_sec(headers: Mapping[str, str]) -> float | None:
    """Seconds that the header Retry-After asks for (a number, or a date), None without a usable one."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        date = email.utils.parsedate_tz(value)
        if date is None:
            return None
        seconds = email.utils.mktime_tz(date) - time.time()
    return max(0.0, seconds) if seconds == seconds else None


def _object(value: object) -> dict:
    """A JSON object; an empty one where there is something else."""
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    """A number of tokens; 0 where it cannot be one."""
    return value if type(value) is int and 0 <= value <= MAX_TOKENS else 0
