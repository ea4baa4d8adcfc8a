from report.artifacts_example import write_example

from tgs_pipeline.report.records import read_records
from tgs_pipeline.report.summary import Summary


def test_statuses_and_scores_are_counted(tmp_path):
    summary = Summary()
    for record in read_records(write_example(tmp_path)):
        summary.add(record)
    assert summary.statuses_of("manifest") == [("ok", 9), ("failed", 1)]
    assert summary.statuses_of("think") == [("ok", 8), ("failed", 1), ("truncated", 1)]
    assert summary.statuses_of("ground") == [("ok", 60), ("no_answer", 10), ("no_box", 10), ("no_caption", 10)]
    assert summary.statuses_of("score") == [("ok", 7), ("failed", 2), ("no_answer", 1)]
    assert summary.num_abstained == 1
    assert summary.rules == {"s_object": 80, "f_object_decides": 10}
    assert set(summary.bins) == {("test_s", "JF"), ("test_u", "JF"), ("test_n", "S")}
    seen = summary.bins["test_s", "JF"]  # .925, .625, 0, .625 and two without a score
    assert (seen[0], seen[12], seen[18], sum(seen)) == (1, 2, 1, 4)


def test_the_highest_score_falls_in_the_last_bin(tmp_path):
    summary = Summary()
    record = next(iter(read_records(write_example(tmp_path))))
    record.score["JF"] = 1.0
    summary.add(record)
    assert summary.bins["test_s", "JF"][-1] == 1
