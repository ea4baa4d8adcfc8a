import math

import pytest

from tgs_pipeline.training.schedules import make_schedule


def test_upstream_warms_up_by_the_logarithm_and_decays_linearly():
    """UPSTREAM_FACTS 2.8: lr_i = lr ln(i + 1) / ln(20) for i < 20, the first step at 0, then linear to 0 at 660."""
    factor = make_schedule("upstream", warmup_steps=20, total_steps=660)
    assert factor(0) == 0
    assert factor(1) == pytest.approx(math.log(2) / math.log(20))
    assert factor(9) == pytest.approx(math.log(10) / math.log(20))
    assert factor(19) == pytest.approx(1)
    assert [factor(step) for step in (20, 340, 660, 700)] == [1, 0.5, 0, 0]


def test_cosine():
    factor = make_schedule("cosine", warmup_steps=10, total_steps=110)
    assert [factor(step) for step in (0, 5, 10)] == [0, 0.5, 1]
    assert factor(60) == pytest.approx(0.5)
    assert factor(35) == pytest.approx(0.5 * (1 + math.sqrt(0.5)))
    assert factor(110) == pytest.approx(0)


@pytest.mark.parametrize("name", ["upstream", "cosine"])
def test_without_warm_up_or_room_to_decay(name):
    factor = make_schedule(name, warmup_steps=0, total_steps=1)
    assert all(0 <= factor(step) <= 1 for step in range(4))
