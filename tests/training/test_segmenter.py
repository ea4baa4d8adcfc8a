import csv
import json

import numpy as np
import pytest
import torch

from tgs_pipeline.backends.segmenter.sam2 import Sam2Segmenter, load_model
from tgs_pipeline.tinyworld.models import sam2 as tiny
from tgs_pipeline.tinyworld.pretraining import segmenter as losses
from tgs_pipeline.training import segmenter
from tgs_pipeline.training.params import TrainingParams

RUNS = {"image": segmenter.run_image, "clips": segmenter.run_clips}
LOSSES = {"image": "frames_loss", "clips": "tracks_loss"}
SMALL = {"num_steps": 4, "batch_size": 1, "warmup_steps": 1, "log_every_steps": 1}


class Killed(BaseException):
    """Ends a run from inside."""


@pytest.fixture
def params(settings, tmp_path):
    tiny.write(tmp_path / "start", seed=3)
    for phase in RUNS:
        settings[f"segmenter_{phase}"] |= SMALL
    settings["segmenter_clips"]["start"] = str(tmp_path / "start/sam2.safetensors")
    settings["runtime"]["save_every_steps"] = 2
    return TrainingParams.model_validate(settings)


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("phase", ["image", "clips"])
def test_each_phase_is_trained_written_and_resumed(params, workspace, monkeypatch, phase):
    RUNS[phase](params, workspace)
    out = workspace.segmenter(phase)
    undisturbed = bytes_of(out)
    assert set(undisturbed) == {"sam2.yaml", "sam2.safetensors", "loss.csv", "metrics.json"}
    with (out / "loss.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["num_steps"] == 4 and metrics["num_trained"] > 3e6
    assert metrics["last"]["loss"] == float(rows[-1]["loss"]) and metrics["first"]["step"] == 1
    checkpoints = workspace.checkpoints(f"segmenter_{phase}")
    assert not list(checkpoints.iterdir())

    calls, loss_of = [], getattr(losses, LOSSES[phase])

    def dying(*arguments):
        calls.append("dying")
        if len(calls) == 4:
            raise Killed
        return loss_of(*arguments)

    monkeypatch.setattr(losses, LOSSES[phase], dying)
    with pytest.raises(Killed):
        RUNS[phase](params, workspace)
    [checkpoint] = checkpoints.glob("*/checkpoint.pt")
    assert checkpoint.is_file()
    monkeypatch.setattr(losses, LOSSES[phase], lambda *arguments: calls.append("again") or loss_of(*arguments))
    RUNS[phase](params, workspace)
    assert calls.count("again") == 2  # of four steps, two were done
    assert bytes_of(out) == undisturbed


def test_what_is_written_is_what_the_pipeline_loads_and_was_trained(params, workspace, tmp_path):
    segmenter.run_image(params, workspace)
    out = workspace.segmenter("image")
    model = load_model(out / "sam2.yaml", out / "sam2.safetensors")
    answers = Sam2Segmenter(model, device="cpu", dtype="float32", input_size_px=None, swap_channels=False).segment(
        [np.zeros((224, 224, 3), np.uint8)], [np.float32([[10, 10, 90, 90]])]
    )
    assert answers[0][0].mask.shape == (224, 224) and answers[0][0].reason is None
    tiny.write(tmp_path / "untrained", seed=params.segmenter_image.seed)
    start = load_model(tmp_path / "untrained/sam2.yaml", tmp_path / "untrained/sam2.safetensors").state_dict()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, start[name])}
    assert len(changed) > 0.5 * len(start)
    assert not [name for name in changed if name.startswith(("memory_", "obj_ptr"))]


def test_clips_begin_with_the_weights_of_the_frames(params, workspace, monkeypatch):
    seen = []

    def stop(model, batch):
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        raise Killed

    monkeypatch.setattr(losses, "tracks_loss", stop)
    with pytest.raises(Killed):
        segmenter.run_clips(params, workspace)
    expected = load_model(workspace.segmenter("clips") / "sam2.yaml", _start(params)).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in seen[0].items())


def test_other_first_weights_do_not_go_on_with_an_unfinished_run(params, workspace, tmp_path, monkeypatch):
    loss_of, calls = losses.tracks_loss, []

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise Killed
        return loss_of(*arguments)

    monkeypatch.setattr(losses, "tracks_loss", dying)
    with pytest.raises(Killed):
        segmenter.run_clips(params, workspace)
    assert len(list(workspace.checkpoints("segmenter_clips").glob("*/checkpoint.pt"))) == 1
    tiny.write(tmp_path / "start", seed=4)
    calls.clear()
    with pytest.raises(Killed):
        segmenter.run_clips(params, workspace)
    assert len(calls) == 3 and len(list(workspace.checkpoints("segmenter_clips").glob("*/checkpoint.pt"))) == 2


def test_muon_gets_the_matrices_of_transformers_alone(params, workspace, tmp_path):
    model = tiny.initialise(tiny.write_config(tmp_path), seed=0)
    matrices = segmenter.matrices_of(model)
    parameters = dict(model.named_parameters())
    assert matrices <= parameters.keys()
    assert all(parameters[name].ndim == 2 for name in matrices)
    assert not [name for name in matrices if any(part in name for part in ("embed", "head", "mlps", "norm", "conv"))]
    trunk = 7 * 4 + 3  # seven blocks, of which three widen
    memory = 2 * (4 + 4 + 2)
    decoder = 2 * (3 * 4 + 2) + 4
    assert len(matrices) == trunk + memory + decoder
    assert sum(parameters[name].numel() for name in matrices) > 0.75 * sum(one.numel() for one in parameters.values())


def _start(params):
    from pathlib import Path

    return Path(params.segmenter_clips.start)
