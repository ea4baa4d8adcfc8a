import pytest

from tgs_pipeline.metrics.shares import wilson_interval


@pytest.mark.parametrize(
    ("num", "total", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_those_of_newcombe(num, total, low, high):
    assert wilson_interval(num, total) == pytest.approx((low, high), abs=5e-5)
    assert wilson_interval(total - num, total) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_the_ends_are_exact():
    assert [wilson_interval(0, total)[0] for total in range(1, 50)] == [0.0] * 49
    assert [wilson_interval(total, total)[1] for total in range(1, 50)] == [1.0] * 49


@pytest.mark.parametrize(("num", "total"), [(0, 0), (-1, 3), (4, 3)])
def test_counts_that_are_no_share_are_refused(num, total):
    with pytest.raises(ValueError, match=f"got {num} of {total}"):
        wilson_interval(num, total)
