import re

import pytest
import yaml
from project import ROOT

from tgs_pipeline import params as params_file
from tgs_pipeline.compat import traps
from tgs_pipeline.params import Params

PAGE = (ROOT / "docs/parity.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def params() -> Params:
    return params_file.load(ROOT / "params.yaml")


def changed(params: Params, changes: dict) -> Params:
    data = params.model_dump()
    for name, value in changes.items():
        section, key = name.split(".")
        data[section][key] = value
    return Params.model_validate(data)


def test_the_default_is_corrected_in_every_stage(params):
    assert traps.labels(params) == dict.fromkeys(("think", "detect", "ground", "segment", "score"), "corrected")
    assert traps.summary(traps.labels(params)) == "corrected"


def test_parity_in_every_stage_and_back(params):
    parity = changed(params, traps.changes("parity", params, stages=traps.STAGES))
    assert set(traps.labels(parity).values()) == {"parity"}
    assert parity.faithfulness.num_samples == 0
    again = changed(parity, traps.changes("corrected", parity, stages=traps.STAGES))
    assert traps.summary(traps.labels(again)) == "corrected"
    assert again.segment == params.segment and again.score == params.score and again.detect == params.detect


def test_one_stage_alone(params):
    changes = traps.changes("parity", params, stages=["segment"])
    assert changes == {"segment.swap_channels": True, "segment.input_size_px": 224}
    found = traps.labels(changed(params, changes))
    assert (found["segment"], found["ground"]) == ("parity", "corrected")
    assert "segment parity, score corrected" in traps.summary(found)


def test_a_stage_with_some_traps_is_mixed_and_names_them(params):
    assert traps.labels(changed(params, {"segment.swap_channels": True}))["segment"] == "mixed (T20 as upstream)"


def test_what_upstream_lacks_is_no_parity(params):
    found = traps.labels(changed(params, {"ground.box_select": "first", "ground.clip_threshold": 0.2}))
    assert found["ground"] == "mixed (T19 as upstream)"


def test_the_pass_through_knows_no_trap_of_thinking(params):
    changes = {"think.backend": "reference", "think.padding": "read", "faithfulness.num_samples": 0}
    assert traps.labels(changed(params, changes))["think"] == "corrected"


def test_the_stage_score_declares_every_setting_that_its_labels_read():
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["score"]["params"]
    assert {name for name in (*traps.SETTINGS, "think.backend") if not name.startswith("score.")} <= set(declared)


def test_the_page_names_every_setting_and_only_tests_that_there_are():
    for trap in traps.TRAPS:
        assert f"`{trap.name}`" in PAGE, trap
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 10
    for path, test in named:
        text = (ROOT / path).read_text()
        assert not test or f"def {test}(" in text, f"docs/parity.md names {path}::{test}"
