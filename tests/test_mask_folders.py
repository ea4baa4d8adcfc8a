import pytest

from tgs_pipeline.mask_folders import Findings, ordered, read_order


def test_order_of_samples(tmp_path):
    (tmp_path / "order.txt").write_text("b\na\n\nc\n")
    findings = Findings()
    assert ordered({"a", "b"}, read_order(tmp_path / "order.txt"), findings) == ["b", "a"]
    assert ordered({"b", "a"}, None, findings) == ["a", "b"]
    assert findings.problems == []
    assert ordered({"a", "d"}, ["a", "a"], findings) == ["a"]
    assert findings.problems == [
        "a: stands more than once in the order of samples",
        "d: is not in the order of samples; add it",
    ]
    with pytest.raises(ValueError, match=r"absent\.txt: cannot be read as a list of uids"):
        read_order(tmp_path / "absent.txt")


def test_problems_are_refused_together(tmp_path):
    Findings(warnings=["odd"]).refuse(tmp_path)
    with pytest.raises(ValueError, match=r"2 problem\(s\):\n  one\n  two"):
        Findings(problems=["one", "two"]).refuse(tmp_path)
