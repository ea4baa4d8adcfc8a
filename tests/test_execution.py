from tgs_pipeline.execution import WHOLE, Shard, first_reasons


def test_every_key_is_in_one_shard_and_in_the_whole():
    keys = [f"{number:032x}" for number in range(0, 2**128, 2**128 // 50)]
    shards = [Shard(index, 3) for index in range(3)]
    assert all(sum(key in shard for shard in shards) == 1 and key in WHOLE for key in keys)
    assert "00000004" + "0" * 24 in Shard(1, 3)  # 4 % 3


def test_ten_reasons_are_shown_and_the_others_counted():
    reasons = [f"why {number}" for number in range(12)]
    assert first_reasons(reasons[:2]) == "  why 0\n  why 1"
    assert first_reasons(reasons[:10]).splitlines()[-1] == "  why 9"
    assert first_reasons(reasons).splitlines()[-2:] == ["  why 9", "  ... and 2 more"]
