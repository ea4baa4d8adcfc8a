"""Both backends from the same weights, against each other and against the package's own prediction."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertTokenizer, GroundingDinoConfig, GroundingDinoForObjectDetection

from tgs_pipeline.backends.detector.conversion import to_original
from tgs_pipeline.backends.detector.groundingdino import GroundingDinoDetector
from tgs_pipeline.backends.detector.transformers import TransformersDetector
from tgs_pipeline.grounding.choice import above, of_frame
from tgs_pipeline.operators import ground
from tgs_pipeline.params import Auto, Ground

from .conftest import SIZE, VOCABULARY

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.cuda.amp.autocast:FutureWarning")  # of the package itself

CAPTIONS = ["a red guitar.", "dog.", "the man on the left playing. a blue dog?.", "zebra with a qwxyz 7!."]
AUTO = Auto(fallbacks=[], same_place_iou=0.5, rival_share=0.5)
LONG = "the man on the left playing a guitar with a red dog. " * 30


def assert_same(one, two, *, atol: float = 1e-5) -> None:
    assert one.tokens == two.tokens
    np.testing.assert_array_equal(one.query_index, two.query_index)
    np.testing.assert_allclose(one.boxes_xyxy, two.boxes_xyxy, atol=atol)
    np.testing.assert_allclose(one.token_scores, two.token_scores, atol=atol)


@pytest.fixture(scope="module", params=["port", "original"])
def detector(request):
    return request.getfixturevalue(request.param)


def test_backends_agree_in_batches_of_different_captions_and_sizes(port, original, images):
    ported, originals = (one.detect(images, CAPTIONS, floor=0.0) for one in (port, original))
    for one, two in zip(ported, originals, strict=True):
        assert len(one.scores) == 20
        assert_same(one, two)


def test_a_result_does_not_depend_on_the_rest_of_the_batch(detector, images):
    """One frame size, so that all captions meet in one forward; then all sizes."""
    for frames in ([images[1]] * 4, images):
        together = detector.detect(frames, CAPTIONS, floor=0.0)
        alone = [detector.detect([frame], [text], floor=0.0)[0] for frame, text in zip(frames, CAPTIONS, strict=True)]
        for one, two in zip(together, alone, strict=True):
            assert_same(one, two)


def test_the_package_alone_mixes_the_captions_of_a_batch(folders, images):
    """What the hook of the backend puts right; without it the test above would fail."""
    bare = GroundingDinoDetector(folders.original, device="cpu", dtype="float32", **SIZE)
    for layer in bare._model.transformer.encoder.text_layers:
        layer._forward_pre_hooks.clear()
    together = bare.detect([images[0]] * 3, CAPTIONS[:3], floor=0.0)
    alone = bare.detect([images[0]], CAPTIONS[:1], floor=0.0)
    assert np.abs(together[0].token_scores - alone[0].token_scores).max() > 1e-3


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.8, 0.9, 0.95])
def test_thresholds_applied_later_are_those_of_the_package(port, original, images, threshold):
    """The package's predict at a threshold, against candidates at a low floor filtered by the stage ground."""
    inference = pytest.importorskip("groundingdino.util.inference")
    model, text_threshold = original._model, 0.7
    for image, caption in zip(images, CAPTIONS, strict=True):
        pixels = _pixels_of_the_package(image)
        boxes, scores, phrases = inference.predict(model, pixels, caption, threshold, text_threshold, device="cpu")
        (stored,) = original.detect([image], [caption], floor=0.05)
        kept = above(stored.scores, threshold)
        (direct,) = original.detect([image], [caption], floor=threshold)
        np.testing.assert_array_equal(stored.query_index[kept], direct.query_index)
        np.testing.assert_array_equal(stored.boxes_xyxy[kept], direct.boxes_xyxy)
        assert len(kept) == len(boxes)
        corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1)
        np.testing.assert_allclose(stored.boxes_xyxy[kept], corners.numpy(), atol=1e-5)
        np.testing.assert_allclose(stored.scores[kept], scores.numpy(), atol=1e-5)
        labels = [ground.phrase(stored.tokens, stored.token_scores[i], text_threshold=text_threshold) for i in kept]
        assert labels == [_words(phrase) for phrase in phrases]


def test_the_boxes_of_ground_are_the_first_and_the_best_of_the_package(original, images):
    inference = pytest.importorskip("groundingdino.util.inference")
    for image, caption in zip(images, CAPTIONS, strict=True):
        boxes, scores, _ = inference.predict(original._model, _pixels_of_the_package(image), caption, 0.8, 0.7, "cpu")
        (stored,) = original.detect([image], [caption], floor=0.05)
        row = {
            "status": "ok", "boxes_xyxy": stored.boxes_xyxy.ravel().tolist(), "scores": stored.scores.tolist(),
            "query_index": stored.query_index.tolist(), "tokens": stored.tokens,
            "token_scores": stored.token_scores.ravel().tolist(),
        }  # fmt: skip
        height, width = image.shape[:2]
        for select, expected in (("first", 0), ("max", int(scores.argmax()))):
            settings = Ground(prompt="s_object", auto=AUTO, null_threshold=None, clip_threshold=0.0, box_threshold=0.8,
                              text_threshold=0.7, box_select=select,
                              frames="every", selector="score", window=None, mllm=None)  # fmt: skip
            chosen = ground.ground(settings, of_frame(settings, row, rule="s_object"), height=height, width=width)
            x, y, w, h = boxes[expected].tolist()
            corners = ground.to_pixels([x - w / 2, y - h / 2, x + w / 2, y + h / 2], height=height, width=width)
            np.testing.assert_allclose(chosen["box_xyxy_px"], corners, atol=1e-2)
            assert chosen["num_candidates"] == len(boxes)


def test_long_captions_are_cut_as_in_the_package(port, original, images):
    inference = pytest.importorskip("groundingdino.util.inference")
    _, scores, _ = inference.predict(original._model, _pixels_of_the_package(images[0]), LONG, 0.0, 0.7, "cpu")
    for detector in (port, original):
        found, short = detector.detect([images[0]] * 2, [LONG.strip(), "dog."], floor=0.0)
        assert len(found.tokens) == 256
        assert found.tokens[-1] != "[SEP]"
        assert len(short.tokens) == 4
        np.testing.assert_allclose(found.scores, scores.numpy(), atol=1e-5)


def test_a_sentence_without_end_within_the_limit(port, original, images):
    """Its words attend to each other although its dot was cut off."""
    caption = "a " * 300 + "dog."
    assert_same(*(detector.detect(images[:1], [caption], floor=0.0)[0] for detector in (port, original)))


@pytest.mark.parametrize("caption", ["", "...", "dog"])
def test_refuses_what_is_no_caption(detector, images, caption):
    with pytest.raises(ValueError, match="expected at least one word and a final dot"):
        detector.detect(images[:1], [caption], floor=0.0)


def test_the_port_takes_narrow_floats_and_the_package_says_that_it_does_not(folders, port, images):
    narrow = TransformersDetector(folders.port, device="cpu", dtype="bfloat16", **SIZE)
    (found,) = narrow.detect(images[:1], CAPTIONS[:1], floor=0.0)
    assert found.scores.dtype == np.float32
    with pytest.raises(ValueError, match=r"detect\.dtype is bfloat16, but groundingdino-py runs in float32 only"):
        GroundingDinoDetector(folders.original, device="cpu", dtype="bfloat16", **SIZE)


@pytest.mark.slow
def test_backends_agree_at_the_published_size(tmp_path):
    """Swin-T, 900 queries, BERT base, random weights: 172 M parameters, a minute and 3 GB."""
    text = BertConfig()
    port, original = tmp_path / "port", tmp_path / "original"
    model = GroundingDinoForObjectDetection(GroundingDinoConfig(text_config=text))
    model.save_pretrained(port)
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(VOCABULARY)}, do_lower_case=True)
    for folder in (port, original / "bert-base-uncased"):
        tokenizer.save_pretrained(folder)
    text.save_pretrained(original / "bert-base-uncased")
    state = to_original(load_file(port / "model.safetensors"))
    torch.save({"model": state}, original / "groundingdino_swint_ogc.pth")
    size = {"shortest_edge_px": 320, "longest_edge_px": 533}
    frame = np.random.default_rng(0).integers(0, 255, (9, 16, 3), np.uint8).repeat(40, 0).repeat(40, 1)
    one, two = (
        kind(folder, device="cpu", dtype="float32", **size).detect([frame], CAPTIONS[:1], floor=0.0)[0]
        for kind, folder in ((TransformersDetector, port), (GroundingDinoDetector, original))
    )
    assert len(one.scores) == 900
    assert_same(one, two, atol=1e-4)


def _pixels_of_the_package(image: np.ndarray) -> torch.Tensor:
    from groundingdino.datasets import transforms
    from PIL import Image

    chain = transforms.Compose(
        [
            transforms.RandomResize([SIZE["shortest_edge_px"]], max_size=SIZE["longest_edge_px"]),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    return chain(Image.fromarray(image), None)[0]


def _words(phrase: str) -> str:
    for separator in ("[CLS]", "[SEP]", "?"):
        phrase = phrase.replace(separator, " ")
    return " ".join(phrase.split())
