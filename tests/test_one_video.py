import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from project import ROOT
from video_example import write_video

from tgs_pipeline import one_video
from tgs_pipeline import params as params_file
from tgs_pipeline.data import media_folder
from tgs_pipeline.rows import LAST_RUN


@pytest.fixture
def params(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)  # the paths of the tiny weights are relative
    monkeypatch.setenv("TGS_CACHE", str(tmp_path / "pipeline"))
    return params_file.load(ROOT / "params.yaml")


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_reference_through_every_stage_leaves_the_cache_of_the_pipeline_alone(params, tmp_path):
    for stage in ("features", "think", "detect", "segment"):
        (tmp_path / "pipeline" / stage).mkdir(parents=True)
        (tmp_path / "pipeline" / stage / LAST_RUN).write_text('["a"]')
    before = files(tmp_path / "pipeline")
    out = tmp_path / "out"
    chain = one_video.run(params, video=write_video(tmp_path / "v.mkv", seconds=11), reference="The box.", out=out,
                          start_sec=1.0)  # fmt: skip
    assert files(tmp_path / "pipeline") == before
    assert chain == json.loads((out / "chain.json").read_text()) and chain["reference"] == "The box."
    assert [row["frame_index"] for row in json.loads((out / "boxes.json").read_text())] == list(range(10))
    for index in range(10):
        mask = np.asarray(Image.open(out / "masks" / f"{index:05d}.png"))
        assert mask.shape == (48, 64) and mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255}
    assert (out / "overlay.png").is_file()
    with pytest.raises(ValueError, match="out holds the result of another run: give --out a new folder"):
        one_video.run(params, video=tmp_path / "v.mkv", reference="The box.", out=out)


def test_a_video_that_is_too_short_leaves_the_folder_free_for_another_try(params, tmp_path):
    short = write_video(tmp_path / "short.mkv", seconds=3)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"short\.mkv: the picture ends at 3\.0 s"):
            one_video.run(params, video=short, reference="The box.", out=tmp_path / "out")
    assert not (tmp_path / "out" / "artifacts").exists()


def test_references_are_written_as_the_adapter_reads_them(tmp_path):
    one_video.write_references(tmp_path / "new" / "metadata.csv", [("clip", 'the "big", loud dog'), ("clip", "a\ncat")])
    read = media_folder.read_samples(tmp_path / "new" / "metadata.csv", splits=[media_folder.DEFAULT_SPLIT])
    assert [(one.vid, one.reference) for one in read] == [("clip", 'the "big", loud dog'), ("clip", "a\ncat")]
