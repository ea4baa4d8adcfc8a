from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tgs_pipeline.metrics import davis_objects


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return load_file(Path(__file__).parents[1] / "golden" / "protocols.safetensors")


def test_objects_equal_the_original(golden):
    scores = davis_objects.score_objects(golden["davis_pred"], golden["davis_labels"])
    # The original lists objects in the order of their proposals; their mean is what counts.
    assert np.array(sorted(scores)) == pytest.approx(np.array(sorted(golden["davis"].T.tolist())), abs=2e-5)


def test_proposals_find_their_objects_whatever_their_labels():
    gt = np.zeros((2, 8, 8), np.uint8)
    gt[:, :3, :3], gt[:, 5:, 5:] = 1, 2
    swapped = np.array([0, 2, 1], np.uint8)[gt]
    assert davis_objects.score_objects(swapped, gt) == [(1, 1), (1, 1)]


def test_void_counts_nowhere_and_missing_proposals_are_empty():
    gt = np.zeros((1, 8, 8), np.uint8)
    gt[0, :4, :4] = 1
    pred = gt.copy()
    pred[0, :4, 4:6], gt[0, :4, 4:6] = 1, davis_objects.VOID
    assert davis_objects.score_objects(pred, gt) == [(1, 1)]
    assert davis_objects.score_objects(np.zeros_like(gt), gt) == [(0, 0)]
    assert davis_objects.score_objects(pred, np.zeros_like(gt)) == []


def test_too_many_proposals_are_refused():
    with pytest.raises(ValueError, match="label 21 is above 20"):
        davis_objects.score_objects(np.full((1, 2, 2), 21, np.uint8), np.ones((1, 2, 2), np.uint8))


@pytest.mark.parametrize("seed", range(3))
def test_assign_finds_the_best_of_all_permutations(seed):
    import itertools

    gains = np.random.default_rng(seed).random((3, 5))
    best = max(itertools.permutations(range(5), 3), key=lambda columns: gains[range(3), columns].sum())
    assert davis_objects.assign(gains) == best
