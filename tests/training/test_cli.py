from project import ROOT
from typer.testing import CliRunner

from tgs_pipeline.cli import app


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
