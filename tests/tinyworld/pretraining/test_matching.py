"""Boxes are cxcywh here."""

import itertools

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tgs_pipeline.tinyworld.pretraining.matching import (
    Targets,
    assign_proposals,
    assign_queries,
    hungarian,
    paired_iou,
    pairwise_iou,
)

LEFT, RIGHT = [0.2, 0.5, 0.2, 0.4], [0.7, 0.5, 0.2, 0.4]
FAR_OFF = [0.5, 0.05, 0.05, 0.05]


def make_targets(boxes, means, phrases, *, real=None, valid=None):
    """One frame. means: objects of each phrase; phrases: tokens of each."""
    boxes, phrases = torch.tensor([boxes]), torch.tensor([phrases], dtype=torch.bool)
    table = torch.zeros((1, phrases.shape[1], boxes.shape[1]), dtype=torch.bool)
    for number, objects in enumerate(means):
        table[0, number, list(objects)] = True
    real = torch.ones((1, phrases.shape[2]), dtype=torch.bool) if real is None else torch.tensor([real])
    valid = torch.ones((1, boxes.shape[1]), dtype=torch.bool) if valid is None else torch.tensor([valid])
    return Targets(boxes, valid, phrases, table, real)


def test_iou_by_hand():
    boxes = torch.tensor([[0.25, 0.5, 0.5, 1.0], [0.5, 0.5, 0.5, 1.0], [0.9, 0.5, 0.2, 1.0]])
    iou, giou = pairwise_iou(boxes[None, :1], boxes[None])
    assert_close(iou, torch.tensor([[[1.0, 1 / 3, 0.0]]]))
    # The third is .3 away: a hull of 1 holds .5 + .2.
    assert_close(giou, torch.tensor([[[1.0, 1 / 3, -0.3]]]))
    assert_close(paired_iou(boxes[[0, 0]], boxes[[1, 2]]), (torch.tensor([1 / 3, 0.0]), torch.tensor([1 / 3, -0.3])))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 3), (3, 3), (4, 7)])
def test_matching_has_the_smallest_total_cost(shape):
    rng = np.random.default_rng(0)
    for _ in range(20):
        costs = rng.normal(size=shape)
        found = hungarian(costs)
        assert len(set(found)) == shape[0]
        best = min(
            sum(costs[row, column] for row, column in enumerate(columns))
            for columns in itertools.permutations(range(shape[1]), shape[0])
        )
        assert sum(costs[row, column] for row, column in enumerate(found)) == pytest.approx(best)


def test_matching_gives_way():
    """Both rows like the first column best; the second loses less by going elsewhere."""
    assert hungarian(np.array([[0.0, 9.0, 9.0], [0.0, 1.0, 5.0]])) == [0, 1]


def test_a_query_is_positive_by_overlap_or_match_and_indifferent_between():
    """Tokens: 0 is no phrase's, 1 and 2 mean the left object, 3 the right one, 4 an absent one, 5 is padding."""
    phrases = [[0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0]]
    targets = make_targets([LEFT, RIGHT], [(0,), (1,), ()], phrases, real=[True] * 5 + [False])
    boxes = torch.tensor([[
        LEFT,
        [0.2, 0.5, 0.2, 0.3],  # IoU .75 with the left object
        [0.2, 0.5, 0.2, 0.2],  # IoU .5
        [0.2, 0.5, 0.2, 0.1],  # IoU .25
        [0.75, 0.5, 0.2, 0.1],  # IoU .19 with the right object, and yet the best
    ]])  # fmt: skip
    found = assign_queries(torch.zeros((1, 5, 6)), boxes, targets)
    assert found.labels[0].tolist() == [[0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0] * 6, [0] * 6, [0, 0, 0, 1, 0, 0]]
    everything, spared = [1, 1, 1, 1, 1, 0], [1, 0, 0, 1, 1, 0]
    assert found.weights[0].tolist() == [everything, everything, spared, everything, everything]
    assert found.positive[0].tolist() == [True, True, False, False, True]
    assert found.object[0][found.positive[0]].tolist() == [0, 0, 1]


def test_the_words_decide_which_of_two_equal_boxes_is_matched():
    targets = make_targets([LEFT], [(0,)], [[1, 0]])
    logits = torch.tensor([[[-3.0, 0.0], [2.0, 0.0], [0.0, 5.0]]])
    boxes = torch.tensor([[0.2, 0.5, 0.2, 0.1]] * 3)[None]
    assert assign_queries(logits, boxes, targets).positive[0].tolist() == [False, True, False]


def test_nothing_is_said_where_nothing_is_meant():
    targets = make_targets([[0.5, 0.5, 1.0, 1.0]], [()], [[1, 1]], valid=[False])
    found = assign_queries(torch.zeros((1, 2, 2)), torch.tensor([[[0.5, 0.5, 1.0, 1.0], LEFT]]), targets)
    assert not found.positive.any() and not found.labels.any() and found.weights.all()


def test_an_object_of_two_phrases_has_the_tokens_of_both():
    targets = make_targets([LEFT, RIGHT], [(0,), (0, 1)], [[1, 0, 0], [0, 1, 0]])
    assert targets.tokens.tolist() == [[[True, True, False], [False, True, False]]]


def test_frames_of_a_batch_are_matched_by_themselves():
    one = make_targets([LEFT], [(0,)], [[1, 0]])
    other = make_targets([RIGHT], [(0,)], [[0, 1]])
    parts = [
        torch.cat([getattr(one, name), getattr(other, name)]) for name in ("boxes", "valid", "phrases", "means", "real")
    ]
    found = assign_queries(torch.zeros((2, 2, 2)), torch.tensor([[LEFT, RIGHT]] * 2), Targets(*parts))
    assert found.labels.tolist() == [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]


def test_cells_around_the_centre_propose():
    """Four cells in a row with stride .25: the object covers the middle two and half of the others."""
    centers = torch.tensor([[0.125, 0.5], [0.375, 0.5], [0.625, 0.5], [0.875, 0.5]])
    targets = make_targets([[0.4, 0.5, 0.6, 0.5]], [(0,)], [[1, 0]])
    found = assign_proposals(centers, torch.full((4,), 0.25), targets)
    assert found.positive[0].tolist() == [False, True, True, False]
    assert found.labels[0].tolist() == [[0, 0], [1, 0], [1, 0], [0, 0]]
    assert found.weights[0].tolist() == [[0, 1], [1, 1], [1, 1], [1, 1]]  # the first lies in the box


def test_a_cell_proposes_the_nearer_of_two_objects():
    targets = make_targets([[0.45, 0.5, 0.2, 0.2], [0.52, 0.5, 0.2, 0.2]], [(0,), (1,)], [[1, 0], [0, 1]])
    found = assign_proposals(torch.tensor([[0.5, 0.5]]), torch.tensor([0.2]), targets)
    assert found.object.tolist() == [[1]]
