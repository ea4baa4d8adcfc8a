import json

import pytest
from versions import CONFIRMED, KEEPERS, STAGES, bare_code, current


@pytest.mark.parametrize("stage", STAGES)
def test_code_that_decides_rows_is_the_code_of_their_version(stage):
    confirmed, now = json.loads(CONFIRMED.read_text())[stage], current()[stage]
    assert now == confirmed, (
        f"code that rows of {stage} depend on has changed, and cached rows are found by VERSION alone: if a row can "
        f"come out otherwise, raise VERSION in tgs_pipeline/{KEEPERS[stage]}.py; then run `python tests/versions.py`"
    )


def test_comments_and_docstrings_are_no_code(tmp_path):
    (tmp_path / "a.py").write_text('"""Says a."""\n\n\ndef f(x):  # why\n    """Doubles."""\n    return 2 * x\n')
    (tmp_path / "b.py").write_text("def f(x):\n\n    return 2*x\n")
    (tmp_path / "c.py").write_text("def f(x):\n    return 3 * x\n")
    assert bare_code(tmp_path / "a.py") == bare_code(tmp_path / "b.py") != bare_code(tmp_path / "c.py")
