import pytest
import yaml
from project import ROOT

from tgs_pipeline.params import ParamsError, load
from tgs_pipeline.sweep.grid import plan, read_grid

PARAMS = ROOT / "params.yaml"


def plans(tmp_path, content, params=PARAMS):
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump({"title": "t"} | content))
    return plan(read_grid(path), params=params)


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_committed_experiment_is_valid_on_every_profile_that_grounds_every_frame(path):
    profiles = [one for one in sorted((ROOT / "profiles").glob("*.yaml")) if load(one).ground.frames == "every"]
    assert len(profiles) >= 7
    for profile in profiles:
        assert len(plan(read_grid(path), params=profile)) >= 2
    assert f"tgs sweep experiments/{path.name} --out sweeps/{path.stem}" in path.read_text()


def test_rows_are_combined_with_the_grid(tmp_path):
    found = plans(
        tmp_path,
        {
            "base": {"detect.captions": ["s_object", "reference"], "ground.prompt": "s_object"},
            "rows": [{"name": "T_s"}, {"name": "R", "set": {"ground.prompt": "reference"}}],
            "grid": {"ground.box_threshold": [0.1, 0.2], "ground.null_threshold": [None, 0.5]},
        },
    )
    assert [one.name for one in found[:2]] == [
        "T_s; box_threshold=0.1, null_threshold=null",
        "T_s; box_threshold=0.1, null_threshold=0.5",
    ]
    assert len(found) == 8 and len({one.folder for one in found}) == 8
    last = found[-1].params.ground
    assert (last.prompt, last.box_threshold, last.null_threshold) == ("reference", 0.2, 0.5)
    assert found[0].params.detect.captions == ["s_object", "reference"]
    assert found[-1].changes["ground.box_threshold"] == 0.2


def test_a_grid_without_rows_and_a_row_without_changes(tmp_path):
    assert [one.name for one in plans(tmp_path, {"grid": {"ground.box_threshold": [0.1, 0.2]}})] == [
        "box_threshold=0.1",
        "box_threshold=0.2",
    ]
    assert [one.name for one in plans(tmp_path, {})] == ["as it is"]


def test_the_mistakes_of_all_rows_are_told_before_any_is_run(tmp_path):
    rows = [
        {"name": "a", "set": {"ground.box_treshold": 0.1}},
        {"name": "b", "set": {"ground.prompt": "reference"}},
        {"name": "c", "set": {"grund.prompt": "auto"}},
        {"name": "d", "set": {"dataset.tinyworld.seed": 1}},
        {"name": "e/f"},
        {"name": "e f"},
        {"name": "e_f"},
    ]
    with pytest.raises(ParamsError) as error:
        plans(tmp_path, {"rows": rows})
    text = str(error.value)
    assert "row 'a': 1 problem(s)\n  ground.box_treshold: unknown key; did you mean 'ground.box_threshold'?" in text
    assert "row 'b'" in text and "add ['reference'] to detect.captions" in text
    assert "row 'c': grund.prompt is in no section of the params" in text
    assert "row 'd': dataset.tinyworld.seed cannot be changed by a sweep, only in the params file" in text
    assert text.count("another row has this name") == 2


def test_a_grid_file_is_checked_itself(tmp_path):
    with pytest.raises(ParamsError) as error:
        plans(tmp_path, {"rows": [{"nam": "a", "oracle": ["mask"]}], "gird": {}})
    text = str(error.value)
    assert "gird: unknown key; did you mean 'grid'?" in text and "rows.0.nam: unknown key" in text
    assert "rows.0.oracle.0" in text and "'name' or 'box'" in text


def test_an_oracle_needs_ground_truth(tmp_path):
    data = yaml.safe_load(PARAMS.read_text())
    data["dataset"] |= {"adapter": "media_folder", "tinyworld": None}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(data))
    rows = [{"name": "a", "oracle": ["box"]}]
    with pytest.raises(ParamsError, match="row 'a': an oracle needs ground truth"):
        plans(tmp_path, {"rows": rows}, params=tmp_path / "params.yaml")
