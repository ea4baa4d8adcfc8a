import json
from pathlib import Path

import pytest
from torch import nn

from tgs_pipeline.tinyworld.models import grounding_dino
from tgs_pipeline.training.pretraining import checkpoints_of, is_layer_matrix, plan_of, write_figures


@pytest.fixture(scope="module")
def model():
    return nn.ModuleDict({"detector": grounding_dino.make_model(vocab_size=1100, seed=0)})


def test_muon_gets_the_matrices_of_the_detectors_layers(model):
    """Not what starts at zero: box heads, offsets and weights of deformable attention, whose small steps matter."""
    is_matrix = is_layer_matrix(model)
    found = {name: one for name, one in model.named_parameters() if is_matrix(name)}
    assert all(one.ndim == 2 and one.any() for one in found.values())
    left = {name for name, one in model.named_parameters() if name not in found and one.ndim == 2}
    words = ("bbox_embed", "sampling_offsets", "attention_weights", "embeddings", "bias_table", "enc_output")
    words += ("level_embed", "text_projection")
    assert [name for name in left if not any(word in name for word in words)] == []
    parts = ("backbone.conv_encoder", "text_backbone", "fusion_layer", "text_enhancer", "deformable_layer", "decoder")
    assert all(any(part in name for name in found) for part in parts)


def test_the_plan_is_what_the_params_say(params):
    plan = plan_of(params.detector, save_every_steps=7)
    told = params.detector.model_dump()
    assert {name: getattr(plan, name) for name in told if hasattr(plan, name)}.items() <= told.items()
    assert plan.save_every_steps == 7


def test_checkpoints_are_of_one_stage_with_its_settings_and_start(workspace):
    def folder(stage="detector", version=1, seed=1, weights="a") -> Path:
        return checkpoints_of(workspace, stage, version=version, decides={"seed": seed}, weights=weights)

    others = [folder("backbone"), folder(version=2), folder(seed=2), folder(weights="b")]
    assert folder() == folder() and len({folder(), *others}) == 5
    assert folder().parent == workspace.checkpoints("detector")


def test_figures_of_a_run(tmp_path):
    module = nn.Linear(2, 3)
    curve = [{"step": 5, "loss": 2.0, "iou": 0.1}, {"step": 10, "loss": 1.0, "iou": 0.2}]
    write_figures(tmp_path, curve=curve, module=module, num_steps=10)
    assert (tmp_path / "loss.csv").read_text() == "step,loss,iou\n5,2.0,0.1\n10,1.0,0.2\n"
    figures = json.loads((tmp_path / "metrics.json").read_text())
    assert figures == {"num_steps": 10, "num_trained": 9, "first": curve[0], "last": curve[1]}
    write_figures(tmp_path, curve=[], module=module, num_steps=1)  # too short to log anything
    assert (tmp_path / "loss.csv").read_text() == "step,loss\n"
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"num_steps": 1, "num_trained": 9}
