import pytest

from tgs_pipeline.training.evaluation.seeds import check_seeds


def test_seeds_are_different_and_not_none():
    check_seeds([3, 1])
    for seeds in ([], [2, 1, 2]):
        with pytest.raises(ValueError, match="seeds must be different and at least one: got") as error:
            check_seeds(seeds)
        assert str(seeds) in str(error.value)
