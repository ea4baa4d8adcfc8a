import torch
import yaml

from tgs_pipeline.backends.segmenter.sam2 import load_model
from tgs_pipeline.tinyworld.models import sam2 as tiny


def test_write_is_seeded_small_and_loads(tmp_path):
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    for name in ("one", "two"):
        tiny.write(tmp_path / name, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    first = (tmp_path / "one" / "sam2.safetensors").read_bytes()
    assert first == (tmp_path / "two" / "sam2.safetensors").read_bytes()
    assert len(first) < 8e6
    assert yaml.safe_load((tmp_path / "one" / "sam2.yaml").read_text()) == {"model": tiny.config()}
    model = load_model(tmp_path / "one" / "sam2.yaml", tmp_path / "one" / "sam2.safetensors").eval()
    assert 3e6 < sum(parameter.numel() for parameter in model.parameters()) < 4e6


@torch.no_grad()
def test_features_start_as_small_as_the_position_encoding(tmp_path):
    """Otherwise training sits at masks that ignore the box."""
    tiny.write(tmp_path, seed=1)
    model = load_model(tmp_path / "sam2.yaml", tmp_path / "sam2.safetensors").eval()
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    features = model.forward_image(images)["backbone_fpn"]
    assert [tuple(level.shape[1:]) for level in features] == [(12, 56, 56), (24, 28, 28), (96, 14, 14)]
    for level in features:
        assert 0.2 < level.square().mean().sqrt() < 0.9
