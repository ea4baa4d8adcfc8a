"""training/dvc.yaml says everything that can change a stage's bytes, and nothing else."""

import re

import pytest
import yaml
from dvc.repo import Repo
from import_closure import import_closure
from project import ROOT, leaves

from tgs_pipeline.training.check import find_problems
from tgs_pipeline.training.params import TrainingParams, load

FILE = ROOT / "training/dvc.yaml"
CODE = ("training/stages/", "tgs_pipeline/")
ALIGNMENT = ("alignment@visual", "alignment@audio")
ENCODERS = ("vision", "sound", "language")
SEGMENTER = ("segmenter_image", "segmenter_clips")


def expanded(stages):
    """The stages as DVC sees them: `foreach` makes one of each item, named `<stage>@<item>`."""
    found = {}
    for name, definition in stages.items():
        items = definition.get("foreach")
        for key, item in (items or {None: None}).items():
            text = yaml.safe_dump(definition["do"] if items else definition)
            text = text.replace("${key}", str(key)).replace("${item}", str(item))
            found[f"{name}@{key}" if items else name] = yaml.safe_load(text)
    return found


STAGES = expanded(yaml.safe_load(FILE.read_text())["stages"])


def script_of(stage):
    return f"training/stages/{stage.partition('@')[0]}.py"


def declared(stage):
    [entry] = STAGES[stage]["params"]
    assert list(entry) == ["training/params.yaml"]
    return entry["training/params.yaml"]


def test_stages_are_the_scripts():
    order = ["backbone", "detector", "dataset", "manifest", "features", "corpus"]
    order += [*ALIGNMENT, "pretrain_audio", "pretrain_visual", "finetune", "export"]
    assert list(STAGES) == [*(f"encoders@{name}" for name in ENCODERS), *SEGMENTER, *order]
    scripts = {path.relative_to(ROOT).as_posix() for path in (ROOT / "training/stages").glob("*.py")}
    assert scripts == {script_of(stage) for stage in STAGES}
    for stage, definition in STAGES.items():
        command = " ".join(["python", script_of(stage), *stage.split("@")[1:]])
        assert (definition["wdir"], definition["cmd"]) == ("..", command)


@pytest.mark.parametrize("stage", STAGES)
def test_code_dependencies_are_the_import_closure(stage):
    needed = {path.as_posix() for path in import_closure(ROOT / script_of(stage), root=ROOT)}
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


@pytest.mark.parametrize(
    "stage", ["encoders@vision", "backbone", "detector", "corpus", *ALIGNMENT, "finetune", "export"]
)
def test_a_stage_reads_only_what_it_declares(stage):
    source = (ROOT / f"tgs_pipeline/training/{stage.partition('@')[0]}.py").read_text()
    source += (ROOT / "tgs_pipeline/training/run.py").read_text() if stage == "finetune" else ""
    used = set(re.findall(r"\bparams\.([a-z_]+)\b(?!\s*import)", source)) & set(TrainingParams.model_fields)
    assert used - {"runtime"} <= {name.split(".")[0] for name in declared(stage)}


def test_outs_lie_below_training_artifacts_and_plots_are_outs():
    outs = [out for definition in STAGES.values() for out in definition["outs"]]
    assert all(out.startswith("training/artifacts/") for out in outs)
    for plot in yaml.safe_load(FILE.read_text())["plots"]:
        [settings] = plot.values()
        for name in settings["y"]:
            assert any(f"training/{name}" == out or f"training/{name}".startswith(f"{out}/") for out in outs)


@pytest.mark.parametrize("name", ["params.yaml", "tiny.yaml"])
def test_the_committed_params_are_valid_and_their_sizes_those_of_the_tiny_model(name):
    from tgs_pipeline.tinyworld.models.ref_thinker import SIZES

    assert load(ROOT / "training" / name).model.sizes == SIZES
    assert find_problems(ROOT / "training" / name) == []


def test_the_real_run_differs_from_the_small_one_in_values_alone():
    """training/tiny.yaml is copied over training/params.yaml, so it must name the same files.

    The language model of the small run starts from nothing, that of the real one from an earlier run.
    """
    small, real = (yaml.safe_load((ROOT / "training" / name).read_text()) for name in ("params.yaml", "tiny.yaml"))
    assert list(leaves(small)) == list(leaves(real))
    assert small["encoders"]["language"].pop("start") == "training/none"
    assert real["encoders"]["language"].pop("start") == "weights/tiny/pretraining/language.safetensors"
    assert paths_in(small) == paths_in(real)


def paths_in(params):
    if isinstance(params, dict):
        return [path for child in params.values() for path in paths_in(child)]
    return [params] if "/" in str(params) else []


def test_dvc_trains_the_encoders_before_what_reads_them():
    """It reads the whole file, expands it, and finds the weights inside the folders of their stages."""
    with Repo(ROOT) as repo:
        graph = repo.index.graph
        before = {
            stage.addressing.partition(":")[2]: {
                other.addressing.partition(":")[2] for other in graph.successors(stage)
            }
            for stage in graph
            if stage.addressing.startswith("training/dvc.yaml")
        }
    assert before.keys() == STAGES.keys()
    assert before["features"] == {"dataset", "manifest", "encoders@vision", "encoders@sound"}
    assert (before["backbone"], before["detector"]) == (set(), {"backbone"})
    for modality, tower in (("audio", "encoders@sound"), ("visual", "encoders@vision")):
        assert before[f"alignment@{modality}"] == {"features", "encoders@language", tower}
        aligned = f"alignment@{modality}"
        assert before[f"pretrain_{modality}"] == {"corpus", "features", "encoders@language", aligned}
    assert (before["segmenter_image"], before["segmenter_clips"]) == (set(), {"segmenter_image"})
