import numpy as np
import pytest
import torch

from tgs_pipeline.tinyworld import words
from tgs_pipeline.tinyworld.models.grounding_dino import make_tokenizer
from tgs_pipeline.tinyworld.pretraining.cells import CATEGORY_NAMES, COLOR_NAMES, NOTHING, PLACE_NAMES, Cells
from tgs_pipeline.tinyworld.pretraining.word_cells import WordReader, loss_of

WIDTH = 8


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(words.vocabulary())


@pytest.fixture
def reader(tokenizer):
    torch.manual_seed(0)
    return WordReader(tokenizer, width=WIDTH)


def cells_of(*shown):
    """One frame; each cell shows a category of a colour at a place, or nothing."""
    names = (CATEGORY_NAMES, COLOR_NAMES, PLACE_NAMES)
    rows = [[NOTHING] * 3 if one is None else [kind.index(name) for kind, name in zip(names, one, strict=True)]
            for one in shown]  # fmt: skip
    return Cells(*np.array(rows).T[:, None])


SHOWN = (("dog", "red", " on the left"), ("cat", "blue", " on the right"), None)


def test_a_word_is_true_of_the_cells_that_show_what_it_names(reader, tokenizer):
    """A reader that knows exactly which word fits which cell has no loss; one that says the opposite is never right."""
    ids = tokenizer(["red dog on the right."], return_tensors="pt")["input_ids"]
    fits = {"red": (1, 0), "dog": (1, 0), "right": (0, 1)}
    reader.words = reader.cells = torch.nn.Identity()  # the features are compared as they are
    memory = torch.zeros(1, 3, WIDTH)
    memory[0, 0, 0] = memory[0, 1, 1] = 100.0
    text = torch.zeros(1, ids.shape[1], WIDTH)
    for place, token in enumerate(tokenizer.convert_ids_to_tokens(ids[0])):
        for cell, fit in enumerate(fits.get(token, ())):
            text[0, place, cell] = 100.0 if fit else -100.0
    memory.requires_grad_()
    loss, right = loss_of(reader, memory, text, ids, cells_of(*SHOWN))
    assert loss.item() == 0 and right == {"word_category": 1.0, "word_color": 1.0, "word_place": 1.0}
    loss, right = loss_of(reader, memory, -text, ids, cells_of(*SHOWN))
    assert right == {"word_category": 0.0, "word_color": 0.0, "word_place": 0.0}
    assert loss.item() == pytest.approx(3 * 1e4 / 8)  # 100 * 100 / sqrt(64) wrong, in the mean over each kind
    loss.backward()
    assert memory.grad[0, 2].abs().sum() == 0  # a cell that shows nothing is not asked about


def test_words_that_name_nothing_and_empty_frames_cost_nothing(reader, tokenizer):
    text, memory = torch.randn(1, 12, WIDTH), torch.randn(1, 3, WIDTH)
    nothing = {"word_category": 0.0, "word_color": 0.0, "word_place": 0.0}
    ids = tokenizer(["the object on the."], return_tensors="pt")["input_ids"]
    assert loss_of(reader, memory, text[:, : ids.shape[1]], ids, cells_of(*SHOWN)) == (0, nothing)
    ids = tokenizer(["red dog right."], return_tensors="pt")["input_ids"]
    assert loss_of(reader, memory, text[:, : ids.shape[1]], ids, cells_of(None, None, None)) == (0, nothing)


def test_it_can_be_learned_from_features_that_tell(reader, tokenizer):
    """Random features of words and of cells, the same in every frame: which belongs to which is learned."""
    rng = np.random.default_rng(0)
    vectors = torch.randn(len(tokenizer), WIDTH)
    of_cells = torch.randn(len(CATEGORY_NAMES), WIDTH)
    optimizer = torch.optim.Adam(reader.parameters(), lr=3e-2)
    found = []
    for _ in range(200):
        names = rng.choice(6, 3, replace=False)
        shown = [(CATEGORY_NAMES[number], "red", " on the left") for number in names]
        asked = CATEGORY_NAMES[int(rng.integers(6))]
        ids = tokenizer([f"{asked}."], return_tensors="pt")["input_ids"]
        loss, right = loss_of(reader, of_cells[names][None], vectors[ids], ids, cells_of(*shown))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(right["word_category"])
    assert np.mean(found[-50:]) > 0.95 > 0.8 > np.mean(found[:10])
