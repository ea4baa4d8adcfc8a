import numpy as np
import pytest
import torch
from PIL import Image

from tgs_pipeline.backends.detector.base import detect_batch, preprocess, resized_size

FRAMES = [(720, 1280), (1280, 720), (480, 640), (224, 224), (800, 1333), (801, 1334), (300, 900), (37, 501), (96, 96)]


@pytest.fixture(scope="module")
def transforms():
    return pytest.importorskip("groundingdino.datasets.transforms")


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(("shortest", "longest"), [(800, 1333), (224, 373), (96, 160)])
def test_sizes_are_those_of_the_package(transforms, frame, shortest, longest):
    resized, _ = transforms.resize(Image.new("RGB", frame[::-1]), None, shortest, longest)
    expected = (resized.height, resized.width)
    assert resized_size(*frame, shortest_edge_px=shortest, longest_edge_px=longest) == expected


def test_the_long_side_is_cut_not_rounded():
    assert resized_size(720, 1280, shortest_edge_px=800, longest_edge_px=1333) == (750, 1333)  # 1333.33
    assert resized_size(100, 199, shortest_edge_px=50, longest_edge_px=500) == (50, 99)  # 99.5


def test_pixels_are_those_of_the_package(transforms):
    image = np.random.default_rng(0).integers(0, 255, (90, 130, 3), np.uint8)
    chain = transforms.Compose(
        [
            transforms.RandomResize([64], max_size=1333),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    expected, _ = chain(Image.fromarray(image), None)
    torch.testing.assert_close(
        preprocess(image, shortest_edge_px=64, longest_edge_px=1333), expected, rtol=0, atol=1e-6
    )


class _Tokenizer:
    """[CLS], one token a letter, [SEP]."""

    def __call__(self, caption: str, *, verbose: bool) -> dict:
        return {"input_ids": ["[CLS]", *caption, "[SEP]"]}

    def convert_ids_to_tokens(self, ids: list[str]) -> list[str]:
        return ids


def detect(logits: list[list[float]], boxes: list[list[float]], *, floor: float, caption: str = "a."):
    def forward(pixels: torch.Tensor, captions: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor([logits]), torch.tensor([boxes])

    image = np.zeros((8, 8, 3), np.uint8)
    return detect_batch(
        [image], [caption], forward=forward, tokenizer=_Tokenizer(), floor=floor, shortest_edge_px=8, longest_edge_px=8
    )[0]


def test_keeps_queries_above_the_floor_in_query_order():
    low, high = -20.0, 20.0
    found = detect(
        [[low, low, 0.0, low, -9], [low] * 4 + [high], [high, low, low, low, -9], [low, 1.0, low, low, -9]],
        [[0.5, 0.5, 0.2, 0.4], [0.1] * 4, [0.25, 0.75, 0.5, 0.1], [1, 1, 1, 1]],
        floor=0.5,
    )
    assert found.tokens == ["[CLS]", "a", ".", "[SEP]"]  # the fifth column pads
    assert found.query_index.tolist() == [2, 3]  # 0.5 is not above 0.5; [CLS] counts
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 0.7, 0.5, 0.8], [0.5, 0.5, 1.5, 1.5]], atol=1e-6)
    np.testing.assert_allclose(found.scores, [1, 0.731059], atol=1e-6)
    assert found.token_scores.shape == (2, 4)
    assert [found.boxes_xyxy.dtype, found.scores.dtype, found.query_index.dtype] == ["float32", "float32", "int32"]


def test_nothing_above_the_floor():
    found = detect([[0.0] * 4], [[0.5] * 4], floor=0.9)
    assert (found.boxes_xyxy.shape, found.token_scores.shape, found.scores.shape) == ((0, 4), (0, 4), (0,))


def test_nan_is_no_result_and_says_so():
    assert "yields NaN" in detect([[float("nan")] * 4], [[0.5] * 4], floor=0.9).reason
    assert detect([[0.0] * 4], [[0.5] * 4], floor=0.9).reason is None


@pytest.mark.parametrize("caption", ["", ".", "guitar", " . "])
def test_refuses_what_is_no_caption(caption):
    with pytest.raises(ValueError, match="expected at least one word and a final dot"):
        detect([[0.0] * 4], [[0.5] * 4], floor=0.9, caption=caption)
