"""training/dvc.yaml says everything that can change a stage's bytes, and nothing else."""

import re

import pytest
import yaml
from import_closure import import_closure
from project import ROOT, leaves

from tgs_pipeline.training.params import TrainingParams, load

FILE = ROOT / "training/dvc.yaml"
STAGES = yaml.safe_load(FILE.read_text())["stages"]
CODE = ("training/stages/", "tgs_pipeline/")


def declared(stage):
    [entry] = STAGES[stage]["params"]
    assert list(entry) == ["training/params.yaml"]
    return entry["training/params.yaml"]


def test_stages_are_the_scripts():
    order = ["dataset", "manifest", "features", "corpus", "pretrain_audio", "pretrain_visual", "finetune", "export"]
    assert list(STAGES) == order
    assert {path.stem for path in (ROOT / "training/stages").glob("*.py")} == set(STAGES)
    for stage, definition in STAGES.items():
        assert (definition["wdir"], definition["cmd"]) == ("..", f"python training/stages/{stage}.py")


@pytest.mark.parametrize("stage", STAGES)
def test_code_dependencies_are_the_import_closure(stage):
    needed = {path.as_posix() for path in import_closure(ROOT / f"training/stages/{stage}.py", root=ROOT)}
    listed = {dep for dep in STAGES[stage]["deps"] if dep.startswith(CODE)}
    missing, unneeded = sorted(needed - listed), sorted(listed - needed)
    assert not missing and not unneeded, f"in training/dvc.yaml, stage {stage}: add {missing}, remove {unneeded}"


def test_every_param_is_declared_and_runtime_by_none():
    names = [name for stage in STAGES for name in declared(stage)]
    assert not [name for name in names if name.split(".")[0] == "runtime"]
    for leaf in leaves(yaml.safe_load((ROOT / "training/params.yaml").read_text())):
        if not leaf.startswith("runtime."):
            assert any(leaf == name or leaf.startswith(f"{name}.") for name in names), f"no stage declares {leaf}"


def test_declared_params_exist():
    params = yaml.safe_load((ROOT / "training/params.yaml").read_text())
    for stage in STAGES:
        for name in declared(stage):
            value = params
            for part in name.split("."):
                assert part in value, f"stage {stage} declares {name}, which training/params.yaml lacks"
                value = value[part]


@pytest.mark.parametrize("stage", ["corpus", "finetune", "export"])
def test_a_stage_reads_only_what_it_declares(stage):
    source = (ROOT / f"tgs_pipeline/training/{stage}.py").read_text()
    source += (ROOT / "tgs_pipeline/training/run.py").read_text() if stage == "finetune" else ""
    used = set(re.findall(r"\bparams\.([a-z_]+)\b(?!\s*import)", source)) & set(TrainingParams.model_fields)
    assert used - {"runtime"} <= {name.split(".")[0] for name in declared(stage)}


def test_outs_lie_below_training_artifacts_and_plots_are_outs():
    outs = [out for definition in STAGES.values() for out in definition["outs"]]
    assert all(out.startswith("training/artifacts/") for out in outs)
    for plot in yaml.safe_load(FILE.read_text())["plots"]:
        [settings] = plot.values()
        assert {f"training/{name}" for name in settings["y"]} <= set(outs)


def test_the_committed_params_are_valid_and_their_sizes_those_of_the_tiny_model():
    from tgs_pipeline.tinyworld.models.ref_thinker import SIZES

    assert load(ROOT / "training/params.yaml").model.sizes == SIZES
