import csv
import json

import numpy as np
import pytest
import torch
from project import ROOT
from transformers import GroundingDinoForObjectDetection

from tgs_pipeline.backends.detector.groundingdino import GroundingDinoDetector
from tgs_pipeline.backends.detector.transformers import TransformersDetector
from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.models import grounding_dino
from tgs_pipeline.tinyworld.pretraining import grounding
from tgs_pipeline.tinyworld.render import render_scene
from tgs_pipeline.tinyworld.words import vocabulary
from tgs_pipeline.training import detector
from tgs_pipeline.training.params import TrainingParams

SIZE = {"shortest_edge_px": 224, "longest_edge_px": 373}
OUTPUTS = {"grounding_dino", "original", "loss.csv", "metrics.json"}


class Killed(BaseException):
    """Ends a run from inside."""


@pytest.fixture
def params(settings):
    settings["detector"] |= {"num_steps": 4, "batch_size": 1, "warmup_steps": 1, "log_every_steps": 1}
    settings["detector"] |= dict.fromkeys(("start", "backbone"), str(ROOT / "training/none"))
    settings["runtime"]["save_every_steps"] = 2
    return TrainingParams.model_validate(settings)


def bytes_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_it_is_trained_written_and_resumed(params, workspace, monkeypatch):
    detector.run(params, workspace)
    out = workspace.detector
    assert {path.name for path in out.iterdir()} == OUTPUTS
    with (out / "loss.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert {"class", "proposal_iou", "score_absent", "category_16"} <= set(rows[0])
    assert json.loads((out / "metrics.json").read_text())["last"]["loss"] == float(rows[-1]["loss"])
    undisturbed = bytes_of(out)

    loss_of, calls = grounding.loss_of, []

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return loss_of(*arguments)

    monkeypatch.setattr(grounding, "loss_of", dying)
    with pytest.raises(Killed):
        detector.run(params, workspace)
    monkeypatch.setattr(grounding, "loss_of", lambda *arguments: calls.append(2) or loss_of(*arguments))
    detector.run(params, workspace)
    assert calls.count(2) == 2  # of four steps, two were done
    assert bytes_of(out) == undisturbed and not list(workspace.checkpoints("detector").iterdir())

    # What is written is what the pipeline loads, in float16, trained, and without the readers of cells.
    loaded = TransformersDetector(out / "grounding_dino", device="cpu", dtype="float32", **SIZE)
    tokenizer = grounding_dino.make_tokenizer(vocabulary())
    start = grounding_dino.make_model(vocab_size=len(tokenizer), seed=params.detector.seed).half().float()
    same = [name for name, one in loaded._model.named_parameters() if one.equal(start.get_parameter(name))]
    assert all("swin.layernorm" in name for name in same), same


def test_the_backbone_and_what_words_pass_through_learn_slower(params, workspace, monkeypatch):
    found = {}

    def record(name, module, step, *, is_matrix, plan, folder, pace):
        found.update({key: pace(key) for key, _ in module.named_parameters()})
        return []

    monkeypatch.setattr(detector, "train", record)
    detector.run(params, workspace)
    slow = {name for name, pace in found.items() if pace == 0.2}
    assert slow == {name for name in found if ".model.backbone." in name} and len(slow) > 50
    slowest = {name for name, pace in found.items() if pace == 0.1}
    assert {found[name] for name in found.keys() - slow - slowest} == {1.0}
    parts = ("text_backbone", "text_projection", "text_enhancer_layer", "attn.out_text_proj", "text_param")
    assert all(any(part in name for part in parts) for name in slowest)
    assert all(any(part in name for name in slowest) for part in parts)
    assert found["reader.category.0.weight"] == found["words.words.1.weight"] == 1.0


def test_another_backbone_does_not_go_on_with_an_unfinished_run(params, workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(detector, "load_backbone", lambda model, path: None)
    folders = set()

    def record(name, module, step, *, is_matrix, plan, folder, pace):
        folders.add(folder)
        return []

    monkeypatch.setattr(detector, "train", record)
    (tmp_path / "other.safetensors").write_bytes(b"other")
    for path in (params.detector.backbone, str(tmp_path / "other.safetensors")):
        changed = params.detector.model_copy(update={"backbone": path})
        detector.run(params.model_copy(update={"detector": changed}), workspace)
    assert len(folders) == 2


def test_a_run_goes_on_from_an_earlier_one(params, workspace, tmp_path, monkeypatch):
    detector.run(params, workspace)
    earlier = workspace.detector / "grounding_dino"
    started = {}

    def record(name, module, step, *, is_matrix, plan, folder, pace):
        started.update(module["detector"].state_dict())
        return []

    monkeypatch.setattr(detector, "train", record)
    changed = params.detector.model_copy(update={"start": str(earlier)})
    detector.run(params.model_copy(update={"detector": changed}), workspace)
    expected = GroundingDinoForObjectDetection.from_pretrained(earlier, dtype=torch.float32).state_dict()
    assert started.keys() == expected.keys() and all(started[key].equal(expected[key]) for key in expected)

    tokenizer = grounding_dino.make_tokenizer(["dog"])
    grounding_dino.save(tmp_path / "other", grounding_dino.make_model(vocab_size=1040, seed=0), tokenizer)
    changed = params.detector.model_copy(update={"start": str(tmp_path / "other")})
    with pytest.raises(ValueError, match=r"detector\.start .*other does not fit the model: \['model\.text_backbone"):
        detector.run(params.model_copy(update={"detector": changed}), workspace)


def test_both_exports_say_the_same_of_frames_with_different_captions(tmp_path):
    """The tiny width is none that groundingdino-py knows; every tensor is random, none is left out unnoticed."""
    tokenizer = grounding_dino.make_tokenizer(vocabulary())
    model = grounding_dino.make_model(vocab_size=len(tokenizer), seed=2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    grounding_dino.save(tmp_path / "port", model, tokenizer)
    detector.export_original(tmp_path / "original", port=tmp_path / "port")
    scene = plan_clip(3, "open", 0).scene
    frames, _ = render_scene(scene, frame_size_px=224, rng=np.random.default_rng(0), moments=[0, 9])
    images = [*frames, frames[0]]
    captions = ["the red cat on the left.", "drum.", "man in blue. white hair-dryer."]
    port, original = (
        kind(tmp_path / name, device="cpu", dtype="float32", **SIZE).detect(images, captions, floor=0.0)
        for kind, name in ((TransformersDetector, "port"), (GroundingDinoDetector, "original"))
    )
    for one, other in zip(port, original, strict=True):
        assert one.tokens == other.tokens and len(one.scores) == 30
        np.testing.assert_allclose(other.boxes_xyxy, one.boxes_xyxy, atol=1e-4)
        np.testing.assert_allclose(other.token_scores, one.token_scores, atol=1e-4)
    assert not np.allclose(port[0].boxes_xyxy, port[2].boxes_xyxy, atol=1e-3)
