import numpy as np
import pytest
from project import ROOT

from tgs_pipeline import params as params_file
from tgs_pipeline.artifacts.features_reader import FeatureReader
from tgs_pipeline.operators import features, manifest
from tgs_pipeline.stage import execution_of
from tgs_pipeline.tinyworld.clip import generate_clip
from tgs_pipeline.tinyworld.dataset import write_dataset
from tgs_pipeline.tinyworld.models import beats, clip
from tgs_pipeline.training.evaluation.media import ClipEncoder
from tgs_pipeline.workspace import Workspace

SEED = 31


@pytest.fixture
def params(tmp_path):
    """Encoders of the tiny sizes, and a dataset with one clip whose null variant has a foreign soundtrack."""
    clip.write(tmp_path / "clip", seed=1)
    beats.write(tmp_path / "beats.safetensors", seed=1)
    loaded = params_file.load(ROOT / "profiles" / "tiny.yaml").model_dump()
    loaded["dataset"] |= {"splits": ["test_n"], "metadata": "metadata.csv", "root": str(tmp_path / "dataset")}
    loaded["features"]["visual"]["weights"] = str(tmp_path / "clip")
    loaded["features"]["audio"]["weights"] = str(tmp_path / "beats.safetensors")
    loaded["runtime"]["cache"] = str(tmp_path / "cache")
    return params_file.Params.model_validate(loaded)


def test_features_are_those_of_the_pipeline(params, tmp_path):
    write_dataset(
        tmp_path / "dataset",
        seed=SEED,
        num_clips={"test_n": 2},
        references_per_clip=1,
        frame_size_px=224,
        sample_rate_hz=16000,
    )
    workspace = Workspace(artifacts=tmp_path / "artifacts", dataset=tmp_path / "dataset")
    for name, stage in {"manifest": manifest, "features": features}.items():
        stage.run(params, workspace, execution_of(params, stage=name))
    reader = FeatureReader(workspace.features)
    encoder = ClipEncoder(params.features, device="cpu")
    for index, prefix in enumerate(("null_m", "null_c")):
        rendered = generate_clip(SEED, "test_n", index)
        stored = reader.get(f"{prefix}-{rendered.plan.vid}")
        assert np.array_equal(encoder.see(rendered.frames, vid="x"), stored.visual)
        assert np.array_equal(encoder.hear(rendered.null_waveform, vid="x"), stored.audio)


def test_what_float16_cannot_hold_is_refused(params):
    encoder = ClipEncoder(params.features, device="cpu")
    encoder._operator.audio.encode = lambda segments: np.full((10, 48, 128), 1e6, np.float32)
    with pytest.raises(ValueError, match="clip some_vid: the audio encoder gave values that float16 cannot hold"):
        encoder.hear(np.zeros(160000, np.float32), vid="some_vid")
