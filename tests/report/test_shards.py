import json

import pytest

from tgs_pipeline.report.shards import ShardWriter, script_json


def test_entries_lie_where_the_page_looks_for_them(tmp_path):
    with ShardWriter(tmp_path, "media", size=2) as writer:
        for number in range(5):
            writer.add({"number": number})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["media-00000.js", "media-00001.js", "media-00002.js"]
    text = (tmp_path / "media-00001.js").read_text()
    name, _, entries = text.removeprefix("tgsShard(").removesuffix(");\n").partition(",")
    assert json.loads(name) == "media-00001" and json.loads(entries) == [{"number": 2}, {"number": 3}]


def test_no_entry_no_file(tmp_path):
    with ShardWriter(tmp_path, "media", size=2):
        pass
    assert not list(tmp_path.iterdir())


def test_an_error_leaves_no_last_shard(tmp_path):
    with pytest.raises(RuntimeError), ShardWriter(tmp_path, "media", size=2) as writer:
        writer.add({})
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_json_is_safe_inside_a_script():
    value = "</script><!-- & \u2028 é"
    text = script_json(value)
    assert json.loads(text) == value and text.isascii() and not set("<>&") & set(text)
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json(float("nan"))
