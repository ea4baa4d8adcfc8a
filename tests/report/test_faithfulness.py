import json

import pytest

from tgs_pipeline.metrics.faithfulness import Rate
from tgs_pipeline.report.faithfulness import as_text, read_faithfulness

RATE = Rate(hits=12, cases=16, unreadable=2).to_json()


def write(tmp_path, content):
    path = tmp_path / "faithfulness.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_table_has_a_line_and_a_sentence_for_each_measure(tmp_path):
    rates = {"swapped_sound": {"changes_where_it_should": RATE}, "edited_description": {"follows": RATE}}
    found = read_faithfulness(write(tmp_path, {"num_samples": 16, "failed": 3, "rates": rates}))
    assert [line.intervention for line in found.lines] == ["edited_description", "swapped_sound"]
    text = as_text(found)
    lines = text.splitlines()
    assert len(lines) == 6
    assert lines[1].split() == ["edited_description", "follows", "0.750", "0.505..0.898", "12", "of", "16"]
    assert lines[2].strip().startswith("One fact of the forced description is edited") and "2 unreadable" in lines[2]
    assert lines[5].startswith("3 cases failed")


def test_nothing_measured_is_said(tmp_path):
    off = read_faithfulness(write(tmp_path, {"num_samples": 0, "failed": 0, "rates": {}}))
    assert as_text(off) == "faithfulness is not measured: faithfulness.num_samples is 0"
    none = read_faithfulness(write(tmp_path, {"num_samples": 4, "failed": 0, "rates": {}}))
    assert as_text(none) == "faithfulness: no sample allowed an intervention"


@pytest.mark.parametrize(
    "content",
    ["{", "[]", {"num_samples": 1, "failed": 0}, {"num_samples": 1, "failed": 0, "rates": {"a": {"follows": RATE}}},
     {"num_samples": 1, "failed": 0, "rates": {"edited_chain": {"follows": {"rate": 1.0}}}}],
)  # fmt: skip
def test_other_content_is_refused(tmp_path, content):
    with pytest.raises(
        ValueError, match=r"faithfulness.json: not what the stage faithfulness writes .*run `dvc repro`"
    ):
        read_faithfulness(write(tmp_path, content))


def test_a_missing_file_says_what_to_run(tmp_path):
    with pytest.raises(ValueError, match=r"absent.json is missing: run `dvc repro` to make faithfulness"):
        read_faithfulness(tmp_path / "absent.json")
