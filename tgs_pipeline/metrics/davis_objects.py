"""J and F of the objects of a DAVIS video, task `unsupervised`: proposals find their objects. Arrays in, scores out.

Ref-DAVIS17 is scored so (trap T47): source UPSTREAM_FACTS 5.1 and 5.2, after davis2017/evaluation.py of
wjn922/ReferFormer, that is of davisvideochallenge/davis2017-evaluation. Labels of proposals carry no meaning: each
object takes the proposal that is best for all objects together (Hungarian matching), also where that was the answer to
another expression. Pixels labelled 255 in the ground truth are void and count nowhere.

Legend: T = frames, H, W = size of the frame, px. Labels are uint8 (T, H, W), 0 is background.
"""

import functools

import numpy as np

from tgs_pipeline.metrics import davis

VOID = 255
MAX_PROPOSALS = 20


def score_objects(pred_THW: np.ndarray, gt_THW: np.ndarray) -> list[tuple[float, float]]:
    """(J, F), means over the frames, of each object of the first frame, in the order of their labels.

    ValueError where there are more than MAX_PROPOSALS proposals.
    """
    void_THW = gt_THW == VOID
    num_objects = int(np.where(void_THW[0], 0, gt_THW[0]).max())
    num_proposals = int(pred_THW.max())
    if num_proposals > MAX_PROPOSALS:
        raise ValueError(f"label {num_proposals} is above {MAX_PROPOSALS}, the most proposals that DAVIS allows")
    proposals = [(pred_THW == label) & ~void_THW for label in range(1, max(num_proposals, num_objects) + 1)]
    objects = [gt_THW == label for label in range(1, num_objects + 1)]
    scores = np.array([[davis.score_video(list(pred), list(gt)) for pred in proposals] for gt in objects])
    if not objects:
        return []
    chosen = assign(scores.mean(axis=-1))
    return [(float(scores[index, row, 0]), float(scores[index, row, 1])) for index, row in enumerate(chosen)]


def assign(gains: np.ndarray) -> tuple[int, ...]:
    """For each row, a column of its own, so that the total gain is largest; float (rows, columns >= rows).

    By dynamic programming over the sets of rows that have found a column: exact, and quick for the ten objects or so
    that a video has.
    """
    num_rows, num_columns = gains.shape

    @functools.cache
    def best(column: int, rows: int) -> tuple[float, tuple[tuple[int, int], ...]]:
        """The largest gain of the set `rows` (bits) from the columns before `column`, and its (row, column) pairs."""
        if not rows:
            return 0.0, ()
        if rows.bit_count() > column:
            return -np.inf, ()
        found = best(column - 1, rows)
        for row in range(num_rows):
            if rows >> row & 1:
                gain, pairs = best(column - 1, rows & ~(1 << row))
                if gain + gains[row, column - 1] > found[0]:
                    found = gain + gains[row, column - 1], (*pairs, (row, column - 1))
        return found

    return tuple(column for _, column in sorted(best(num_columns, (1 << num_rows) - 1)[1]))
