import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from project import ROOT

from tgs_pipeline import params as params_file
from tgs_pipeline import stage
from tgs_pipeline.execution import WHOLE, Execution, Shard, StageError


@pytest.fixture
def call(tmp_path, monkeypatch, caplog):
    """Runs the command of a stage in an empty folder with params.yaml; returns exit code, executions and messages."""
    monkeypatch.chdir(tmp_path)
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, os.environ.get(name, "1"))  # put back after the test
    monkeypatch.setenv("TGS_CACHE", str(tmp_path / "rows"))
    write_params(tmp_path / "params.yaml")

    def call(*arguments: str, name: str = "detect", error: Exception | None = None):
        ran: list[Execution] = []

        def run(params, workspace, execution):
            ran.append(execution)
            if error:
                raise error

        monkeypatch.setattr(sys, "argv", [f"stages/{name}.py", *arguments])
        with pytest.raises(SystemExit) as end:
            stage.main(name, run)
        return end.value.code, ran, caplog.messages

    return call


def write_params(path: Path, **runtime: object) -> Path:
    data = yaml.safe_load((ROOT / "params.yaml").read_text())
    data["runtime"] |= runtime
    path.write_text(yaml.safe_dump(data))
    return path


def test_a_stage_runs_whole_on_the_first_device(call, tmp_path):
    code, (execution,), _ = call()
    assert code == 0
    assert execution.shard == WHOLE and execution.device == "cpu" and execution.cache == tmp_path / "rows"
    assert execution.batch_size == 8 and execution.max_failure_rate == 0.0
    assert call(name="score")[1][-1].batch_size == 1, "stages without a model have none in the params"


def test_share_and_device_of_the_command_line(call):
    _, (execution,), _ = call("--shard", "2/3", "--device", "cuda:1")
    assert execution.shard == Shard(2, 3) and execution.device == "cuda:1"


@pytest.mark.parametrize("text", ["3/2", "2/2", "1", "-1/2", "a/b", "/", "1/2/3"])
def test_a_share_that_is_none_is_refused(call, text):
    code, ran, messages = call("--shard", text)
    assert code == 1 and not ran
    assert messages == [f"detect stopped: --shard {text!r}: expected i/n with 0 <= i < n, for example 0/4"]


def test_missing_params_are_named(call):
    code, ran, messages = call("--params", "absent.yaml")
    assert code == 1 and not ran
    assert len(messages) == 1 and messages[0].startswith("detect stopped: absent.yaml: no such file")


@pytest.mark.parametrize("error", [StageError("3 of 4 units failed"), ValueError("no box"), OSError("disk full")])
def test_an_expected_error_ends_with_its_message(call, error):
    code, _, messages = call(error=error)
    assert code == 1 and messages == [f"detect stopped: {error}"]


class Children:
    """Stands in for the processes that a stage starts."""

    def __init__(self, *codes: int):
        self.codes, self.commands = list(codes), []

    def __call__(self, command):
        self.commands.append(command)
        return self

    def wait(self):
        return self.codes.pop(0)


def test_a_process_for_each_device_then_this_one_publishes(call, tmp_path, monkeypatch):
    write_params(tmp_path / "params.yaml", devices=["cuda:0", "cuda:1"])
    monkeypatch.setattr(params_file, "load", lenient_load)
    monkeypatch.setattr(subprocess, "Popen", children := Children(0, 0))
    code, (execution,), _ = call()
    script = [sys.executable, "stages/detect.py", "--params", "params.yaml"]
    assert children.commands == [
        [*script, "--shard", "0/2", "--device", "cuda:0"],
        [*script, "--shard", "1/2", "--device", "cuda:1"],
    ]
    assert code == 0 and execution.shard == WHOLE and execution.device == "cuda:0"


def test_a_failed_process_is_named_and_nothing_is_published(call, tmp_path, monkeypatch):
    monkeypatch.setattr(params_file, "load", lenient_load)
    monkeypatch.setattr(subprocess, "Popen", Children(0, 1))
    write_params(tmp_path / "params.yaml", devices=["cuda:0", "cuda:1"])
    code, ran, messages = call()
    assert code == 1 and not ran
    assert messages == [
        "detect stopped: the processes on ['cuda:1'] failed; their messages stand above, their rows are kept"
    ]


def test_no_process_is_started_for_a_share_a_chosen_device_or_a_stage_without_model(call, tmp_path, monkeypatch):
    monkeypatch.setattr(params_file, "load", lenient_load)
    monkeypatch.setattr(subprocess, "Popen", children := Children())
    write_params(tmp_path / "params.yaml", devices=["cuda:0", "cuda:1"])
    assert call("--shard", "0/2")[0] == call("--device", "cuda:1")[0] == call(name="ground")[0] == 0
    assert children.commands == []


def lenient_load(path: Path) -> params_file.Params:
    """The params without the check that their devices are on this machine."""
    data = yaml.safe_load(path.read_text())
    runtime = params_file.Runtime.model_construct(
        **data["runtime"] | {"batch_size": params_file.BatchSize(**data["runtime"]["batch_size"])}
    )
    loaded = params_file.Params.model_validate(data | {"runtime": data["runtime"] | {"devices": ["cpu"]}})
    return loaded.model_copy(update={"runtime": runtime})
