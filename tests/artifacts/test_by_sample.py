import pyarrow as pa
import pytest
from asked_example import sample

from tgs_pipeline.artifacts import samples, table
from tgs_pipeline.artifacts.by_sample import Artifact, read_by_sample

IDS = [table.field("uid", pa.string(), "id"), table.field("row", pa.int32(), "number")]
ONE = pa.schema([*IDS, table.field("said", pa.string(), "a word")])
FRAMES = pa.schema([*IDS, table.field("frame_index", pa.int32(), "frame"), table.field("seen", pa.string(), "a word")])
SAMPLES = [
    sample("a", 0, frames=["f0", "f1"]),
    sample("a", 1, frames=[], status="failed"),  # equal uids are told apart by row
    sample("b", 2, frames=["f0"], frame_indices=[7]),
]
SAID = [{"uid": uid, "row": row, "said": f"word {row}"} for row, uid in enumerate("aab")]
SEEN = [
    {"uid": uid, "row": row, "frame_index": index, "seen": f"{row} {index}"}
    for uid, row, index in (("a", 0, 0), ("a", 0, 1), ("b", 2, 7))
]


def merge(folder, *, said=SAID, seen=SEEN, columns=None):
    table.write_rows(folder / "samples.parquet", samples.SCHEMA, SAMPLES)
    table.write_rows(folder / "said.parquet", ONE, said)
    table.write_rows(folder / "seen.parquet", FRAMES, seen)
    artifacts = [Artifact(folder / "said.parquet", ONE), Artifact(folder / "seen.parquet", FRAMES, columns=columns)]
    return list(read_by_sample(folder / "samples.parquet", artifacts))


def test_each_sample_meets_its_rows(tmp_path):
    found = merge(tmp_path)
    assert [one for one, _ in found] == SAMPLES
    assert [said for _, (said, _) in found] == [[row] for row in SAID]
    assert [seen for _, (_, seen) in found] == [SEEN[:2], [], SEEN[2:]]


def test_only_the_columns_asked_for_are_read(tmp_path):
    _, (_, seen) = merge(tmp_path, columns=["uid", "row", "frame_index"])[0]
    assert seen == [{"uid": "a", "row": 0, "frame_index": 0}, {"uid": "a", "row": 0, "frame_index": 1}]


def test_some_rows_of_a_sample_are_any_number_of_its_frames_or_of_none(tmp_path):
    merge(tmp_path)
    chosen = [SEEN[1], SEEN[1] | {"seen": "again"}, SEEN[2] | {"frame_index": None}]
    optional = FRAMES.set(2, FRAMES.field("frame_index").with_nullable(True))
    table.write_rows(tmp_path / "some.parquet", optional, chosen)
    artifact = Artifact(tmp_path / "some.parquet", optional, some=True)
    assert [some for _, (some,) in read_by_sample(tmp_path / "samples.parquet", [artifact])] == [
        chosen[:2], [], chosen[2:]
    ]  # fmt: skip
    for row, message in (({"frame_index": 9}, r"rows of the frames \[9\]"), ({"row": 5}, r"rows, expected none")):
        table.write_rows(tmp_path / "some.parquet", optional, [SEEN[2] | row])
        with pytest.raises(ValueError, match=r"some\.parquet: b \(row .\) has " + message):
            list(read_by_sample(tmp_path / "samples.parquet", [artifact]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"said": SAID[1:]}, r"said\.parquet: a \(row 0\) has 0 rows, expected 1"),
        ({"said": SAID[:2]}, r"said\.parquet: b \(row 2\) has 0 rows, expected 1"),
        ({"said": [SAID[0], *SAID]}, r"said\.parquet: a \(row 0\) has 2 rows, expected 1"),
        ({"said": [*SAID, SAID[0]]}, r"said\.parquet: a \(row 0\) has rows, expected none: it is no sample, or not in"),
        ({"seen": SEEN[1:]}, r"seen\.parquet: a \(row 0\) has rows of the frames \[1\], expected \[0, 1\]"),
        ({"seen": SEEN[::-1]}, r"seen\.parquet: a \(row 0\) has rows of the frames \[\], expected \[0, 1\]"),
        ({"seen": [*SEEN, SEEN[0] | {"uid": "c"}]}, r"seen\.parquet: c \(row 0\) has rows, expected none"),
    ],
)
def test_artifacts_of_other_samples_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message + r".*the file was made for other samples: run `dvc repro`"):
        merge(tmp_path, **changes)
