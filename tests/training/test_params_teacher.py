import pytest
import yaml
from project import ROOT

from tgs_pipeline.params import ParamsError
from tgs_pipeline.training.params_teacher import load

PARAMS = ROOT / "training/teacher.yaml"


def changed(folder, **changes):
    data = yaml.safe_load(PARAMS.read_text())
    for name, value in changes.items():
        section, key = name.split("__")
        data[section][key] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_the_committed_file_is_complete():
    assert load(PARAMS).instruct.splits == ["train"]


def test_an_unknown_section_is_refused(tmp_path):
    path = tmp_path / "teacher.yaml"
    path.write_text(PARAMS.read_text() + "\nteachers: {}\n")
    with pytest.raises(ParamsError, match="teachers: Extra inputs are not permitted"):
        load(path)


def test_a_key_in_the_file_is_refused_and_not_repeated(tmp_path):
    path = changed(tmp_path, teacher__api_key_env="sk-secret", teacher__base_url="https://me:sk-secret@host/v1")
    with pytest.raises(ParamsError, match="expected the NAME of an environment variable") as raised:
        load(path)
    assert "without user, password or query" in str(raised.value)
    assert "sk-secret" not in str(raised.value) + repr(raised.value)


def test_all_mistakes_are_told_at_once(tmp_path):
    path = changed(
        tmp_path,
        teacher__sampling={"model": "x"},
        teacher__max_atempts=1,
        rewrite__words={"min": 5, "max": 4},
        instruct__num_frames=0,
    )
    with pytest.raises(ParamsError) as raised:
        load(path)
    text = str(raised.value)
    assert "4 problem(s)" in text and "['model'] cannot be set here" in text and "min 5 is above max 4" in text
    assert "teacher.max_atempts" in text and "instruct.num_frames" in text
    with pytest.raises(ParamsError, match="no such file"):
        load(tmp_path / "none.yaml")
