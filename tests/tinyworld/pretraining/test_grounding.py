import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tinyworld.samples import make_object, make_scene
from torch import nn
from torch.testing import assert_close

from tgs_pipeline.tinyworld.models import grounding_dino
from tgs_pipeline.tinyworld.pretraining import grounding
from tgs_pipeline.tinyworld.pretraining.cells import CellReader, label_cells, split_levels
from tgs_pipeline.tinyworld.pretraining.cells import loss_of as cell_loss_of
from tgs_pipeline.tinyworld.pretraining.grounding import (
    Said,
    Sample,
    ask,
    cell_geometry,
    collate,
    draw_phrases,
    focal_loss,
    loss_of,
    make_batch,
    make_sample,
    separation,
)
from tgs_pipeline.tinyworld.pretraining.loop import Plan, train
from tgs_pipeline.tinyworld.pretraining.matching import Targets
from tgs_pipeline.tinyworld.pretraining.phrases import Phrase, View
from tgs_pipeline.tinyworld.words import vocabulary
from tgs_pipeline.training.pretraining import is_layer_matrix


@pytest.fixture(scope="module")
def tokenizer():
    return grounding_dino.make_tokenizer(vocabulary())


@pytest.fixture
def model(tokenizer):
    return grounding_dino.make_model(vocab_size=len(tokenizer), seed=1)


def sample_of(*phrases, boxes=((0.1, 0.2, 0.3, 0.6), (0.5, 0.5, 0.9, 1.0))):
    objects = [make_object(index, "cat") for index in range(len(boxes))]
    view = View(make_scene(*objects), np.array(boxes, np.float32), tuple(range(len(boxes))), ())
    pixels = np.zeros((224, 224, 3), np.uint8)
    return Sample(pixels, label_cells(view.scene, np.zeros((len(boxes), 224, 224), bool)), view, phrases)


def test_samples_depend_on_their_number_alone():
    one, again = make_sample(1, 5), make_sample(1, 5)
    assert (one.pixels == again.pixels).all() and one.phrases == again.phrases
    assert (one.pixels != make_sample(1, 6).pixels).any()


def test_captions_are_of_every_sort():
    samples = [make_sample(2, index) for index in range(120)]
    numbers = [len(sample.phrases) for sample in samples]
    assert 0.25 < np.mean([number == 1 for number in numbers]) < 0.6 and max(numbers) == 6
    phrases = [phrase for sample in samples for phrase in sample.phrases]
    assert 0.35 < np.mean([not phrase.meant for phrase in phrases]) < 0.65
    assert any(not sample.view.scene.objects for sample in samples)
    assert any(" on the " in phrase.text for phrase in phrases)
    for sample in samples:
        assert len({phrase.text for phrase in sample.phrases}) == len(sample.phrases)
        assert {index for phrase in sample.phrases for index in phrase.meant} <= set(sample.view.shown)


def test_some_captions_are_raw_references(monkeypatch):
    monkeypatch.setattr(grounding, "draw_reference", lambda rng, view: Phrase("the leftmost thing", (0,)))
    rng = np.random.default_rng(0)
    drawn = [draw_phrases(rng, sample_of().view) for _ in range(200)]
    assert 3 <= sum(phrases[0].text == "the leftmost thing" for phrases in drawn) <= 25
    assert all(len(phrases) == 1 for phrases in drawn if phrases[0].text == "the leftmost thing")


def test_a_batch_knows_which_tokens_mean_which_object(tokenizer):
    batch = collate(
        [
            sample_of(Phrase("red cat", (1,)), Phrase("dog", ()), Phrase("the hair-dryer on the left", (0, 1))),
            sample_of(Phrase("man", ())),
        ],
        tokenizer,
    )
    words = [tokenizer.convert_ids_to_tokens(ids) for ids in batch.text["input_ids"]]
    assert words[0] == (
        ["[CLS]", "red", "cat", ".", "dog", ".", "the", "hair", "-", "dryer", "on", "the", "left", ".", "[SEP]"]
    )
    targets = batch.targets

    def said(mask):
        return [word for word, is_meant in zip(words[0], mask.tolist(), strict=True) if is_meant]

    left = ["the", "hair", "-", "dryer", "on", "the", "left"]
    assert [said(mask) for mask in targets.phrases[0]] == [["red", "cat"], ["dog"], left]
    assert [said(mask) for mask in targets.tokens[0]] == [left, ["red", "cat", *left]]
    assert targets.valid.tolist() == [[True, True], [False, False]] and not targets.tokens[1].any()
    assert_close(targets.boxes[0], torch.tensor([[0.2, 0.4, 0.2, 0.4], [0.7, 0.75, 0.4, 0.5]]))
    assert targets.real.sum(dim=1).tolist() == [15, 4]


def test_the_heads_of_the_last_layer_are_what_the_model_says(model, tokenizer):
    model.eval()
    randomise(model)
    batch = make_batch(3, 0, size=2, tokenizer=tokenizer)
    with torch.no_grad():
        said, whole = ask(model, batch), model(pixel_values=batch.pixels, **batch.text)
    length = batch.text["input_ids"].shape[1]
    assert len(said.logits) == len(said.boxes) == 3
    assert_close(said.logits[-1], whole.logits[..., :length])
    assert_close(said.boxes[-1], whole.pred_boxes)
    assert not torch.equal(said.boxes[0], said.boxes[1])
    centers, strides = cell_geometry()
    assert said.proposal_boxes.shape == (2, len(centers), 4) and strides[0] == 1 / 28
    assert centers[29].tolist() == pytest.approx([1.5 / 28, 1.5 / 28]) and centers[-1].tolist() == pytest.approx(
        [6.5 / 7, 6.5 / 7]
    )


def test_proposals_start_at_their_cells(model, tokenizer):
    """So the geometry of the loss is that of the network."""
    with torch.no_grad():
        said = ask(model, make_batch(3, 0, size=1, tokenizer=tokenizer))
    assert_close(said.proposal_boxes[0, :, :2], cell_geometry()[0], atol=1e-5, rtol=0)


def test_focal_loss_by_hand():
    logits, labels = torch.tensor([math.log(3), math.log(3), 0.0]), torch.tensor([1.0, 0.0, 0.0])
    expected = [0.25 * 0.25**2 * -math.log(0.75), 0.75 * 0.75**2 * -math.log(0.25), 0.75 * 0.25 * math.log(2)]
    assert focal_loss(logits, labels).tolist() == pytest.approx(expected)


def hand_targets():
    """One object, meant by the first of two tokens; a third is padding."""
    return Targets(
        boxes=torch.tensor([[[0.5, 0.5, 0.4, 0.4]]]),
        valid=torch.ones((1, 1), dtype=torch.bool),
        phrases=torch.tensor([[[True, False, False], [False, True, False]]]),
        means=torch.tensor([[[True], [False]]]),
        real=torch.tensor([[True, True, False]]),
    )


def hand_said(box=(0.5, 0.5, 0.4, 0.4)):
    """Two queries: one for the object, certain of the right token by 3 to 1; one of nothing, undecided."""
    logits = torch.tensor([[[math.log(3), -math.log(3), -torch.inf], [0.0, 0.0, -torch.inf]]])
    boxes = torch.tensor([[list(box), [0.05, 0.05, 0.1, 0.1]]])
    num_cells = len(cell_geometry()[0])
    proposals = torch.full((1, num_cells, 3), -1e4)
    centered = torch.tensor([0.5, 0.5, 0.4, 0.4]).repeat(1, num_cells, 1)
    return Said((logits,), (boxes,), proposals, centered, memory=torch.zeros(1), text=torch.zeros(1))


def test_the_loss_by_hand(monkeypatch):
    monkeypatch.setattr(grounding, "_proposal_loss", lambda said, targets: (torch.zeros(()), {}))
    hit = 0.25 * 0.25**2 * -math.log(0.75)  # right token of the right query
    denied = 0.75 * 0.25**2 * -math.log(0.75)  # its other token
    undecided = 2 * 0.75 * 0.25 * math.log(2)
    loss, measures = loss_of(hand_said(), hand_targets())
    assert loss.item() == pytest.approx(2 * (hit + denied + undecided))
    assert (measures["l1"], measures["iou"]) == (0, pytest.approx(1))
    # A box half as wide: L1 .2, IoU and generalised IoU .5. It is matched, whatever its overlap.
    loss, measures = loss_of(hand_said((0.5, 0.5, 0.2, 0.4)), hand_targets())
    assert loss.item() == pytest.approx(2 * (hit + denied + undecided) + 5 * 0.2 + 2 * 0.5)
    assert measures["l1"] == pytest.approx(0.2) and measures["iou"] == pytest.approx(0.5)
    # Two layers count twice.
    said = hand_said()
    twice = replace(said, logits=said.logits * 2, boxes=said.boxes * 2)
    assert loss_of(twice, hand_targets())[0].item() == pytest.approx(2 * loss_of(said, hand_targets())[0].item())


def test_proposals_are_part_of_the_loss():
    """All cells deny all: those around the centre are wrong, each alike."""
    said = hand_said()
    loss, measures = loss_of(said, hand_targets())
    assert measures["proposal_class"] == pytest.approx(0.25 * 1e4) and measures["proposal_iou"] == pytest.approx(1)
    assert loss.item() > 2 * 0.25 * 1e4


def test_separation_by_hand():
    found = separation(hand_said().logits[0], hand_said().boxes[0], hand_targets())
    assert found == {"right": 1.0, "score_present": pytest.approx(0.75), "score_absent": pytest.approx(0.5)}
    found = separation(hand_said().logits[0], hand_said((0.5, 0.5, 0.1, 0.4)).boxes[0], hand_targets())
    assert found["right"] == 0


def randomise(model):
    """Nothing is zero, so that no gradient is by chance."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))


def test_everything_learns(model, tokenizer):
    """Also what the loss of transformers leaves out: enc_output, its norm and the box head of the proposals."""
    randomise(model)
    batch = make_batch(5, 0, size=2, tokenizer=tokenizer)
    assert batch.targets.valid.any()
    loss, _ = loss_of(ask(model, batch), batch.targets)
    loss.backward()
    still = {name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()}
    assert {name for name in still if "swin.layernorm" not in name} == set()  # the port reads that norm nowhere
    assert all(one.grad.isfinite().all() for one in model.parameters() if one.grad is not None)
    for name in ("enc_output.weight", "enc_output_norm.bias", "encoder_output_bbox_embed.layers.2.weight"):
        assert model.model.get_parameter(name).grad.abs().max() > 0


def test_one_batch_is_learned_by_heart(model, tokenizer, tmp_path):
    """By the very loop of the training, matrix products in bfloat16; and the labels of its cells beside it."""
    batch = make_batch(6, 1, size=2, tokenizer=tokenizer)
    module = nn.ModuleDict({"detector": model, "reader": CellReader([96, 96, 96])})
    plan = Plan(
        num_steps=30,
        warmup_steps=3,
        matrix_rate=1e-2,
        other_rate=2e-3,
        decay_power=1.0,
        bfloat16=True,
        log_every_steps=1,
        save_every_steps=100,
    )

    def step(number):
        said = ask(model, batch)
        loss, measures = loss_of(said, batch.targets)
        of_cells, _ = cell_loss_of(module["reader"], split_levels(said.memory), batch.cells)
        return loss + of_cells, measures | {"cells": of_cells.item()}

    curve = train("toy", module, step, is_matrix=is_layer_matrix(module), plan=plan, folder=tmp_path)
    first, last = curve[0], curve[-1]
    assert last["loss"] < 0.3 * first["loss"] and last["cells"] < 0.3 * first["cells"]
    assert last["iou"] > 0.6 and last["proposal_iou"] > 0.5
    assert last["score_present"] > 0.5 and last["score_absent"] < 0.2 and last["right"] >= 0.6
