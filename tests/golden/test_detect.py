"""Ours against detect.json: the boxes of the original Grounding-DINO for captions as upstream words them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import ground_case
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertTokenizer, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

from tgs_pipeline.backends.detector.conversion import to_original, to_port
from tgs_pipeline.backends.detector.groundingdino import GroundingDinoDetector
from tgs_pipeline.backends.detector.transformers import TransformersDetector
from tgs_pipeline.grounding.choice import of_frame
from tgs_pipeline.params import Auto, Ground

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.cuda.amp.autocast:FutureWarning")  # of the package itself
GOLDEN = json.loads(Path(__file__).with_name("detect.json").read_text())
SIZE = {"shortest_edge_px": ground_case.SHORTEST_EDGE_PX, "longest_edge_px": ground_case.LONGEST_EDGE_PX}


def port_model():
    dino = ground_case.DINO
    return GroundingDinoForObjectDetection(
        GroundingDinoConfig(
            backbone_config=SwinConfig(image_size=224, out_indices=[2, 3, 4], **ground_case.SWIN),
            text_config=BertConfig(**ground_case.BERT),
            num_queries=dino["num_queries"],
            encoder_layers=dino["enc_layers"],
            decoder_layers=dino["dec_layers"],
            encoder_ffn_dim=dino["dim_feedforward"],
            decoder_ffn_dim=dino["dim_feedforward"],
        )
    )


@pytest.fixture(scope="module", params=["transformers", "groundingdino"])
def detector(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(ground_case.VOCABULARY)})
    port_model().save_pretrained(tmp_path_factory.getbasetemp() / "shapes")
    shapes = load_file(tmp_path_factory.getbasetemp() / "shapes" / "model.safetensors")
    state = {
        name: torch.from_numpy(ground_case.dino_weight(name, tuple(tensor.shape)))
        for name, tensor in to_original(shapes).items()
    }
    if request.param == "transformers":
        port_model().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        drawn = {name: tensor for name, tensor in to_port(state).items() if name in shapes}
        save_file(shapes | drawn, folder / "model.safetensors", metadata={"format": "pt"})
        return TransformersDetector(folder, device="cpu", dtype="float32", **SIZE)
    torch.save({"model": state}, folder / "model.pth")
    (folder / "config.json").write_text(json.dumps({**ground_case.DINO, "swin": ground_case.SWIN}))
    BertConfig(**ground_case.BERT).save_pretrained(folder / "bert-base-uncased")
    tokenizer.save_pretrained(folder / "bert-base-uncased")
    return GroundingDinoDetector(folder, device="cpu", dtype="float32", **SIZE)


@pytest.mark.parametrize("text", ground_case.OBJECTS)
def test_boxes(detector, text):
    found = detector.detect([ground_case.frame()], [f"{text}."], floor=ground_case.BOX_THRESHOLD)[0]
    expected = GOLDEN[text]
    assert len(found.scores) == len(expected["scores"])
    assert np.abs(found.scores - np.array(expected["scores"])).max() < 1e-4
    centre, size = np.split(np.array(expected["boxes_cxcywh"]), 2, axis=1)
    assert np.abs(found.boxes_xyxy - np.concatenate([centre - size / 2, centre + size / 2], axis=1)).max() < 1e-4


@pytest.mark.parametrize(("box_select", "index"), [("first", 0), ("max", None)])
@pytest.mark.parametrize("text", ground_case.OBJECTS)
def test_the_chosen_box_in_both_modes(detector, text, box_select, index):
    """`boxes[:1]` of upstream is the first row of the golden values; the corrected choice scores highest."""
    found = detector.detect([ground_case.frame()], [f"{text}."], floor=0.05)[0]
    settings = Ground(
        frames="every",
        selector="score",
        window=None,
        mllm=None,
        prompt="s_object",
        auto=Auto(fallbacks=[], same_place_iou=0.5, rival_share=0.5),
        null_threshold=None,
        clip_threshold=0.0,
        box_threshold=ground_case.BOX_THRESHOLD,
        text_threshold=0.25,
        box_select=box_select,
    )
    row = {"status": "ok", "boxes_xyxy": found.boxes_xyxy.ravel().tolist(), "scores": found.scores.tolist()}
    chosen = of_frame(settings, row, rule="s_object").chosen
    expected = GOLDEN[text]
    best = int(np.argmax(expected["scores"])) if index is None else index
    x, y, width, height = expected["boxes_cxcywh"][best]
    corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    assert np.abs(found.boxes_xyxy[chosen] - corners).max() < 1e-4
    assert np.argmax(expected["scores"]) > 0, "the modes would not differ"
