import numpy as np
import pytest
import torch
from tinyworld.samples import make_object, make_scene

from tgs_pipeline.backends.detector.base import preprocess
from tgs_pipeline.tinyworld.models import grounding_dino
from tgs_pipeline.tinyworld.pretraining import cells
from tgs_pipeline.tinyworld.pretraining.cells import (
    CATEGORY_NAMES,
    COLOR_NAMES,
    NOTHING,
    PLACE_NAMES,
    SIDES,
    CellReader,
    Cells,
    label_cells,
    loss_of,
    make_batch,
    normalise,
    split_levels,
)
from tgs_pipeline.tinyworld.scene import Scene

NUM_CELLS = 28 * 28 + 14 * 14 + 7 * 7


def test_cells_show_what_covers_a_quarter_of_them():
    masks = np.zeros((2, 224, 224), bool)
    masks[0, :32, :32] = True  # a cell of the coarsest level
    masks[1, :16, 32:48] = True  # a quarter of the next one
    masks[1, 216:, 216:220] = True  # half of a cell of the finest level
    on_the_right = {"centers": ((0.8, 0.5),) * 10}
    scene = make_scene(make_object(0, "cat", color="red", **on_the_right), make_object(1, "dog", color="blue"))
    found = label_cells(scene, masks)
    assert found.category.shape == found.color.shape == (1, NUM_CELLS) and found.category.dtype == np.int64
    levels = np.split(found.category[0], np.cumsum([side * side for side in SIDES])[:-1])
    fine, middle, coarse = (level.reshape(side, side) for level, side in zip(levels, SIDES, strict=True))
    cat, dog = CATEGORY_NAMES.index("cat"), CATEGORY_NAMES.index("dog")
    assert coarse[0].tolist() == [cat, dog, *[NOTHING] * 5] and (coarse[1:] == NOTHING).all()
    assert middle[0].tolist() == [cat, cat, dog, *[NOTHING] * 11]
    assert (fine == cat).sum() == 16 and (fine == dog).sum() == 4 + 1 and fine[27, 27] == dog
    colors = found.color[0][found.category[0] == cat]
    assert set(colors.tolist()) == {COLOR_NAMES.index("red")}
    places = found.place[0][found.category[0] == cat]  # of the object, wherever its cells are
    assert set(places.tolist()) == {PLACE_NAMES.index(" on the right")}


def test_a_frame_without_objects_shows_nothing():
    found = label_cells(Scene(()), np.zeros((0, 224, 224), bool))
    assert (
        found.category.shape == (1, NUM_CELLS) and (found.category == NOTHING).all() and (found.color == NOTHING).all()
    )


def test_batches_depend_on_their_number_alone():
    one, again, other = (make_batch(1, number, clips=1) for number in (3, 3, 4))
    assert one.pixels.shape == (2, 224, 224, 3) and one.cells.category.shape == (2, NUM_CELLS)
    assert (one.pixels == again.pixels).all() and (one.cells.color == again.cells.color).all()
    assert (one.pixels != other.pixels).any()
    assert (make_batch(1, 0, clips=4).pixels[6:] == one.pixels).all()
    assert (one.cells.category >= 0).mean() > 0.05


def test_frames_are_normalised_as_the_backends_do():
    pixels = np.random.default_rng(0).integers(0, 255, (1, 224, 224, 3), np.uint8)
    torch.testing.assert_close(normalise(pixels)[0], preprocess(pixels[0], shortest_edge_px=224, longest_edge_px=373))


def test_feature_maps_have_the_cells_of_the_labels():
    backbone = grounding_dino.make_model(vocab_size=1100, seed=0).get_submodule("model.backbone.conv_encoder")
    features = cells.features_of(backbone, np.zeros((1, 224, 224, 3), np.uint8))
    widths = zip(SIDES, grounding_dino.BACKBONE_WIDTHS, strict=True)
    assert [tuple(one.shape) for one in features] == [(1, side * side, width) for side, width in widths]


def test_the_loss_by_hand():
    """Readers that always say the same with certainty 1 / classes, then readers that know."""
    labels = np.full((1, NUM_CELLS), NOTHING)
    labels[0, :3] = [2, 2, 5]
    labels[0, -1] = 1
    reader = CellReader([4, 4, 4])
    features = split_levels(torch.zeros(1, NUM_CELLS, 4))
    for head in (*reader.category, *reader.color):
        torch.nn.init.zeros_(head.bias)
    loss, right = loss_of(reader, features, Cells(labels, labels % 8, labels % 3))
    expected = 3 * np.log(len(CATEGORY_NAMES) + 1) + 3 * np.log(len(COLOR_NAMES) + 1)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert set(right) == {f"{what}_{stride}" for what in ("category", "color") for stride in (8, 16, 32)}
    with torch.no_grad():
        reader.category[0].bias[2] = 50.0
        reader.category[2].bias[1] = 50.0
    loss, right = loss_of(reader, features, Cells(labels, labels % 8, labels % 3))
    assert right["category_8"] == pytest.approx(2 / 3) and right["category_32"] == 1
    assert right["category_16"] == 0  # nothing there to be told
    # Level 8: of 3 covered cells, one is wrong, and all others, which weigh .2.
    wrong, total = 1 + 0.2 * (784 - 3), 3 + 0.2 * (784 - 3)
    coarse = 50 * 0.2 * 48 / (1 + 0.2 * 48)
    others = np.log(19) + 3 * np.log(9)
    assert loss.item() == pytest.approx(50 * wrong / total + coarse + others, rel=1e-4)
