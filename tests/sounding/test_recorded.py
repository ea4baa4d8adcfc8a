import json

import pytest

from tgs_pipeline.sounding.recorded import read_activity, sounds
from tgs_pipeline.sounding.segments import Segment


def test_a_file(tmp_path):
    path = tmp_path / "sounding.json"
    path.write_text(json.dumps({"v1": {"The  Dog": [[0, 2], [3, 4]], "cat": []}, "v2": {}}))
    found = read_activity(path)
    assert found == {"v1": {"the dog": (Segment(0, 2), Segment(3, 4)), "cat": ()}, "v2": {}}
    assert [sounds(found["v1"]["the dog"], second=second) for second in range(5)] == [True, True, False, True, False]
    assert not sounds((), second=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "not JSON"),
        ("[]", r"expected \{vid"),
        ('{"v": [[0, 2]]}', r"expected \{vid"),
        ('{"v": {"dog": null}}', "video 'v', 'dog': expected a list"),
        ('{"v": {"dog": [[0, 1.5]]}}', "in whole seconds"),
        ('{"v": {"dog": [[0, true]]}}', "in whole seconds"),
        ('{"v": {"dog": [[0, 2], [1, 3]]}}', "without overlap"),
        ('{"v": {"dog": [[2, 2]]}}', "segments in order"),
        ('{"v": {"dog": [[-1, 2]]}}', "segments in order"),
        ('{"v": {"dog": [[0, 3601]]}}', "within 3600 s"),
        ('{"v": {"dog": [], "Dog": []}}', "an object stands twice"),
    ],
)
def test_what_is_not_of_this_layout_is_refused(tmp_path, content, message):
    path = tmp_path / "sounding.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"sounding\.json.*" + message):
        read_activity(path)


def test_a_missing_file_names_the_setting(tmp_path):
    with pytest.raises(ValueError, match=r"none\.json: cannot be read"):
        read_activity(tmp_path / "none.json")
