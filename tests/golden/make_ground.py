"""Run the original Grounding-DINO and SAM 2 on the cases of ground_case.py; write detect.json and segment.json.

    PYTHONPATH=tests:FOLDER:PACKAGES python tests/golden/make_ground.py

FOLDER: ground_segment_scripts/Grounded-SAM-2 of a checkout of jasongief/TGS-Agent; PACKAGES: transformers 4.37.2 with
tokenizers 0.15.2. What is done between the models is what the script of upstream does between them
(ground_segment_with_object_text_after_thinking_for_RefAVSBench.py, lines 130 to 200), in its order.
"""

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import transformers
import yaml
from golden import drawn, ground_case
from PIL import Image

TGS = "jasongief/TGS-Agent 4e144c9: ground_segment_scripts/Grounded-SAM-2"
VERSIONS = f"transformers {transformers.__version__}, torch {torch.__version__}, opencv {cv2.__version__}, CPU"


@torch.no_grad()
def detect() -> dict:
    """What `predict` of the original gives for each object text, as upstream words it."""
    sys.modules["supervision"] = ModuleType("supervision")
    sys.modules["supervision"].Detections = None
    import grounding_dino.groundingdino.datasets.transforms as T
    from grounding_dino.groundingdino.models import build_model
    from grounding_dino.groundingdino.models.GroundingDINO.backbone import backbone
    from grounding_dino.groundingdino.util import get_tokenlizer, inference
    from grounding_dino.groundingdino.util.slconfig import SLConfig

    with tempfile.TemporaryDirectory() as folder:
        text = transformers.BertConfig(**ground_case.BERT)
        text.save_pretrained(folder)
        (Path(folder) / "vocab.txt").write_text("\n".join(ground_case.VOCABULARY))
        tokenizer = transformers.BertTokenizer(str(Path(folder) / "vocab.txt"), do_lower_case=True)
    get_tokenlizer.get_tokenlizer = lambda _: tokenizer
    get_tokenlizer.get_pretrained_language_model = lambda _: transformers.BertModel(text)
    backbone.build_swin_transformer = partial(backbone.build_swin_transformer, **ground_case.SWIN)
    config = SLConfig.fromfile(str(Path(inference.__file__).parents[1] / "config" / "GroundingDINO_SwinT_OGC.py"))
    for name, value in ground_case.DINO.items():
        setattr(config, name, value)
    config.device, config.use_checkpoint, config.use_transformer_ckpt = "cpu", False, False
    model = build_model(config).eval()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.from_numpy(ground_case.dino_weight(name, tuple(tensor.shape))))
    pixels, _ = T.Compose(
        [
            T.RandomResize([ground_case.SHORTEST_EDGE_PX], max_size=ground_case.LONGEST_EDGE_PX),
            T.ToTensor(),
            T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )(Image.fromarray(ground_case.frame()), None)
    found = {}
    for text in ground_case.OBJECTS:
        boxes, scores, _ = inference.predict(
            model, pixels, text.lower().strip() + ".", ground_case.BOX_THRESHOLD, 0.25, device="cpu"
        )
        found[text] = {"boxes_cxcywh": rounded(boxes), "scores": rounded(scores)}
    return found


@torch.no_grad()
def segment() -> dict:
    """Low-resolution logits, score map and mask of one box: upstream's square BGR frame, and the frame as it is."""
    from hydra.utils import instantiate
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    tree = yaml.safe_load(Path("tests/golden/sam2.yaml").read_text())["model"]
    model = instantiate(tree, _recursive_=True).eval()
    for name, tensor in model.state_dict().items():
        tensor.copy_(torch.from_numpy(drawn.weight(name, tuple(tensor.shape))))
    predictor = SAM2ImagePredictor(model)
    predictor._bb_feat_sizes = [(56, 56), (28, 28), (14, 14)]  # the predictor knows models of 1024 px only
    image = ground_case.frame()
    side = ground_case.SQUARE_PX
    squeezed = cv2.cvtColor(cv2.resize(image, (side, side)), cv2.COLOR_BGR2RGB)
    found = {}
    for mode, shown in (("parity", squeezed), ("corrected", image)):
        height, width = shown.shape[:2]
        box = np.float32(ground_case.BOX) * np.float32([width, height, width, height])
        predictor.set_image(shown)
        masks, _, logits = predictor.predict(box=box[None], multimask_output=False)
        scores = F.interpolate(torch.from_numpy(logits)[None].float(), size=(side, side), mode="bilinear").sigmoid()
        found[mode] = {
            "low_res_logits": rounded(torch.from_numpy(logits[0])[::4, ::4]),
            "score_map": rounded(scores[0, 0, ::8, ::8]),
            "mask_rows": ["".join(map(str, row)) for row in masks[0].astype(int)[::4, ::4].tolist()],
            "mask_area_px": int(masks[0].sum()),
        }
    return found


def rounded(tensor: torch.Tensor) -> list:
    return np.round(tensor.numpy().astype(np.float64), 5).tolist()


def main() -> None:
    for name, make, files in (
        ("detect", detect, "grounding_dino, with its util/inference.py"),
        ("segment", segment, "sam2, with its sam2_image_predictor.py"),
    ):
        note = {"source": f"{TGS}/{files}", "versions": VERSIONS}
        Path(__file__).with_name(f"{name}.json").write_text(json.dumps(note | make()) + "\n")


if __name__ == "__main__":
    main()
