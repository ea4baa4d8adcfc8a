import numpy as np
import pytest

from tgs_pipeline.metrics.tally import Batches, Tally


def curve(best: float) -> np.ndarray:
    return np.linspace(0, best, 255)


def test_tallies_add_up():
    both = Tally(num_frames=1, region=1.0, contour=0.5, curve=curve(1.0), num_curves=1) + Tally(
        num_frames=3, region=1.0
    )
    assert (both.mean_region, both.mean_contour, both.best_of_curve) == (0.5, 0.125, 1.0)
    assert Tally(num_frames=1).best_of_curve == 0, "no frame has ground truth"
    assert (Tally(num_foreground_px=1, num_px=1) + Tally(num_px=3)).root_of_share == 0.5


@pytest.mark.parametrize(("size", "mean"), [(1, 2.0), (2, 2.25), (4, 2.0), (None, 2.0)])
def test_batches_weigh_the_same_also_the_last(size, mean):
    batches = Batches(size=size, scores=lambda tally: {"J": tally.mean_region})
    for value in (1.0, 2.0, 3.0):
        batches.add(Tally(num_frames=1, region=value))
    assert batches.means() == {"J": mean} == batches.means()


def test_without_samples_there_is_nothing_to_average():
    assert Batches(size=4, scores=lambda tally: {"J": tally.mean_region}).means() == {}
