import json
import shutil
from types import SimpleNamespace

import pytest
import yaml
from project import ROOT

from tgs_pipeline.sweep import run as sweeping


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with params, references, weights, and stages that only write down that they ran."""
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["dataset"] |= {"root": "data", "tinyworld": None}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    files = ["data/metadata.csv", "data/R2AVSBench_metadata.csv"]
    files += [f"weights/tiny/{name}" for name in ("clip/a", "beats.safetensors", "ref_thinker/a", "grounding_dino/a")]
    files += ["weights/tiny/sam2.safetensors", "weights/tiny/sam2.yaml", params["segment"]["sounding"]]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    ran = []

    def stage(name, folder):
        def operate(params, workspace, execution):
            ran.append(name)
            target = workspace.artifacts / folder
            target.mkdir()
            (target / "made").write_text(str(params.ground.box_threshold))
            if name == "score":
                values = {"JF": params.ground.box_threshold, "coverage": 1.0}
                workspace.metrics.write_text(json.dumps({"protocol": "tgs", "splits": {"test_s": values}}))

        return sweeping.Stage(SimpleNamespace(run=operate, VERSION=1), folder)

    stages = {name: stage(name, real.folder) for name, real in sweeping.STAGES.items()}
    monkeypatch.setattr(sweeping, "STAGES", stages)
    monkeypatch.setattr(sweeping, "_current", lambda params: {})
    return SimpleNamespace(folder=tmp_path, ran=ran, stages=list(stages))


def sweep(place, **content):
    place.ran.clear()
    (place.folder / "grid.yaml").write_text(yaml.safe_dump({"title": "t"} | content))
    return sweeping.run(place.folder / "grid.yaml", params=place.folder / "params.yaml", out=place.folder / "out")


THRESHOLDS = {"grid": {"ground.box_threshold": [0.1, 0.2]}}


def test_rows_run_from_the_first_stage_that_differs(place):
    text = sweep(place, **THRESHOLDS)
    assert place.ran == [*place.stages, "ground", "segment", "score"]
    assert "| box_threshold=0.1 | tgs | 10.0 | 100.0 |" in text and "| box_threshold=0.2 | tgs | 20.0 | 100.0 |" in text
    second = place.folder / "out/rows/box_threshold=0.2/artifacts"
    assert (second / "candidates").is_symlink() and not (second / "candidates").readlink().is_absolute()
    assert (second / "candidates/made").read_text() == "0.1" and (second / "boxes/made").read_text() == "0.2"
    assert (place.folder / "out/table.md").read_text() == text


def test_finished_rows_are_not_run_again_and_new_ones_join(place):
    sweep(place, **THRESHOLDS)
    assert sweep(place, **THRESHOLDS) and place.ran == []
    sweep(place, grid={"ground.box_threshold": [0.1, 0.2, 0.3]})
    assert place.ran == ["ground", "segment", "score"]


def test_a_row_that_was_cut_off_is_run_again(place):
    sweep(place, **THRESHOLDS)
    (place.folder / "out/rows/box_threshold=0.2/row.json").unlink()
    sweep(place, **THRESHOLDS)
    assert place.ran == ["ground", "segment", "score"]


def test_other_weights_references_or_versions_make_another_row(place):
    rows = {"rows": [{"name": "a"}]}
    sweep(place, **rows)
    (place.folder / "weights/tiny/grounding_dino/a").write_text("trained")
    sweep(place, **rows)
    assert place.ran == place.stages  # the row itself held all results
    sweep(place, rows=[{"name": "a"}, {"name": "b", "set": {"dataset.metadata": "R2AVSBench_metadata.csv"}}])
    assert place.ran == place.stages
    sweep(place, rows=[{"name": "a"}, {"name": "c", "set": {"detect.floor": 0.06}}])
    assert place.ran == ["detect", "ground", "segment", "score"]


def test_results_of_the_pipeline_are_taken_where_dvc_calls_them_current(place, monkeypatch):
    base = sweeping.load(place.folder / "params.yaml")
    names = ("manifest", "features", "think")
    keys = sweeping.stage_keys(base, oracle=())
    owners = {keys[name]: place.folder / "artifacts" / sweeping.STAGES[name].folder for name in names}
    for folder in owners.values():
        folder.mkdir(parents=True)
    monkeypatch.setattr(sweeping, "_current", lambda params: owners)
    sweep(place, rows=[{"name": "a"}])
    assert place.ran == ["detect", "ground", "segment", "score"]
    link = place.folder / "out/rows/a/artifacts/chains"
    assert link.is_symlink() and link.resolve() == (place.folder / "artifacts/chains").resolve()
    assert (place.folder / "artifacts/chains").is_dir()


def test_dvc_is_asked_how_far_the_pipeline_is_current(place, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(place.folder)
    answers = iter([json.dumps({"ground": ["changed"]}), json.dumps({"dataset": ["changed"]})])
    monkeypatch.setattr(
        sweeping.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0, stdout=next(answers), stderr="")
    )
    params = place.folder / "params.yaml"
    found = sweeping._current(params)
    assert [path.name for path in found.values()] == ["samples", "features", "chains", "candidates"]
    assert len(sweeping._current(params)) == 7  # a dataset that is not rendered is nobody's output
    assert sweeping._current(shutil.copy(params, "other.yaml") and place.folder / "other.yaml") == {}


def test_an_oracle_takes_the_place_of_its_stage(place, monkeypatch):
    said = []
    for name in ("write_true_names", "write_true_boxes"):
        monkeypatch.setattr(sweeping.oracles, name, lambda workspace, name=name: said.append(name))
    sweep(place, rows=[{"name": "a"}, {"name": "b", "oracle": ["name", "box"]}, {"name": "c", "oracle": ["box"]}])
    assert place.ran[7:] == ["think", "detect", "ground", "segment", "score", "ground", "segment", "score"]
    assert said == ["write_true_names", "write_true_boxes", "write_true_boxes"]
    assert "b (oracle: name and box)" in (place.folder / "out/table.md").read_text()


def test_missing_weights_say_what_to_do(place):
    (place.folder / "weights/tiny/sam2.yaml").unlink()
    with pytest.raises(ValueError, match=r"weights/tiny/sam2.yaml is missing: `tgs check` says what a run needs"):
        sweep(place, rows=[{"name": "a"}])
