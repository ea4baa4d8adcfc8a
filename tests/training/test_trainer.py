import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from project import ROOT
from safetensors.torch import load_file

from tgs_pipeline.backends.thinker.checkpoint import load_base
from tgs_pipeline.training import finetune, pretrain
from tgs_pipeline.training.collate import Collator
from tgs_pipeline.training.examples import Examples
from tgs_pipeline.training.params import TrainingParams
from tgs_pipeline.training.phases import select
from tgs_pipeline.training.trainer import COMPLETE, make_trainer, mean_loss, train
from tgs_pipeline.training.workspace import TrainingWorkspace
from tgs_pipeline.workspace import Workspace


class Killed(BaseException):
    """Ends a run from inside, wherever it is."""


def start(params, base, folder, *, accumulate=2):
    """A fine-tuning run of 8 steps in 3 epochs, with dropout, from untrained projectors."""
    phase = params.finetune.model_copy(update={"accumulate": accumulate, "batch_size": 1})
    torch.manual_seed(phase.seed)
    model, tokenizer = load_base(
        base / "ref_thinker/llama", sizes=params.model.sizes, dtype=getattr(torch, params.model.dtype)
    )
    select(model, "finetune")
    examples = Examples(
        base / "training/artifacts/corpus/instructions.parquet",
        part="train",
        features=base / "features",
        modalities=["visual", "audio"],
    )
    collator = Collator(tokenizer, model)
    return make_trainer(
        model,
        examples=examples,
        collator=collator,
        phase=phase,
        runtime=params.runtime,
        folder=folder,
        bf16=False,
    )


def weights_of(folder):
    return hashlib.sha256((folder / "final/model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def undisturbed(base, tmp_path_factory):
    params = TrainingParams.model_validate(json.loads((base / "params.yaml").read_text()))
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, train(start(params, base, folder), folder=folder)


def test_the_loss_falls_and_the_rate_follows_the_schedule(undisturbed):
    curve = undisturbed[1]
    assert [entry["step"] for entry in curve] == list(range(1, 9))
    assert curve[-1]["loss"] < curve[0]["loss"] - 0.3
    # the rates that were used: ln 1 / ln 2 = 0, ln 2 / ln 2 = 1, then linear from step 2 to 0 at step 8
    rates = [entry["learning_rate"] / 2e-3 for entry in curve]
    assert rates == pytest.approx([0, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])


def test_only_what_the_phase_trains_is_stored(undisturbed, base, params):
    state = load_file(undisturbed[0] / "final/model.safetensors")
    model, _ = load_base(base / "ref_thinker/llama", sizes=params.model.sizes, dtype=torch.float32)
    assert state.keys() == select(model, "finetune").keys()
    assert sorted(path.name for path in undisturbed[0].glob("checkpoint-*")) == ["checkpoint-6", "checkpoint-8"]
    assert not list(undisturbed[0].rglob("training_args.bin"))


@pytest.mark.parametrize("killed_after", [4, 7])
def test_a_killed_run_ends_with_the_bytes_of_an_undisturbed_one(base, params, undisturbed, tmp_path, killed_after):
    """Killed in the middle of an epoch, steps after a checkpoint, while the next checkpoint is half-written."""
    first = start(params, base, tmp_path)
    step = first.training_step

    def training_step(*arguments, **keywords):
        if first.state.global_step == killed_after:
            raise Killed
        return step(*arguments, **keywords)

    first.training_step = training_step
    with pytest.raises(Killed):
        train(first, folder=tmp_path)
    half = tmp_path / f"checkpoint-{killed_after}"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    torch.manual_seed(999)
    curve = train(start(params, base, tmp_path), folder=tmp_path)
    assert weights_of(tmp_path) == weights_of(undisturbed[0])
    assert curve == undisturbed[1]


def test_gradient_checkpointing_changes_nothing(base, params, undisturbed, tmp_path):
    runtime = params.runtime.model_copy(update={"gradient_checkpointing": True})
    trainer = start(params.model_copy(update={"runtime": runtime}), base, tmp_path)
    assert trainer.model.llm.is_gradient_checkpointing
    assert train(trainer, folder=tmp_path)[-1]["loss"] == pytest.approx(undisturbed[1][-1]["loss"], abs=1e-4)


def test_accumulated_micro_batches_weigh_the_same(base, params, tmp_path):
    """Two micro-batches of one row: the gradient is the mean of the two means, as with upstream's Trainer."""
    trainer = start(params, base, tmp_path)
    model, rows = trainer.model, [trainer.train_dataset[0], trainer.train_dataset[1]]
    batches = [trainer.data_collator([row]) for row in rows]
    model.eval()
    losses = [trainer.compute_loss(model, batch) for batch in batches]
    (sum(losses) / 2).backward()
    expected = model.llm.lm_head.weight.grad.clone()
    model.zero_grad()
    trainer.current_gradient_accumulation_steps = 2
    trainer.model.train = lambda mode=True: model  # without dropout
    for batch in batches:
        trainer.training_step(model, batch)
    torch.testing.assert_close(model.llm.lm_head.weight.grad, expected)


def test_mean_loss_weighs_tokens_and_leaves_the_mode(base, params, tmp_path):
    trainer = start(params, base, tmp_path)
    model, examples, collator = trainer.model, trainer.train_dataset, trainer.data_collator
    model.train()
    single = mean_loss(model, examples=examples, collator=collator, batch_size=1, bf16=False)
    assert single == pytest.approx(
        mean_loss(model, examples=examples, collator=collator, batch_size=3, bf16=False), abs=1e-4
    )
    assert model.training
    assert mean_loss(model, examples=[], collator=collator, batch_size=3, bf16=False) is None


def test_phases_write_weights_curves_and_metrics(base, params, workspace):
    """Both pretrainings, then fine-tuning from their projectors; no unfinished run is left."""
    pretrain.run_audio(params, workspace)
    pretrain.run_visual(params, workspace)
    artifacts = workspace.media.artifacts
    paths = {
        f"{name}_projector": str(artifacts / f"pretrain_{name}/projector.safetensors") for name in ("visual", "audio")
    }
    params = params.model_copy(update={"finetune": params.finetune.model_copy(update=paths)})
    finetune.run(params, workspace)
    for name in ("pretrain_audio", "pretrain_visual", "finetune"):
        metrics = json.loads((artifacts / name / "metrics.json").read_text())
        assert metrics["held_out_loss"]["after"] < metrics["held_out_loss"]["before"]
        assert metrics["loss"]["last"] < metrics["loss"]["first"]
        assert (metrics["num_rows"], metrics["num_rows_held_out"], metrics["num_steps"]) == (5, 1, 8)
        with (artifacts / name / "loss.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["step"] for row in rows] == [str(step) for step in range(1, 9)]
        assert not list(workspace.checkpoints(name).iterdir())
    state = load_file(artifacts / "finetune/ref_thinker.safetensors")
    trained = load_file(artifacts / "pretrain_audio/projector.safetensors")
    key = "model.al_projector.audio_query_tokens"
    assert 0 < (state[key] - trained[key]).abs().max() < 0.05  # fine-tuning went on from there


def test_phase_1_goes_on_from_an_earlier_projector(settings, workspace, tmp_path):
    """At a rate at which nothing is learned the same comes out; an empty file means random weights."""
    path = workspace.phase("pretrain_visual") / "projector.safetensors"
    pretrain.run_visual(TrainingParams.model_validate(settings), workspace)
    first = load_file(path)
    earlier = tmp_path / "earlier.safetensors"
    shutil.copy(path, earlier)
    settings["pretrain_visual"] |= {"projector": str(earlier), "learning_rate": 1e-9, "seed": 5}
    pretrain.run_visual(TrainingParams.model_validate(settings), workspace)
    second = load_file(path)
    assert max((second[name] - tensor).abs().max() for name, tensor in first.items()) < 1e-6
    settings["pretrain_visual"]["projector"] = str(ROOT / "training/none")
    pretrain.run_visual(TrainingParams.model_validate(settings), workspace)
    assert max((load_file(path)[name] - tensor).abs().max() for name, tensor in first.items()) > 0.01


def test_bfloat16_keeps_what_is_trained_in_float32(base, settings, workspace, monkeypatch):
    """Steps of 1e-5 on the ones of a LayerNorm would be lost in bfloat16, which has three digits."""
    settings["model"] |= {"dtype": "bfloat16", "autocast": True}
    settings["pretrain_audio"]["learning_rate"] = 1e-5
    monkeypatch.setattr("tgs_pipeline.training.run.shutil.rmtree", lambda *arguments, **keywords: None)
    pretrain.run_audio(TrainingParams.model_validate(settings), workspace)
    [final] = workspace.checkpoints("pretrain_audio").glob("*/final/model.safetensors")
    trained = load_file(final)
    assert {tensor.dtype for tensor in trained.values()} == {torch.float32}
    assert 0 < (trained["audio_projector.ln.weight"] - 1).abs().max() < 1e-3
    written = load_file(workspace.phase("pretrain_audio") / "projector.safetensors")
    assert {tensor.dtype for tensor in written.values()} == {torch.bfloat16}


@pytest.mark.slow
def test_kill_9_in_phase_2(base, tmp_path):
    """The stage script itself, killed and started again, against one that was left alone."""
    settings = json.loads((base / "params.yaml").read_text())
    for modality in ("audio", "visual"):
        params = TrainingParams.model_validate(settings)
        folder = tmp_path / "phase1"
        (folder / "corpus").parent.mkdir(exist_ok=True)
        if not (folder / "corpus").exists():
            shutil.copytree(base / "training/artifacts/corpus", folder / "corpus")
        media = Workspace(artifacts=folder, dataset=folder)
        getattr(pretrain, f"run_{modality}")(params, TrainingWorkspace(media, cache=folder / "cache"))
        settings["finetune"][f"{modality}_projector"] = str(folder / f"pretrain_{modality}/projector.safetensors")
    settings["finetune"]["max_steps"] = 12
    results = [_finetune(base, tmp_path / name, settings, kill=name == "killed") for name in ("alone", "killed")]
    assert results[0] == results[1]


def _finetune(base, folder, settings, *, kill):
    """Bytes of all outputs of training/stages/finetune.py in a new folder."""
    (folder / "training/artifacts").mkdir(parents=True)
    shutil.copytree(base / "training/artifacts/corpus", folder / "training/artifacts/corpus")
    settings["runtime"]["cache"] = str(folder / "cache")
    (folder / "params.yaml").write_text(json.dumps(settings))
    command = [sys.executable, str(ROOT / "training/stages/finetune.py"), "--params", "params.yaml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if kill:
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while not list(folder.glob(f"cache/training/finetune/*/checkpoint-6/{COMPLETE}")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (folder / "training/artifacts/finetune").exists()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("resuming from" in done.stderr) == kill
    out = folder / "training/artifacts/finetune"
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}
