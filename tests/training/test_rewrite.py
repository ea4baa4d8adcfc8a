"""`tgs train rewrite` against a real HTTP server on this machine."""

import csv
import json

import pytest
from dataset_example import write_metadata
from multimodal_server import KEY, KEY_NAME, Fail, serve, text_of
from teaching_example import CLIPS, rows_of, write_params
from typer.testing import CliRunner

from tgs_pipeline.cli import app

GOOD = "The thing that people know for its sound in clip number {}."
EDITED = "The handheld tool whose motor blows warm air over somebody's wet head."
OUT = "artifacts/rewrite"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY_NAME, KEY)
    monkeypatch.delenv("TGS_CACHE", raising=False)
    (tmp_path / "dataset").mkdir()
    write_metadata(tmp_path / "dataset/metadata.csv", rows_of())
    return tmp_path


def answer(request):
    """Good for all but the hair dryer of the second clip, which is named."""
    question = text_of(request)
    number = next(index for index, vid in enumerate(CLIPS) if vid in question)
    if f"What blows in {CLIPS[1]}." in question:
        return GOOD.format(number).replace("thing", "dryer")
    return GOOD.format(number)


def rewrite(*arguments):
    return CliRunner().invoke(app, ["train", "rewrite", "--params", "training.yaml", *arguments])


def read(path):
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def write_listing(path, rows):
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_references_are_rewritten_listed_and_accepted_by_a_person(project):
    with serve(answer) as server:
        write_params(project, server.base_url)
        done = rewrite()
        assert done.exit_code == 0, done.stderr
        assert len(server.requests) == 9 + 1  # null references are left out; the bad one is asked for again
        assert rewrite().exit_code == 0 and len(server.requests) == 10
    unreviewed = read(project / OUT / "R2AVSBench_metadata.unreviewed.csv")
    assert len(unreviewed) == 8 and list(unreviewed[0]) == ["vid", "uid", "split", "fid", "exp"]
    assert unreviewed[0] == {
        "vid": CLIPS[0], "uid": f"{CLIPS[0]}_dog_1", "split": "train", "fid": "3", "exp": GOOD.format(0),
    }  # fmt: skip
    (reject,) = [json.loads(line) for line in (project / OUT / "rejects.jsonl").read_text().splitlines()]
    assert reject["uid"] == f"{CLIPS[1]}_hair-dryer_1" and reject["reason"] == "it names the category ('dryer')"
    listing = read(project / OUT / "rewrites.csv")
    assert [row["accept"] for row in listing] == [""] * 9
    assert listing[5]["checks"] == "it names the category ('dryer')" and listing[0]["checks"] == "passed"

    listing[0]["accept"], listing[1]["accept"] = "yes", "no"
    listing[5] |= {
        "accept": "Yes",
        "rewritten": EDITED,
    }
    write_listing(project / OUT / "rewrites.csv", listing)
    assert rewrite("--accept", f"{OUT}/rewrites.csv").exit_code == 0
    accepted = read(project / OUT / "R2AVSBench_metadata.csv")
    assert [(row["uid"], row["exp"]) for row in accepted] == [
        (f"{CLIPS[0]}_dog_1", GOOD.format(0)),
        (f"{CLIPS[1]}_hair-dryer_1", EDITED),
    ]

    with serve(answer) as server:  # what a person decided survives another run
        write_params(project, server.base_url)
        assert rewrite().exit_code == 0 and not server.requests
    kept = read(project / OUT / "rewrites.csv")
    assert [row["accept"] for row in kept] == ["yes", "no", "", "", "", "yes", "", "", ""]
    assert kept[5]["rewritten"] == EDITED and kept[5]["checks"] == "passed"


def test_the_teacher_is_told_the_other_objects(project):
    rows = [*rows_of()[:3], (CLIPS[0], f"{CLIPS[0]}_dog_3", "train", "4", "The other dog.")]
    write_metadata(project / "dataset/metadata.csv", rows)
    with serve(answer) as server:
        write_params(project, server.base_url, teacher={"concurrency": 1})
        rewrite()
    assert text_of(server.requests[0]).splitlines() == [
        f"Original expression: The dog number 1 of {CLIPS[0]}.",
        "Category of the object: dog",
        "Other objects of the video: dog, hair dryer",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"accept": "yes", "rewritten": "The dog."},
            "it has 2 words, expected 10 to 15; it names the category",
        ),
        ({"accept": "yes", "original": "Another."}, "dataset/metadata.csv has another reference in row 0"),
        ({}, "accepted in an earlier row already"),
        ({"accept": "maybe"}, "accept is 'maybe', expected yes, no or nothing"),
        ({"accept": "yes", "row": "x"}, "row is 'x', expected a number"),
    ],
)
def test_a_listing_that_cannot_be_taken_writes_nothing(project, changes, reason):
    twice = "earlier row" in reason
    row = {"uid": f"{CLIPS[0]}_dog_1", "row": "0", "original": f"The dog number 1 of {CLIPS[0]}.",
           "rewritten": GOOD.format(0), "checks": "passed", "accept": "yes"}  # fmt: skip
    write_params(project, "http://127.0.0.1:9/v1")
    write_listing(project / "edited.csv", [row | changes] * (1 + twice))
    done = rewrite("--accept", "edited.csv")
    assert done.exit_code == 1 and reason in done.stderr
    assert not (project / OUT / "R2AVSBench_metadata.csv").exists()


def test_failures_are_asked_again_and_the_key_is_nowhere(project):
    with serve(lambda request: Fail(503)) as server:
        write_params(project, server.base_url, teacher={"give_up_after": 2, "concurrency": 1})
        done = rewrite()
        assert done.exit_code == 1 and "not asked: 2 failures in a row" in done.stderr
        assert len(server.requests) == 4  # two references, each with its retry
        server.answer = answer
        assert rewrite().exit_code == 0
    assert len(read(project / OUT / "rewrites.csv")) == 9
    files = [path for path in project.rglob("*") if path.is_file()]
    assert not [path for path in files if KEY.encode() in path.read_bytes()] and KEY not in done.stderr
