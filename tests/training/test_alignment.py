"""The stage alignment on made-up features of real clips of the tiny world."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from training_example import write_features

from tgs_pipeline.backends.thinker.checkpoint import make_projector
from tgs_pipeline.tinyworld.clip import scenes_of
from tgs_pipeline.tinyworld.pretraining.slots import targets_of
from tgs_pipeline.tinyworld.transcript import MOMENTS, WORDS, slots_of_second
from tgs_pipeline.training import alignment
from tgs_pipeline.training.originals import load_projector, save_projector
from tgs_pipeline.training.params import TrainingParams

WIDTH = 24
SEED = 7


class Killed(BaseException):
    """Ends a run from inside."""


@pytest.fixture
def params(settings, tmp_path):
    settings["dataset"]["tinyworld"]["num_clips"] |= {"open": 2, "train": 2}
    files = {name: tmp_path / f"{name}.safetensors" for name in ("visual", "audio", "language")}
    settings["alignment"] |= {
        "features": str(tmp_path / "features"),
        "language": str(files["language"]),
        "projectors": {name: str(files[name]) for name in ("visual", "audio")},
        "num_steps": 60, "batch_size": 64, "warmup_steps": 2, "log_every_steps": 2,
    }  # fmt: skip
    settings["runtime"]["save_every_steps"] = 2
    params = TrainingParams.model_validate(settings)
    torch.manual_seed(0)
    save_file({"words.weight": torch.randn(len(WORDS) + len(MOMENTS), WIDTH)}, files["language"])
    for name in ("visual", "audio"):
        projector = make_projector(name, sizes=params.model.sizes, llm_dim=WIDTH)
        save_projector(files[name], projector, modality=name, sizes=params.model.sizes)
    write_features(tmp_path / "features", features_of_clips())
    return params


def features_of_clips():
    """Encoders whose patches are the words of slots, so that there is something to read."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split in ("train", "open"):
        for index in range(2):
            for vid, scene in scenes_of(SEED, split, index).items():
                words = np.stack([targets_of(slots_of_second(scene, second)) for second in range(10)])
                heard = np.tile(words, 2)[:, :, :128]  # (10, 4, 128)
                arrays[vid] = (rng.normal(size=(10, 4, 128)), heard)
    return arrays


def test_a_projector_learns_the_words_and_a_killed_run_ends_alike(params, workspace, monkeypatch):
    alignment.run(params, workspace, modality="audio")
    out = workspace.alignment("audio")
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["last"]["explained"] > metrics["first"]["explained"] + 0.5
    assert metrics["last"]["loss"] < 0.7 * metrics["first"]["loss"]
    undisturbed = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(undisturbed) == {"projector.safetensors", "loss.csv", "metrics.json"}

    calls, loss_of = [], alignment.loss_of

    def dying(*arguments, **named):
        calls.append(1)
        if len(calls) == 31:
            raise Killed
        return loss_of(*arguments, **named)

    monkeypatch.setattr(alignment, "loss_of", dying)
    with pytest.raises(Killed):
        alignment.run(params, workspace, modality="audio")
    counting = lambda *arguments, **named: calls.append(2) or loss_of(*arguments, **named)  # noqa: E731
    monkeypatch.setattr(alignment, "loss_of", counting)
    alignment.run(params, workspace, modality="audio")
    assert calls.count(2) == 30
    assert {path.name: path.read_bytes() for path in out.iterdir()} == undisturbed


def test_the_q_former_stays_and_moments_come_from_the_language_model(params, workspace):
    alignment.run(params, workspace, modality="visual")
    sizes = params.model.sizes
    before, after = (make_projector("visual", sizes=sizes, llm_dim=WIDTH) for _ in range(2))
    load_projector(Path(params.alignment.projectors.visual), before, modality="visual", sizes=sizes)
    load_projector(workspace.alignment("visual") / "projector.safetensors", after, modality="visual", sizes=sizes)
    changed = {
        name for name, tensor in after.state_dict().items() if not torch.equal(tensor, before.state_dict()[name])
    }
    assert changed == {"moments", *(f"proj.{layer}.{name}" for layer in (0, 2) for name in ("weight", "bias"))}
    words = load_file(params.alignment.language)["words.weight"]
    assert torch.equal(after.moments, words[len(WORDS) :])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"language": {"other.weight": torch.zeros(1)}}, "language.safetensors holds no words.weight"),
        ({"features": {}}, "holds no audio features of clips of dataset.splits"),
        ({"features": "failed"}, "holds no audio features of clips of dataset.splits"),
    ],
)
def test_unfit_inputs_are_named(params, workspace, tmp_path, changes, message):
    if "language" in changes:
        save_file(changes["language"], tmp_path / "language.safetensors")
    elif changes["features"] == "failed":
        write_features(tmp_path / "features", dict.fromkeys(features_of_clips()))
    else:
        write_features(tmp_path / "features", {"other": (np.zeros((10, 4, 128)), None)})
    with pytest.raises(ValueError, match=message):
        alignment.run(params, workspace, modality="audio")


def test_it_is_of_the_tiny_world_alone(params, workspace):
    params = params.model_copy(update={"dataset": params.dataset.model_copy(update={"tinyworld": None})})
    with pytest.raises(ValueError, match="alignment is of the tiny world alone"):
        alignment.run(params, workspace, modality="audio")
