"""The local executor: loader threads that stay a few batches ahead of the model, in order, in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

BATCHES_AHEAD = 2


def prefetch(
    load: Callable[[pa.Table], pa.Table], batches: Iterable[pa.Table], *, num_loaders: int
) -> Iterator[pa.Table]:
    """Apply `load` to each batch on `num_loaders` threads and yield the results in the order of the batches.

    At most num_loaders + BATCHES_AHEAD batches are in flight. An error of `load` is raised where its batch is due.
    """
    waiting: deque[Future[pa.Table]] = deque()
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
