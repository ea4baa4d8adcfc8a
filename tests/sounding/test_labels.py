import pytest

from tgs_pipeline.sounding.labels import heard_labels, read_names

NAMES = {"/m/1": "Dog", "/m/2": "Bark", "/m/3": "Speech", "/m/028v0c": "Silence"}
ONE = [("/m/028v0c", 0.9), ("/m/3", 0.1), ("/m/1", 0.5), ("/m/2", 0.5)]


def test_the_best_labels_of_all_taggers_without_silence_sorted_by_name():
    assert heard_labels([ONE], num_labels=2, names=NAMES) == ["Bark", "Dog"]
    assert heard_labels([ONE, [("/m/3", 0.2)]], num_labels=1, names=NAMES) == ["Dog", "Speech"]
    assert heard_labels([ONE, ONE[::-1]], num_labels=5, names=NAMES) == ["Bark", "Dog", "Speech"]
    assert heard_labels([[("silence", 1.0), ("dog", 0.1)]], num_labels=1, names=None) == ["dog"]
    assert heard_labels([], num_labels=5, names=None) == []


def test_an_id_without_name_is_told():
    with pytest.raises(ValueError, match="'/m/9' has no name"):
        heard_labels([[("/m/9", 1.0)]], num_labels=5, names=NAMES)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ontology.json", '[{"id": "/m/1", "name": "Dog", "child_ids": []}, {"id": "/m/2", "name": "Bark"}]'),
        ("labels.csv", 'index,mid,display_name\n0,/m/1,"Dog"\n1,/m/2,Bark\n'),
    ],
)
def test_names_are_read(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_names(tmp_path / name) == {"/m/1": "Dog", "/m/2": "Bark"}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.json", '{"/m/1": "Dog"}', "expected a list of sound classes with id and name"),
        ("a.json", "[3]", "with id and name"),
        ("a.json", "[]", "with id and name"),
        ("a.json", '[{"id": "/m/1", "name": 3}]', "with id and name"),
        ("a.json", "[", "not JSON"),
        ("a.csv", "mid,name\n1,2\n", "lacks the column"),
    ],
)
def test_other_files_are_refused(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=reason):
        read_names(tmp_path / name)
    with pytest.raises(ValueError, match="cannot be read"):
        read_names(tmp_path / "none.json")
