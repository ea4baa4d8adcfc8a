import csv

import pytest
from data.expressions_example import write_ref_youtube_vos
from report.artifacts_example import write_example

from tgs_pipeline.data import avsbench, ref_avsbench, ref_youtube_vos
from tgs_pipeline.metrics.protocols import NAMES
from tgs_pipeline.report.published import Fingerprints, Published, compare, read_published
from tgs_pipeline.report.records import read_records


@pytest.fixture
def published() -> Published:
    return read_published()


def found_of(samples, *, grid_px: int = 224) -> Fingerprints:
    found = Fingerprints(grids_px={grid_px})
    for sample in samples:
        found.add_sample(uid=sample.uid, reference=sample.reference, split=sample.split)
    return found


def metrics_of(*splits: str, protocol: str = "tgs", coverage: float = 1.0, **changes) -> dict:
    values = {"J": 0.5, "F": 0.7, "JF": 0.6, "coverage": coverage}
    found: dict[str, dict] = {
        split: {"S": 0.1234, "coverage": 1.0} if split == "test_n" else values for split in splits
    }
    return {"protocol": protocol, "gt_resize": "bicubic_bool", "splits": found | {"mix": {"JF": 0.6}}} | changes


def small(published: Published, found: Fingerprints, data: str) -> Published:
    """The tables as if the samples found were that benchmark."""
    splits = {split: found.of(split) for split in found.samples}
    return published.model_copy(
        update={"data": published.data | {data: published.data[data].model_copy(update={"splits": splits})}}
    )


def samples_in(tmp_path):
    return list(ref_youtube_vos.read_samples(write_ref_youtube_vos(tmp_path), splits=["train", "valid"]))


def test_every_row_names_data_and_a_protocol_of_ours_or_none(published):
    assert {row.data for row in published.rows} <= published.data.keys()
    assert {row.protocol for row in published.rows} <= {*NAMES, None}
    newer = {
        row.method: (row.protocol, row.scores) for row in published.rows if row.method in ("SimToken", "ALS3P", "MAR3")
    }
    assert newer == {
        "SimToken": (None, {"test_s": {"JF": 76.7}, "test_u": {"JF": 74.5}}),
        "ALS3P": (None, {"test_s": {"JF": 80.0}, "test_u": {"JF": 81.7}}),
        "MAR3": (None, {"mix": {"JF": 69.2}}),
    }
    mixes = [row.scores for row in published.rows if {"test_s", "test_u", "mix"} <= row.scores.keys()]
    for scores in mixes:
        mean = (scores["test_s"]["JF"] + scores["test_u"]["JF"]) / 2
        assert scores["mix"]["JF"] == pytest.approx(mean, abs=0.1001), "mix is the plain mean of the two"


def test_rows_stand_side_by_side_where_protocol_and_data_are_the_same(published, shared_data):
    samples = ref_avsbench.read_samples(
        shared_data / "refavsbench" / "metadata.csv", splits=["test_s", "test_u", "test_n"]
    )
    comparison = compare(published, metrics_of("test_s", "test_u", "test_n"), found_of(samples))
    assert comparison is not None and comparison.data == "Ref-AVSBench"
    assert comparison.columns == [("test_s", "JF"), ("test_u", "JF"), ("test_n", "S"), ("mix", "JF")]
    assert comparison.ours == ["60.0", "60.0", "0.123", "60.0"]
    (first, cells), *others = comparison.theirs
    assert (first.method, cells) == ("TGS-Agent", ["54.9", "76.9", "0.035", "65.9"])
    assert {row.method for row, _ in others} == {"TGS-Agent, fine-grained description", "Grounded-SAM2"}
    harder = ref_avsbench.read_samples(shared_data / "r2avsbench" / "metadata.csv", splits=["test_s", "test_u"])
    comparison = compare(published, metrics_of("test_s", "test_u"), found_of(harder))
    assert comparison is not None and comparison.data == "R2-AVSBench"


def test_the_names_of_avsbench_are_those_of_its_test_videos(published, shared_data, tmp_path):
    import json

    names = json.loads((shared_data / "al_ref_sam2/gpt_results/s4/cot_stage_1_outputs.json").read_text())
    with (tmp_path / "s4_meta_data.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows(
            [("name", "x", "category", "split"), *((name, 0, "dog", "test") for name in names)]
        )
    samples = avsbench.read_s4(tmp_path / "s4_meta_data.csv", splits=["test"])
    comparison = compare(published, metrics_of("test", protocol="alref"), found_of(samples))
    assert comparison is not None and comparison.data == "AVSBench S4"
    assert comparison.ours == ["50.0", "70.0"] and comparison.theirs[0][1] == ["70.5", "81.1"]


def test_nothing_stands_beside_the_tiny_world_or_the_example(published, tmp_path):
    found = Fingerprints()
    for record in read_records(write_example(tmp_path)):
        found.add(record)
    assert found.samples.total() == 10 and found.grids_px == {224}
    assert compare(published, metrics_of("test_s", "test_u", "test_n"), found) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "avsbench"}, {"protocol": "davis"}, {"gt_resize": "nearest"}, {"coverage": 0.99},
    ],
)  # fmt: skip
def test_another_protocol_or_less_coverage_shows_nothing(published, tmp_path, changes):
    found = found_of(samples_in(tmp_path))
    known = small(published, found, "ref-avsbench")
    known = known.model_copy(
        update={"rows": [row.model_copy(update={"scores": {"train": {"JF": 1.0}}}) for row in known.rows]}
    )
    assert compare(known, metrics_of("train", "valid"), found) is not None
    assert compare(known, metrics_of("train", "valid", **changes), found) is None


def test_another_grid_or_other_references_show_nothing(published, tmp_path):
    samples = samples_in(tmp_path)
    found = found_of(samples)
    known = small(published, found, "ref-avsbench")
    known = known.model_copy(
        update={"rows": [row.model_copy(update={"scores": {"train": {"JF": 1.0}}}) for row in known.rows]}
    )
    assert compare(known, metrics_of("train"), found_of(reversed(samples))) is not None, "order does not matter"
    assert compare(known, metrics_of("train"), found_of(samples, grid_px=256)) is None
    assert compare(known, metrics_of("train"), found_of(samples[1:])) is None
    found.add_sample(uid=samples[0].uid, reference="Another.", split="train")
    assert compare(known, metrics_of("train"), found) is None
