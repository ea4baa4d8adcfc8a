import math

import numpy as np
import pytest
import torch

from tgs_pipeline.models.qformer import MediaProjector
from tgs_pipeline.tinyworld.pretraining.slots import SlotWriter, loss_of, targets_of
from tgs_pipeline.tinyworld.transcript import EMPTY, NUM_SLOTS, WORDS


def test_targets_by_hand():
    targets = targets_of([["red", "cat", "column 3"], ["heard dog"]])
    assert (targets.shape, targets.dtype) == ((NUM_SLOTS, len(WORDS)), np.float32)
    named = [{WORDS[number] for number in np.flatnonzero(slot)} for slot in targets]
    assert named == [{"red", "cat", "column 3"}, {"heard dog"}, {EMPTY}, {EMPTY}]
    assert set(np.unique(targets)) == {0.0, 1.0}


def test_more_objects_than_slots_are_an_error():
    with pytest.raises(ValueError, match="zip"):
        targets_of([["cat"]] * (NUM_SLOTS + 1))


def test_the_loss_of_a_writer_that_knows_nothing_or_all():
    targets = np.stack([targets_of([["red", "cat"]]), targets_of([])])
    loss, right = loss_of(torch.zeros(2, NUM_SLOTS, len(WORDS)), targets)
    assert loss.item() == pytest.approx(len(WORDS) * math.log(2), rel=1e-5)  # of each slot
    assert right == 0.0
    logits = 100 * (torch.from_numpy(targets) - 0.5)
    loss, right = loss_of(logits, targets)
    assert loss.item() == pytest.approx(0, abs=1e-5) and right == 1.0
    logits[0, 0, WORDS.index("dog")] = 100  # one word too many in the only used slot
    assert loss_of(logits, targets)[1] == 0.0
    assert loss_of(logits[1:], targets[1:])[1] == 1.0  # nothing is used, nothing is wrong


def test_the_writer_reads_the_queries_of_the_projector():
    torch.manual_seed(0)
    projector = MediaProjector(
        encoder_dim=12, llm_dim=20, num_queries=NUM_SLOTS, hidden_dim=16, num_layers=1, num_heads=2, ffn_dim=24
    ).eval()
    writer = SlotWriter(projector, hidden_dim=16)
    features = torch.randn(3, 5, 12)
    with torch.no_grad():
        logits, queries = writer(features), projector.condense(features)
        assert (logits.shape, queries.shape) == ((3, NUM_SLOTS, len(WORDS)), (3, NUM_SLOTS, 16))
        assert torch.equal(logits, writer.words(queries))
        embeddings = projector(features[None])
        torch.testing.assert_close(embeddings, projector.proj(queries).reshape(1, 3 * NUM_SLOTS, 20))
