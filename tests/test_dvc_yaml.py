"""dvc.yaml says everything that can change a stage's bytes, and nothing else."""

import re
from pathlib import Path

import pytest
import yaml
from import_closure import import_closure
from project import ROOT, leaves

from tgs_pipeline.params import Params

DATA_SUFFIXES = {".jinja", ".css", ".js", ".yaml"}
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PACKAGE_DATA = {"report": {path for path in (ROOT / "tgs_pipeline/report").iterdir() if path.suffix in DATA_SUFFIXES}}


def code_deps(stage: str) -> set[str]:
    return {dep for dep in STAGES[stage]["deps"] if dep.startswith(("stages/", "tgs_pipeline/"))}


def test_stages_are_the_ones_of_the_design_in_order():
    assert list(STAGES) == [
        "dataset",
        "manifest",
        "features",
        "think",
        "faithfulness",
        "detect",
        "ground",
        "segment",
        "score",
        "report",
    ]
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_code_dependencies_are_the_import_closure(stage):
    needed = import_closure(ROOT / "stages" / f"{stage}.py", root=ROOT)
    needed |= {path.relative_to(ROOT) for path in PACKAGE_DATA.get(stage, ())}
    listed = code_deps(stage)
    missing = sorted({path.as_posix() for path in needed} - listed)
    unneeded = sorted(listed - {path.as_posix() for path in needed})
    assert not missing and not unneeded, f"in dvc.yaml, stage {stage}: add {missing}, remove {unneeded}"


def test_command_runs_the_script_of_the_same_name():
    for stage, definition in STAGES.items():
        assert definition["cmd"] == f"python stages/{stage}.py"


def test_every_param_is_declared_by_a_stage_and_runtime_by_none():
    declared = [name for definition in STAGES.values() for name in definition.get("params", [])]
    assert not [name for name in declared if name.split(".")[0] == "runtime"]
    for leaf in leaves(yaml.safe_load((ROOT / "params.yaml").read_text())):
        if not leaf.startswith("runtime."):
            assert any(leaf == name or leaf.startswith(f"{name}.") for name in declared), f"no stage declares {leaf}"


def test_declared_params_exist():
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for stage, definition in STAGES.items():
        for name in definition.get("params", []):
            value = params
            for part in name.split("."):
                assert part in value, f"stage {stage} declares {name}, which params.yaml lacks"
                value = value[part]
    assert set(params) == set(Params.model_fields)


def test_a_stage_reads_only_what_it_declares():
    """Each operator touches `params.<section>` of declared sections only (and `runtime`, which changes nothing)."""
    for stage, definition in STAGES.items():
        used: set[str] = set()
        for path in import_closure(ROOT / "stages" / f"{stage}.py", root=ROOT):
            if path.parts[:2] == ("tgs_pipeline", "operators"):
                used |= set(re.findall(r"\bparams\.([a-z_]+)\b(?!\s*import)", (ROOT / path).read_text()))
        used &= set(Params.model_fields) - {"runtime"}
        declared = {name.split(".")[0] for name in definition.get("params", [])}
        assert used <= declared, (
            f"stage {stage} reads params sections {sorted(used - declared)} that it does not declare"
        )


def test_init_files_are_empty():
    for path in Path(ROOT / "tgs_pipeline").rglob("__init__.py"):
        assert not path.read_text().strip(), f"{path} would widen the dependencies of every stage"
