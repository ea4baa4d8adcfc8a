import shutil
import subprocess
import sys
from pathlib import Path

from project import ROOT
from typer.testing import CliRunner

from tgs_pipeline.cli import app
from tgs_pipeline.training import cli


def test_run_refuses_before_anything_is_removed(tmp_path, monkeypatch):
    """DVC removes the outputs of a stage before it starts it, so what it needs is looked for first."""
    text = (ROOT / "training/params.yaml").read_text().replace("training/artifacts/encoders", "weights/none")
    (tmp_path / "training/artifacts").mkdir(parents=True)
    (tmp_path / "training/params.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["train", "run"])
    assert done.exit_code == 1
    assert "model.llama: weights/none/language/llama is missing" in done.output
    assert "features.audio.weights: weights/none/sound/beats.safetensors is missing" in done.output


def test_dvc_starts_the_python_of_this_process(monkeypatch):
    """Although the environment is not activated."""
    found = []

    def run(command, *, env, check):
        found.append((shutil.which("python", path=env["PATH"]), command))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(cli.subprocess, "run", run)
    assert CliRunner().invoke(cli.app, ["run", "--until", "finetune"]).exit_code == 3
    [(python, command)] = found
    assert Path(python).parent == Path(sys.executable).parent
    assert command[1:] == ["-m", "dvc", "repro", "training/dvc.yaml:finetune"]
