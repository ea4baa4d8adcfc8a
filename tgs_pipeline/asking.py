"""Asking a multimodal model row by row, through the row store: every answer is paid for once.

A reply that fails its checks is asked for again in the same conversation, with what was wrong; after `max_attempts`
the row is `rejected`, with the reasons and everything that was said. A row whose server could not be reached is
`failed` and asked again by the next run. The key of a row holds the content of what is asked, the model and the
sampling, but neither the server's address nor its key.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.backends.multimodal import build
from tgs_pipeline.backends.multimodal.base import (
    Answer,
    Message,
    Multimodal,
    MultimodalError,
    NoAnswerError,
    Picture,
    Subject,
    UnusableError,
)
from tgs_pipeline.execution import Execution
from tgs_pipeline.journal import Journal, recover
from tgs_pipeline.params_multimodal import MultimodalParams, Prices
from tgs_pipeline.rows import JSON, Recipe, Store, compute

log = logging.getLogger(__name__)

PICTURE = pa.struct([("name", pa.string()), ("jpeg", pa.large_binary())])
SUBJECT = pa.struct([("task", pa.string()), ("vid", pa.string()), ("object_name", pa.string())])
LOADED = pa.schema(
    [
        ("text", pa.string()),
        ("pictures", pa.list_(PICTURE)),
        ("subject", SUBJECT),
        ("facts", pa.string()),
        ("reason", pa.string()),
    ]
)
OUTCOME = [("key", pa.string()), ("status", pa.string()), ("reason", pa.string())]
PAYLOAD = pa.schema(
    [
        ("replies", pa.list_(pa.string())),  # all of them; the last is the answer where status is ok
        ("num_attempts", pa.int32()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
    ]
)
UNITS_AT_ONCE = 256

Check = Callable[[str, dict], list[str]]  # (reply, unit with its facts) -> what is wrong with it


@dataclass(frozen=True)
class Question:
    """What a unit is asked: pictures first, each under its name, then the text.

    facts: what the check must know besides the unit. subject: by which recorded replies are found.
    """

    text: str
    pictures: tuple[Picture, ...]
    facts: Mapping[str, JSON]
    subject: Subject | None = None


class Spending:
    """What one run asked and was told, failed rows included; safe to count from several threads."""

    def __init__(self) -> None:
        self.num_replies = self.prompt_tokens = self.completion_tokens = 0
        self._lock = threading.Lock()

    def add(self, reply: Answer | NoAnswerError) -> None:
        with self._lock:
            self.num_replies += 1
            self.prompt_tokens += reply.prompt_tokens
            self.completion_tokens += reply.completion_tokens

    def cost(self, prices: Prices) -> float:
        """In the currency of the prices."""
        return (self.prompt_tokens * prices.prompt + self.completion_tokens * prices.completion) / 1e6


def make_recipe(stage: str, settings: MultimodalParams, *, version: int, system: str, **deciding: JSON) -> Recipe:
    """What decides a row besides its inputs."""
    asked: dict[str, JSON] = {**build.identity(settings), "system": system}
    return Recipe(stage=stage, version=version, params=asked | deciding, weights="")


def answers(
    units: Iterable[dict],
    *,
    recipe: Recipe,
    settings: MultimodalParams,
    section: str,
    question: Callable[[dict], Question],
    check: Check,
    cache: Path,
    num_loaders: int,
    max_failure_rate: float,
) -> Lookup:
    """The rows of all units, asking for those that are not stored.

    units: dictionaries with `key`, `name` (for messages) and what `question` and `check` read; all of JSON types.
    section: the section of the params that holds `settings`, for messages.
    question: makes the question of a unit, in loader threads; ValueError makes a failed row.
    """
    manners = build.manners(settings)
    execution = Execution(
        cache=cache,
        batch_size=manners.replies_per_flush,
        num_loaders=num_loaders,
        flush_rows=1,  # every batch is one segment
        flush_sec=1.0,
        max_failure_rate=max_failure_rate,
        device="cpu",
    )
    store = Store(cache / recipe.stage, payload=PAYLOAD)
    recover(store)
    spending = Spending()
    with Journal(store.folder) as journal:
        try:
            return compute(
                _tables(units),
                recipe=recipe,
                payload=PAYLOAD,
                load=lambda table: _load(table, question),
                make_operator=lambda: AskOperator(
                    build.make(settings, section=section),
                    system=str(recipe.params["system"]),
                    check=check,
                    max_attempts=manners.max_attempts,
                    concurrency=manners.concurrency,
                    give_up_after=manners.give_up_after,
                    spending=spending,
                    keep=journal.add,
                ),
                execution=execution,
            )
        finally:
            _tell(recipe.stage, spending, prices=manners.prices)


class AskOperator:
    """Asks a model about each loaded unit, several at a time; `keep` gets every row that is not to be asked again.

    After an `UnusableError` answer, or `give_up_after` failures in a row, nothing more is asked: what is left fails
    with the reason, so that a wrong key or a server that went away ends a run of thousands of rows at once.
    """

    def __init__(
        self,
        model: Multimodal,
        *,
        system: str,
        check: Check,
        max_attempts: int,
        concurrency: int,
        give_up_after: float,
        spending: Spending,
        keep: Callable[[dict], None],
    ) -> None:
        self.model = model
        self.system = system
        self.check = check
        self.max_attempts = max_attempts
        self.concurrency = concurrency
        self.give_up_after = give_up_after
        self.spending = spending
        self.keep = keep
        self.failures_in_a_row = 0
        self.stopped: str | None = None

    def __call__(self, table: pa.Table) -> pa.Table:
        """A row of PAYLOAD for each unit."""
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="asker") as pool:
            rows = list(pool.map(self._row, table.to_pylist()))
        return pa.Table.from_pylist(rows, schema=pa.schema([*OUTCOME, *PAYLOAD]))

    def _row(self, loaded: dict) -> dict:
        if self.stopped:
            return {"key": loaded["key"], "status": "failed", "reason": f"not asked: {self.stopped}"}
        try:
            row = self._converse(loaded)
        except MultimodalError as error:
            self.failures_in_a_row += 1
            if isinstance(error, UnusableError):
                self.stopped = str(error)
            elif self.failures_in_a_row >= self.give_up_after:
                self.stopped = f"{self.failures_in_a_row} failures in a row, the last: {error}"
            return {"key": loaded["key"], "status": "failed", "reason": f"{loaded['name']}: {error}"}
        self.failures_in_a_row = 0
        self.keep(row)
        return row

    def _converse(self, loaded: dict) -> dict:
        """Ask until a reply passes the checks."""
        unit = json.loads(loaded["unit"]) | json.loads(loaded["facts"])
        subject = Subject(**loaded["subject"]) if loaded["subject"] else None
        beginning = self._beginning(loaded)
        conversation = beginning
        row: dict = {"key": loaded["key"], "status": "rejected", "replies": []}
        row |= {"prompt_tokens": 0, "completion_tokens": 0}
        for attempt in range(1, self.max_attempts + 1):
            try:
                reply: Answer | NoAnswerError = self.model.ask(conversation, subject=subject)
                problems = self.check(reply.text, unit)
            except NoAnswerError as error:
                reply, problems = error, [str(error)]
            self.spending.add(reply)
            row["replies"].append(reply.text)
            row["prompt_tokens"] += reply.prompt_tokens
            row["completion_tokens"] += reply.completion_tokens
            row |= {"num_attempts": attempt, "reason": "; ".join(problems)}
            if not problems:
                return row | {"status": "ok", "reason": None}
            conversation = beginning
            if reply.text:  # else the same again: many servers refuse two turns of one role in a row
                conversation = [*beginning, Message("assistant", (reply.text,)), Message("user", (_again(problems),))]
        return row

    def _beginning(self, loaded: dict) -> list[Message]:
        """The turns that ask; without a task for the system there is no turn of it."""
        pictures = [Picture(**picture) for picture in loaded["pictures"]]
        named = [part for picture in pictures for part in (f"{picture.name}:", picture)]
        asked = Message("user", (*named, loaded["text"]))
        return [Message("system", (self.system,)), asked] if self.system else [asked]


def _again(problems: list[str]) -> str:
    return "This reply cannot be used: " + "; ".join(problems) + ". Answer again, in full, and follow every rule."


def _tell(stage: str, spending: Spending, *, prices: Prices | None) -> None:
    """One line of what this run asked; silent where everything was stored."""
    if spending.num_replies:
        cost = "" if prices is None else f", cost {spending.cost(prices):.4f}"
        log.info(
            "%s: %d replies, %d tokens asked, %d tokens answered%s",
            stage, spending.num_replies, spending.prompt_tokens, spending.completion_tokens, cost,
        )  # fmt: skip


def _tables(units: Iterable[dict]) -> Iterator[pa.Table]:
    """Units as tables of key, name and the unit itself in JSON."""
    schema = pa.schema([("key", pa.string()), ("name", pa.string()), ("unit", pa.string())])
    stream = iter(units)
    while batch := list(islice(stream, UNITS_AT_ONCE)):
        rows = [{"key": unit["key"], "name": unit["name"], "unit": json.dumps(unit)} for unit in batch]
        yield pa.Table.from_pylist(rows, schema=schema)


def _load(table: pa.Table, question: Callable[[dict], Question]) -> pa.Table:
    """Add the question of each unit, or the reason why it cannot be asked."""
    asked = [_asked(json.loads(unit), question) for unit in table["unit"].to_pylist()]
    return pa.table({name: table[name] for name in table.column_names} | _columns(asked))


def _asked(unit: dict, question: Callable[[dict], Question]) -> dict:
    """The loaded columns of one unit."""
    try:
        one = question(unit)
    except ValueError as error:
        return {"reason": f"{unit['name']}: {error}"}
    pictures = [{"name": picture.name, "jpeg": picture.jpeg} for picture in one.pictures]
    subject = asdict(one.subject) if one.subject else None
    return {"text": one.text, "pictures": pictures, "subject": subject, "facts": json.dumps(dict(one.facts))}


def _columns(rows: list[dict]) -> dict[str, pa.Array]:
    return {field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in LOADED}
