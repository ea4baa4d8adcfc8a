import pytest
import yaml
from project import ROOT

from tgs_pipeline.compat.profiles import with_compat
from tgs_pipeline.compat.traps import STAGES, labels
from tgs_pipeline.params import Params, ParamsError

TEXT = (ROOT / "profiles/tiny.yaml").read_text()


def labels_of(text: str) -> dict[str, str]:
    return labels(Params.model_validate(yaml.safe_load(text)))


def test_parity_of_all_stages_keeps_every_line_and_comment():
    changed = with_compat(TEXT, "parity", stages=None, where="tiny.yaml")
    assert labels_of(changed) == dict.fromkeys(STAGES, "parity")
    before, after = TEXT.splitlines(), changed.splitlines()
    assert len(before) == len(after)
    moved = [(one, two) for one, two in zip(before, after, strict=True) if one != two]
    assert len(moved) == 11  # eight traps, reply_format, the published prompt, and no faithfulness
    assert all(one.partition("#")[2] == two.partition("#")[2] for one, two in moved)


def test_corrected_undoes_the_traps():
    parity = with_compat(TEXT, "parity", stages=["score", "segment"], where="tiny.yaml")
    assert parity != TEXT
    assert with_compat(parity, "corrected", stages=None, where="tiny.yaml") == TEXT


def test_one_stage_alone():
    assert labels_of(with_compat(TEXT, "parity", stages=["ground"], where="tiny.yaml")) == dict.fromkeys(
        STAGES, "corrected"
    ) | {"ground": "parity"}


def test_a_stage_without_traps_is_refused():
    with pytest.raises(ParamsError, match=r"--stage report: no trap is set there; stages with traps: think, detect"):
        with_compat(TEXT, "parity", stages=["report"], where="tiny.yaml")
