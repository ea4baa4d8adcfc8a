import numpy as np
import pytest
from choosing_example import candidates, pivot, window

from tgs_pipeline.backends.selector.base import Choice, FrameCandidates, Window
from tgs_pipeline.backends.selector.position import PositionSelector
from tgs_pipeline.backends.selector.score import ScoreSelector

NOTHING = candidates()


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ((NOTHING, NOTHING, candidates(0.4, 0.6), candidates(0.5), NOTHING), 2),  # it enters late
        ((candidates(0.5), candidates(0.2, 0.5)), 0),
        ((candidates(0.0), NOTHING), 0),
    ],
)
def test_the_frame_with_the_best_evidence(tmp_path, found, chosen):
    one = window(tmp_path, num_frames=len(found), found=found)
    assert ScoreSelector().choose_frames([one, one]) == [Choice(chosen)] * 2


def test_a_window_without_evidence_has_no_pivot(tmp_path):
    one = window(tmp_path, num_frames=2, found=(NOTHING, NOTHING))
    (choice,) = ScoreSelector().choose_frames([one])
    assert (choice.chosen, choice.status) == (None, "none")
    with pytest.raises(ValueError, match=r"v1_dog_1 \(row 0\): choosing by scores needs the candidates"):
        ScoreSelector().choose_frames([window(tmp_path)])


@pytest.mark.parametrize("selector", [ScoreSelector(), PositionSelector("middle")])
def test_the_box_with_the_best_score(tmp_path, selector):
    one = window(tmp_path)
    best, none = selector.choose_boxes([pivot(one, 0, 0.2, 0.7, 0.7), pivot(one, 0)])
    assert best == Choice(1) and none.status == "none"


@pytest.mark.parametrize(("position", "of_five", "of_four"), [("first", 0, 0), ("middle", 2, 2), ("last", 4, 3)])
def test_a_position(tmp_path, position, of_five, of_four):
    windows = [window(tmp_path), window(tmp_path, num_frames=4), window(tmp_path, num_frames=1)]
    chosen = PositionSelector(position).choose_frames(windows)
    assert chosen == [Choice(of_five), Choice(of_four), Choice(0)]


def test_shapes_are_checked(tmp_path):
    with pytest.raises(ValueError, match="expected \\(n, 4\\)"):
        FrameCandidates(np.zeros((2, 4), np.float32), np.zeros(1, np.float32), ("a",))
    with pytest.raises(ValueError, match="x: a window needs a frame"):
        Window("x", "v", "dog", ())
    with pytest.raises(ValueError, match="5 frames, candidates of 1"):
        window(tmp_path, found=(NOTHING,))
