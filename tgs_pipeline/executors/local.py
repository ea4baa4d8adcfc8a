"""The local executor: loader threads that stay a few batches ahead of the model, in order, in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")
Loaded = TypeVar("Loaded")

BATCHES_AHEAD = 2


def prefetch(load: Callable[[Batch], Loaded], batches: Iterable[Batch], *, num_loaders: int) -> Iterator[Loaded]:
    """Apply `load` to each batch on `num_loaders` threads and yield the results in the order of the batches.

    At most num_loaders + BATCHES_AHEAD batches are in flight. An error of `load` is raised where its batch is due.
    """
    waiting: deque[Future[Loaded]] = deque()
    with ThreadPoolExecutor(num_loaders, thread_name_prefix="loader") as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(load, batch))
                if len(waiting) >= num_loaders + BATCHES_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
