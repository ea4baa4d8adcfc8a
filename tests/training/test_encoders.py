import csv
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tgs_pipeline.backends.encoder.beats import BeatsEncoder
from tgs_pipeline.backends.encoder.clip import ClipEncoder
from tgs_pipeline.backends.thinker.checkpoint import load_base
from tgs_pipeline.models.qformer import MediaProjector
from tgs_pipeline.tinyworld.models import beats, clip, ref_thinker
from tgs_pipeline.tinyworld.models.beats import LABELS
from tgs_pipeline.tinyworld.pretraining import language, sound, vision
from tgs_pipeline.training import encoders, pretraining
from tgs_pipeline.training.originals import load_projector
from tgs_pipeline.training.params import TrainingParams

MODULES = {"vision": vision, "sound": sound, "language": language}
SMALL = {"num_steps": 6, "batch_size": 1, "warmup_steps": 1, "log_every_steps": 2}
WEIGHTS = {
    "vision": {"clip", "projector.safetensors", "module.safetensors"},
    "sound": {"beats.safetensors", "projector.safetensors", "module.safetensors"},
    "language": {"llama", "module.safetensors"},
}


class Killed(BaseException):
    """Ends a run from inside."""


@pytest.fixture
def params(settings):
    for encoder in settings["encoders"].values():
        encoder |= SMALL
    settings["encoders"]["language"]["batch_size"] = 2
    settings["runtime"]["save_every_steps"] = 2
    return TrainingParams.model_validate(settings)


def bytes_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", ["vision", "sound", "language"])
def test_each_encoder_is_trained_written_and_resumed(params, workspace, tmp_path, monkeypatch, name):
    encoders.run(params, workspace, name=name)
    out = workspace.encoder(name)
    assert {path.name for path in out.iterdir()} == WEIGHTS[name] | {"loss.csv", "metrics.json"}
    with (out / "loss.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4", "6"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["num_steps"] == 6 and metrics["num_trained"] > 500_000
    assert metrics["last"]["loss"] == float(rows[-1]["loss"]) and metrics["first"]["step"] == 2
    assert not list(workspace.checkpoints(f"encoders-{name}").iterdir())
    undisturbed = bytes_of(out)

    calls, loss_of = [], MODULES[name].loss_of

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return loss_of(*arguments)

    monkeypatch.setattr(MODULES[name], "loss_of", dying)
    with pytest.raises(Killed):
        encoders.run(params, workspace, name=name)
    [checkpoint] = workspace.checkpoints(f"encoders-{name}").glob("*/checkpoint.pt")
    assert checkpoint.is_file()
    monkeypatch.setattr(MODULES[name], "loss_of", lambda *arguments: calls.append(2) or loss_of(*arguments))
    encoders.run(params, workspace, name=name)
    assert calls.count(2) == 4  # of six steps, two were done
    assert bytes_of(out) == undisturbed


def test_another_setting_does_not_go_on_with_an_unfinished_run(params, workspace, monkeypatch):
    loss_of, calls = vision.loss_of, []

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return loss_of(*arguments)

    monkeypatch.setattr(vision, "loss_of", dying)
    with pytest.raises(Killed):
        encoders.run(params, workspace, name="vision")
    changed = params.encoders.vision.model_copy(update={"other_rate": 1e-4})
    params = params.model_copy(update={"encoders": params.encoders.model_copy(update={"vision": changed})})
    calls.clear()
    with pytest.raises(Killed):
        encoders.run(params, workspace, name="vision")
    assert len(list(workspace.checkpoints("encoders-vision").iterdir())) == 2


def test_what_is_written_is_what_the_pipeline_loads(params, workspace):
    """And it is what was trained: other weights than those of the start."""
    encoders.run(params, workspace, name="vision")
    encoder = ClipEncoder(workspace.encoder("vision") / "clip", layer=-1, device="cpu", dtype="float32")
    features = encoder.encode(np.zeros((2, 112, 112, 3), np.uint8))
    assert features.shape == (2, 49, 128) and np.isfinite(features).all()
    start = clip.build(seed=params.encoders.vision.seed).state_dict()
    assert_trained(encoder.model.state_dict(), start)

    encoders.run(params, workspace, name="sound")
    listener = BeatsEncoder(workspace.encoder("sound") / "beats.safetensors", device="cpu", dtype="float32")
    assert list(listener.labels) == LABELS
    assert_trained(listener.model.state_dict(), beats.build(seed=params.encoders.sound.seed).state_dict())

    encoders.run(params, workspace, name="language")
    model, tokenizer = load_base(workspace.encoder("language") / "llama", sizes=ref_thinker.SIZES, dtype=torch.float32)
    assert "guitar" in tokenizer.get_vocab()
    std = model.llm.get_input_embeddings().weight.std().item()
    assert std == pytest.approx(0.5, abs=0.05)  # as it started; load_base resized nothing


def assert_trained(found, start):
    changed = {name for name, tensor in start.items() if (found[name].float() - tensor).abs().max() > 1e-3}
    assert len(changed) > 0.5 * len(start)


Q_FORMER = 2 * (2 * 4 + 2)  # two layers: attention to itself and to the features, and two matrices behind


@pytest.mark.parametrize(
    ("name", "number"), [("vision", 4 * 6 + Q_FORMER), ("sound", 4 * 6 + Q_FORMER), ("language", 4 * 7)]
)
def test_muon_gets_the_matrices_of_layers_alone(params, name, number):
    module, _, _ = encoders.JOBS[name](getattr(params.encoders, name), params.model.sizes)
    is_matrix = pretraining.is_layer_matrix(module)
    found = {key: parameter for key, parameter in module.named_parameters() if is_matrix(key)}
    assert len(found) == number, sorted(found)
    assert all(parameter.ndim == 2 for parameter in found.values())
    assert not [key for key in found if any(word in key for word in ("embed", "head", "reader", "norm", "words"))]
    inside = [one.numel() for key, one in module.named_parameters() if ".layers." in key or ".layer." in key]
    assert sum(one.numel() for one in found.values()) > 0.97 * sum(inside)


def test_projectors_are_those_that_phase_1_can_go_on_from(params, workspace):
    """Their queries have learned, the projection behind them not: no text went through it."""
    sizes = params.model.sizes
    for name, modality, width in (("vision", "visual", sizes.visual_dim), ("sound", "audio", sizes.audio_dim)):
        encoders.run(params, workspace, name=name)
        qformer = sizes.qformer.model_dump()
        projector = MediaProjector(encoder_dim=width, llm_dim=ref_thinker.HIDDEN_SIZE, **qformer)
        load_projector(workspace.encoder(name) / "projector.safetensors", projector, modality=modality, sizes=sizes)
        torch.manual_seed(getattr(params.encoders, name).seed)
        module, _, _ = encoders.JOBS[name](getattr(params.encoders, name), sizes)
        start = module["writer"].projector.state_dict()
        changed = {key for key, value in projector.state_dict().items() if not torch.equal(value, start[key])}
        assert "query_tokens" in changed and any("crossattention" in key for key in changed)
        assert not [key for key in changed if key.startswith("proj.")]


def test_other_sizes_do_not_go_on_with_an_unfinished_run(params, workspace, monkeypatch):
    """Their weights would not fit."""
    loss_of, calls = vision.loss_of, []

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return loss_of(*arguments)

    monkeypatch.setattr(vision, "loss_of", dying)
    with pytest.raises(Killed):
        encoders.run(params, workspace, name="vision")
    sizes = params.model.sizes
    sizes = sizes.model_copy(update={"qformer": sizes.qformer.model_copy(update={"ffn_dim": 64})})
    params = params.model_copy(update={"model": params.model.model_copy(update={"sizes": sizes})})
    encoders.run(params, workspace, name="vision")
    assert len(calls) == 4 + 6


def test_a_run_goes_on_from_an_earlier_one(params, settings, workspace, tmp_path):
    encoders.run(params, workspace, name="sound")
    earlier = tmp_path / "earlier.safetensors"
    (workspace.encoder("sound") / "module.safetensors").rename(earlier)
    settings["encoders"]["sound"] |= {"start": str(earlier), "matrix_rate": 1e-9, "other_rate": 1e-9}
    encoders.run(TrainingParams.model_validate(settings), workspace, name="sound")
    again, before = load_file(workspace.encoder("sound") / "module.safetensors"), load_file(earlier)
    assert again.keys() == before.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(again[name], tensor, rtol=1e-2, atol=1e-4)


def test_an_earlier_run_of_another_model_is_refused(settings, workspace, tmp_path):
    earlier = tmp_path / "earlier.safetensors"
    save_file({"a.weight": torch.zeros(2)}, earlier)
    settings["encoders"]["sound"]["start"] = str(earlier)
    with pytest.raises(
        ValueError, match=r"encoders.sound.start .*earlier.safetensors does not fit .*: [0-9]+ tensors .*'a.weight'"
    ):
        encoders.run(TrainingParams.model_validate(settings), workspace, name="sound")
