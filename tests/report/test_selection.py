from report.artifacts_example import write_example, write_many

from tgs_pipeline.artifacts import samples, table
from tgs_pipeline.report.selection import select


def test_everything_is_chosen_where_there_is_room(tmp_path):
    selection = select(write_example(tmp_path).samples, max_samples=10)
    assert selection.rows == frozenset(range(10))
    assert (selection.num_total, selection.num_left_out) == (10, 0)
    assert selection.media_rows == {"seen": 0, "unseen": 3, "null_m-seen": 5, "gone": 7, "broken": 8}


def test_whole_videos_are_drawn_and_the_rest_counted(tmp_path):
    workspace = write_many(tmp_path, num_videos=12, references_per_video=3)
    selection = select(workspace.samples, max_samples=10)
    rows = list(table.read_rows(workspace.samples, samples.SCHEMA))
    counts = [sum(row["vid"] == vid for row in rows if row["row"] in selection.rows) for vid in selection.media_rows]
    assert sorted(counts) == [1, 3, 3, 3]  # the last video only fits in part
    assert selection.num_left_out == 26
    assert selection.rows != frozenset(range(10))
    assert select(workspace.samples, max_samples=9).rows < selection.rows


def test_media_come_from_a_sample_that_did_not_fail(tmp_path):
    workspace = write_many(tmp_path, num_videos=1, references_per_video=2)
    rows = list(table.read_rows(workspace.samples, samples.SCHEMA))
    rows[0] |= {"status": "failed", "reason": "its ground truth is missing"}
    table.write(workspace.samples, samples.SCHEMA, [table.from_rows(rows, samples.SCHEMA)])
    assert select(workspace.samples, max_samples=5).media_rows == {"video0000": 1}
