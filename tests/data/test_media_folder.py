import pytest
from dataset_example import VID, write_metadata

from tgs_pipeline.data.media_folder import read_samples


def test_rows_become_samples_without_ground_truth(tmp_path):
    path = write_metadata(tmp_path / "m.csv", [(VID, "The dog."), (VID, "The cat.")], header=("vid", "exp"))
    samples = list(read_samples(path, splits=["media"]))
    assert [s.uid for s in samples] == [f"{VID}_0", f"{VID}_1"]
    assert samples[0].masks == () and str(samples[0].frames[0]) == f"media/{VID}/frames/0.jpg"


def test_an_id_that_leaves_the_folder_is_refused(tmp_path):
    path = write_metadata(tmp_path / "m.csv", [("../../etc", "The dog.")], header=("vid", "exp"))
    with pytest.raises(ValueError, match="is no valid id"):
        list(read_samples(path, splits=["media"]))
