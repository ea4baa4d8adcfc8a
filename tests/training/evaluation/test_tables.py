from tgs_pipeline.training.evaluation.tables import interval, percent, table


def test_shares_are_in_per_cent():
    assert (percent(0.1234), percent(1), percent(None)) == ("12.3", "100.0", "-")
    assert (interval((0.1, 0.25)), interval(None)) == ("10.0 to 25.0", "-")


def test_columns_are_aligned():
    assert table([["what", "n"], ["boxes", "120"]]) == "\n".join(
        ["| what  |   n |", "| ----- | --: |", "| boxes | 120 |"]
    )
