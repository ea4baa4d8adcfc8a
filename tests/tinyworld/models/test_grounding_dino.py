import numpy as np
import pytest

from tgs_pipeline.backends.detector.transformers import TransformersDetector
from tgs_pipeline.tinyworld.models import grounding_dino
from tgs_pipeline.tinyworld.words import vocabulary


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "grounding_dino"
    grounding_dino.write(folder, seed=0)
    return folder


def test_the_same_seed_gives_the_same_files(folder, tmp_path):
    grounding_dino.write(tmp_path / "again", seed=0)
    grounding_dino.write(tmp_path / "other", seed=1)
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    weights = "model.safetensors"
    assert (tmp_path / "other" / weights).read_bytes() != (folder / weights).read_bytes()


def test_it_is_small(folder):
    assert sum(path.stat().st_size for path in folder.iterdir()) < 6e6


def test_special_tokens_have_the_ids_that_the_port_assumes():
    tokenizer = grounding_dino.make_tokenizer(vocabulary())
    assert tokenizer.convert_tokens_to_ids(["[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "?"]) == [
        0,
        100,
        101,
        102,
        1012,
        1029,
    ]
    assert len(set(tokenizer.get_vocab().values())) == len(tokenizer) == max(tokenizer.get_vocab().values()) + 1


def test_words_of_the_world_are_whole_and_others_are_spelt():
    tokenizer = grounding_dino.make_tokenizer(vocabulary())
    assert tokenizer.tokenize("The red guitar, on a hair-dryer.") == [
        "the", "red", "guitar", ",", "on", "a", "hair", "-", "dryer", "."
    ]  # fmt: skip
    assert tokenizer.tokenize("xyl7?") == ["x", "##y", "##l", "##7", "?"]
    for word in vocabulary():
        assert "[UNK]" not in tokenizer.tokenize(word)


def test_an_untrained_model_gives_later_stages_some_work(folder):
    """Some candidates pass a threshold of 0.1 on most frames, but not all of them."""
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (7, 7, 3), np.uint8).repeat(32, 0).repeat(32, 1) for _ in range(8)]
    detector = TransformersDetector(folder, shortest_edge_px=224, longest_edge_px=373, device="cpu", dtype="float32")
    found = detector.detect(frames, ["red guitar.", "the man on the left."] * 4, floor=0.05)
    passing = [int((one.scores > 0.1).sum()) for one in found]
    assert sum(count > 0 for count in passing) >= 6
    assert max(passing) < 30


def test_queries_know_where_they_are_from_the_start():
    model = grounding_dino.make_model(vocab_size=1100, seed=0)
    assert model.model.decoder.reference_points_head.layers[-1].weight.std() > 0.05
    assert not model.bbox_embed[0].layers[-1].weight.any()  # boxes start where they are proposed
