import threading
import time

import pyarrow as pa
import pytest

from tgs_pipeline.executors.local import BATCHES_AHEAD, prefetch


def batches(count, started):
    for index in range(count):
        started.append(index)
        yield pa.table({"index": [index]})


def test_results_come_in_order_although_threads_do_not_end_in_order():
    def load(table):
        time.sleep(0.02 if table["index"][0].as_py() % 2 == 0 else 0)
        return table

    found = [table["index"][0].as_py() for table in prefetch(load, batches(9, []), num_loaders=3)]
    assert found == list(range(9))


def test_it_stays_a_bounded_number_of_batches_ahead():
    started = []
    stream = prefetch(lambda table: table, batches(100, started), num_loaders=2)
    next(stream)
    assert len(started) == 2 + BATCHES_AHEAD
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("loader")]


def test_an_error_of_the_loader_is_raised():
    def load(table):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(prefetch(load, batches(1, []), num_loaders=1))
