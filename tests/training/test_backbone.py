import csv
import json

import pytest
import torch

from tgs_pipeline.tinyworld.models import grounding_dino
from tgs_pipeline.tinyworld.pretraining import cells
from tgs_pipeline.training import backbone
from tgs_pipeline.training.params import TrainingParams
from tgs_pipeline.weights import load_state

VOCAB_SIZE = 1100


class Killed(BaseException):
    """Ends a run from inside."""


@pytest.fixture
def params(settings):
    settings["backbone"] |= {"num_steps": 4, "batch_size": 1, "warmup_steps": 1, "log_every_steps": 1}
    settings["runtime"]["save_every_steps"] = 2
    return TrainingParams.model_validate(settings)


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_it_is_trained_written_and_resumed(params, workspace, monkeypatch):
    backbone.run(params, workspace)
    out = workspace.backbone
    assert {path.name for path in out.iterdir()} == {"backbone.safetensors", "loss.csv", "metrics.json"}
    with (out / "loss.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"] and "category_32" in rows[0]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["num_steps"] == 4 and metrics["last"]["loss"] == float(rows[-1]["loss"])
    undisturbed = bytes_of(out)

    loss_of, calls = cells.loss_of, []

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return loss_of(*arguments)

    monkeypatch.setattr(cells, "loss_of", dying)
    with pytest.raises(Killed):
        backbone.run(params, workspace)
    monkeypatch.setattr(cells, "loss_of", lambda *arguments: calls.append(2) or loss_of(*arguments))
    backbone.run(params, workspace)
    assert calls.count(2) == 2  # of four steps, two were done
    assert bytes_of(out) == undisturbed and not list(workspace.checkpoints("backbone").iterdir())


def test_a_detector_starts_from_it(params, workspace):
    backbone.run(params, workspace)
    path = workspace.backbone / backbone.FILE
    model = grounding_dino.make_model(vocab_size=VOCAB_SIZE, seed=params.backbone.seed)
    start = {name: tensor.clone() for name, tensor in backbone.backbone_of(model).state_dict().items()}
    backbone.load_backbone(model, path)
    changed = [name for name, one in backbone.backbone_of(model).state_dict().items() if not one.equal(start[name])]
    assert len(changed) > 0.8 * len(start)
    assert load_state(path).keys() == start.keys()


def test_an_empty_file_means_random_weights_and_another_one_is_refused(tmp_path):
    model = grounding_dino.make_model(vocab_size=VOCAB_SIZE, seed=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    (tmp_path / "none").touch()
    backbone.load_backbone(model, tmp_path / "none")
    assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"detector\.backbone .*other\.pt does not fit the tiny detector"):
        backbone.load_backbone(model, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"missing\.safetensors are missing"):
        backbone.load_backbone(model, tmp_path / "missing.safetensors")
