import json

import pytest

from tgs_pipeline.metrics.splits import Splits


def row(split: str, jf: float | None = None, *, s: float | None = None, frames: int = 10, **changes) -> dict:
    """A scores row; J is .1 above and F .1 below their mean."""
    values = {"J": None, "F": None, "JF": None} if jf is None else {"J": jf + 0.1, "F": jf - 0.1, "JF": jf}
    failed = jf is None and s is None
    return {
        "uid": "a_x_1", "row": 0, "vid": "a", "split": split, "is_null": s is not None, "S": s,
        "num_frames": 0 if failed else frames, "num_frames_expected": 10, "status": "failed" if failed else "ok",
        "reason": "no ground truth" if failed else None, "temporal_stability": None, "enters_late": False,
    } | values | changes  # fmt: skip


def collect(*rows: dict) -> Splits:
    splits = Splits(protocol="tgs")
    for one in rows:
        splits.add(one)
    return splits


def test_means_coverage_and_mix():
    metrics = collect(
        row("test_s", 0.5), row("test_s", 0.7, frames=5), row("test_u", 0.8), row("test_n", s=0.0), row("test_n", s=0.2)
    ).metrics()
    assert list(metrics) == ["test_s", "test_u", "mix", "test_n"]
    assert metrics["test_s"] == {
        "J": pytest.approx(0.7), "F": pytest.approx(0.5), "JF": pytest.approx(0.6), "samples": 2, "coverage": 0.75,
    }  # fmt: skip
    # The mix weighs the splits equally, however many samples they have.
    assert metrics["mix"] == {"J": pytest.approx(0.8), "F": pytest.approx(0.6), "JF": pytest.approx(0.7)}
    assert metrics["test_n"] == {"S": 0.1, "false_positive_rate": 0.5, "samples": 2, "coverage": 1.0}


def test_no_mix_without_both_splits():
    assert "mix" not in collect(row("test_s", 0.5), row("val", 0.5)).metrics()


def test_what_is_not_scored_lowers_coverage_and_nothing_else():
    splits = collect(row("test_s", 0.5), row("test_s"))
    metrics = splits.metrics()["test_s"]
    assert (metrics["JF"], metrics["samples"], metrics["coverage"]) == (0.5, 2, 0.5)
    assert splits.reasons == ["a_x_1 (row 0): no ground truth"]


def test_without_any_score_there_is_no_number_and_the_json_is_valid():
    splits = collect(row("media"), row("test_s"), row("test_u"), row("test_n", is_null=True))
    metrics = splits.metrics()
    nothing = {"J": None, "F": None, "JF": None}
    assert metrics["media"] == nothing | {"samples": 1, "coverage": 0.0}
    assert metrics["mix"] == nothing
    assert metrics["test_n"] == {"S": None, "false_positive_rate": None, "samples": 1, "coverage": 0.0}
    json.dumps(metrics, allow_nan=False)
    assert splits.curve_csv() == "split,share,JF\n"
    assert "media - (coverage 0.000)" in splits.summary().replace("J&F ", "")


def test_null_samples_of_other_splits_have_a_section_of_their_own():
    metrics = collect(row("val", 0.5), row("val", s=0.3), row("test_n", s=0.1)).metrics()
    assert list(metrics) == ["val", "val_null", "test_n"]
    assert metrics["val_null"] == {"S": 0.3, "false_positive_rate": 1.0, "samples": 1, "coverage": 1.0}


def test_splits_csv_is_in_long_form_without_empty_values():
    text = collect(row("test_n", s=0.25), row("test_s")).splits_csv()
    assert text == (
        "score,value\ntest_s coverage,0.0\ntest_n S,0.25\ntest_n false_positive_rate,1.0\ntest_n coverage,1.0\n"
    )


def test_curve_csv_ranks_the_samples():
    text = collect(row("test_s", 0.25), row("test_s", 0.75), row("test_u", 0.5), row("test_s")).curve_csv()
    assert text == "split,share,JF\ntest_s,0.5,0.75\ntest_s,1.0,0.25\ntest_u,1.0,0.5\n"


def test_curve_csv_has_at_most_200_points_and_both_ends():
    lines = collect(*(row("test_s", value / 1000) for value in range(1000))).curve_csv().splitlines()[1:]
    assert len(lines) == 200
    assert lines[0] == "test_s,0.001,0.999"
    assert lines[-1] == "test_s,1.0,0.0"


def test_late_entrants_have_a_mean_of_their_own():
    rows = [row("test_s", 0.5, enters_late=True), row("test_s", 0.7, enters_late=True), row("test_s", 0.9)]
    metrics = collect(*rows, row("test_s", enters_late=True), row("test_u", 0.5)).metrics()  # one is not scored
    assert metrics["test_s"]["JF_late_entrants"] == pytest.approx(0.6)
    assert metrics["test_s"]["JF"] == pytest.approx(0.7)
    assert "JF_late_entrants" not in metrics["test_u"] and "JF_late_entrants" not in metrics["mix"]


def test_temporal_stability_is_a_mean_of_the_samples_that_have_one_and_no_score():
    rows = [row("test_s", 0.5, temporal_stability=0.9), row("test_s", 0.5, temporal_stability=0.7), row("test_s", 0.5)]
    metrics = collect(*rows, row("test_u", 0.5)).metrics()
    assert metrics["test_s"]["temporal_stability"] == pytest.approx(0.8)
    assert "temporal_stability" not in metrics["test_u"] and "temporal_stability" not in metrics["mix"]
