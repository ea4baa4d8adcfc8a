import json

import pyarrow as pa
import pytest

from tgs_pipeline.execution import WHOLE, StageError
from tgs_pipeline.journal import Journal, recover
from tgs_pipeline.rows import Store

PAYLOAD = pa.schema([("replies", pa.list_(pa.string()))])


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "ask"
    folder.mkdir()
    return Store(folder, payload=PAYLOAD)


def row(key, reply="yes", status="ok"):
    return {"key": key, "status": status, "reason": None, "replies": [reply]}


def journals(store):
    return list(store.folder.glob("journal-*.jsonl"))


def test_a_run_that_ends_in_order_leaves_no_journal(store):
    with Journal(store.folder) as journal:
        journal.add(row("a"))
        assert len(journals(store)) == 1
    assert not journals(store) and recover(store) == 0


def test_rows_of_a_run_that_did_not_are_recovered_once(store):
    with pytest.raises(RuntimeError), Journal(store.folder) as journal:
        journal.add(row("a"))
        journal.add(row("b", status="rejected"))
        raise RuntimeError
    assert recover(store) == 2 and recover(store) == 0 and not journals(store)
    assert store.rows().take(["b", "a"])["replies"].to_pylist() == [["yes"], ["yes"]]
    assert store.rows().is_done("a")


def test_what_is_in_a_segment_already_is_not_added_again(store):
    store.append([pa.Table.from_pylist([row("a", "first")], schema=store.schema)])
    Journal(store.folder).add(row("a", "second"))
    assert recover(store) == 0 and not journals(store)
    assert store.rows().take(["a"])["replies"].to_pylist() == [["first"]]


def test_cut_and_strange_lines_are_dropped(store):
    strange = [b"[1]", b'{"key": 3}', b'{"key": "x", "other": 1}', b"\xff\xfe", json.dumps(row("cut")).encode()[:-3]]
    (store.folder / "journal-1.jsonl").write_bytes(b"\n".join([json.dumps(row("a")).encode(), *strange]))
    assert recover(store) == 1 and list(store.rows()) == ["a"]


def test_the_journal_of_a_run_under_way_is_left_alone(store):
    Journal(store.folder).add(row("a"))
    with store.lock(WHOLE), pytest.raises(StageError, match="another run is writing"):
        recover(store)
    assert len(journals(store)) == 1
