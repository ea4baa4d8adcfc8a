import json

import pytest
from dataset_example import NULL_VID, VID, write_metadata
from typer.testing import CliRunner

from tgs_pipeline.cli import app
from tgs_pipeline.training.reference_statistics import ReferenceStatistics, measure, read_references


def test_statistics_by_hand():
    references = [
        ("v_1_2_dog_1", "The dog barks, the dog!"),
        ("v_1_2_cat_1", "It meows."),
        ("null_m-v_null_1", "A cat"),
    ]
    found = measure(references)
    assert found == ReferenceStatistics(
        num_references=3,
        mean_words=pytest.approx(3),  # 5, 2, 2
        vocabulary=7,  # the dog barks it meows a cat
        type_token_ratio=pytest.approx(7 / 9),
        names_category=0.5,  # of the two that have an object
    )
    assert measure(references[2:]).names_category is None


def test_two_files_side_by_side(tmp_path):
    first = write_metadata(tmp_path / "a.csv")
    second = write_metadata(tmp_path / "b.csv", [(VID, f"{VID}_dog_2", "test_s", "3", "It barks at all.")])
    done = CliRunner().invoke(app, ["train", "statistics", str(first), str(second), "--same-uids", "--json"])
    found = json.loads(done.stdout)
    assert [column["num_references"] for column in found.values()] == [1, 1]
    assert [column["mean_words"] for column in found.values()] == [2, 4]
    shown = CliRunner().invoke(app, ["train", "statistics", str(first), str(second)]).stdout
    assert shown.splitlines()[0].split() == ["num_references", "4", "1"]
    alone = CliRunner().invoke(app, ["train", "statistics", str(first), "--same-uids"])
    assert alone.exit_code == 1 and "--same-uids needs two files" in alone.stderr


def test_files_without_references_are_errors(tmp_path):
    path = write_metadata(tmp_path / "a.csv", [(NULL_VID, f"{NULL_VID}_null_1", "test_n", "0", "The cat.")])
    with pytest.raises(ValueError, match=r"a.csv: no references with a uid of the other file"):
        read_references(path, uids={"other"})
    with pytest.raises(ValueError, match="no such file"):
        read_references(tmp_path / "none.csv")


def test_the_papers_lengths_are_reproduced(shared_data):
    """7.08 -> 11.73 words: the 400 references of R2-AVSBench and those of Ref-AVSBench with the same uids."""
    second = read_references(shared_data / "r2avsbench/metadata.csv")
    first = read_references(shared_data / "refavsbench/metadata.csv", uids={uid for uid, _ in second})
    plain, rewritten = measure(first), measure(second)
    assert (plain.num_references, rewritten.num_references) == (403, 400)  # uids repeat (UPSTREAM_FACTS 1.1, 1.2)
    assert round(plain.mean_words, 2) == 7.08
    assert rewritten.mean_words == pytest.approx(11.725)
    assert (plain.vocabulary, rewritten.vocabulary) == (187, 1097)
    assert plain.type_token_ratio < 0.07 and rewritten.type_token_ratio > 0.22
    assert plain.names_category > 0.28 and rewritten.names_category < 0.003
