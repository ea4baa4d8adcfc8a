import numpy as np
import pytest
from metrics import slow_davis

from tgs_pipeline.metrics import davis

NOTHING = np.zeros((8, 8), bool)
SQUARE = np.zeros((8, 8), bool)
SQUARE[2:5, 2:5] = True


def random_masks(seed: int, *, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Two blobs that overlap, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    masks = []
    for _ in range(2):
        centre, size = rng.uniform(0.3, 0.7, 2) * (height, width), rng.uniform(0.15, 0.4) * height
        masks.append(((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < size**2) ^ (rng.random((height, width)) < 0.01))
    return masks[0], masks[1]


def test_j_edge_cases():
    assert davis.jaccard(NOTHING, NOTHING) == 1
    assert davis.jaccard(SQUARE, NOTHING) == 0
    assert davis.jaccard(NOTHING, SQUARE) == 0
    assert davis.jaccard(SQUARE, np.roll(SQUARE, 1, axis=1)) == 6 / 12


def test_boundary_f_edge_cases():
    assert davis.boundary_f(NOTHING, NOTHING) == 1
    assert davis.boundary_f(SQUARE, NOTHING) == 0
    assert davis.boundary_f(NOTHING, SQUARE) == 0
    assert davis.boundary_f(SQUARE, SQUARE) == 1
    assert davis.boundary_f(~NOTHING, NOTHING) == 1  # a full mask has no boundary either: so it is upstream


def test_boundary_f_of_boundaries_too_far_apart_is_zero():
    far = np.zeros((64, 64), bool)
    near = far.copy()
    far[50:60, 50:60], near[2:10, 2:10] = True, True
    assert davis.boundary_f(far, near) == 0


def test_boundary_of_a_square():
    expected = np.zeros((8, 8), bool)
    expected[1, 1:5] = expected[4, 1:5] = expected[1:5, 1] = expected[1:5, 4] = True
    assert (davis.boundary(SQUARE) == expected).all()


def test_boundary_at_the_last_row_and_column():
    corner = np.zeros((4, 4), bool)
    corner[2:, 2:] = True
    assert davis.boundary(corner).astype(int).tolist() == [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 0, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize(("size", "radius"), [((480, 854), 8), ((720, 1280), 12), ((224, 224), 3), ((300, 400), 4)])
def test_radius_is_a_share_of_the_diagonal(size, radius):
    assert davis.radius_px(*size) == radius


def test_radius_in_pixels():
    assert davis.radius_px(480, 854, tolerance=5) == 5


@pytest.mark.parametrize("radius", [0, 1, 3, 12])
def test_dilate_equals_cv2(radius):
    cv2 = pytest.importorskip("cv2", reason="cv2 comes with groundingdino-py")
    points = np.random.default_rng(radius).random((40, 60)) < 0.02
    expected = cv2.dilate(points.astype(np.uint8), slow_davis.disk(radius)).astype(bool)
    assert (davis.dilate(points, radius_px=radius) == expected).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tolerance", [0.008, 0.05, 3])
def test_boundary_f_equals_the_direct_definition(seed, tolerance):
    pred, gt = random_masks(seed, height=45, width=70)
    assert (davis.boundary(pred) == slow_davis.boundary(pred)).all()
    expected = slow_davis.boundary_f(pred, gt, tolerance=tolerance)
    assert 0 < expected < 1
    assert davis.boundary_f(pred, gt, tolerance=tolerance) == pytest.approx(expected, abs=1e-12)


def test_score_video_is_the_mean_over_frames():
    assert davis.score_video([SQUARE, NOTHING], [SQUARE, SQUARE]) == (0.5, 0.5)
