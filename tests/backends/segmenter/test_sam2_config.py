import importlib.util
from pathlib import Path

import pytest
import yaml

from tgs_pipeline.backends.segmenter import sam2_config


@pytest.mark.parametrize(
    "target",
    ["os.system", "sam2.build_sam.torch.load", "torch.nn.init.os.system", "sam2.modeling.sam2_base.trunc_normal_"],
)
def test_a_configuration_cannot_run_code(tiny_folder, tmp_path, target):
    tree = yaml.safe_load((tiny_folder / "sam2.yaml").read_text())
    tree["model"]["image_encoder"]["trunk"] = {"_target_": target, "x": "echo"}
    config = tmp_path / "evil.yaml"
    config.write_text(yaml.safe_dump(tree))
    with pytest.raises(ValueError, match=f"evil.yaml: refused, because '{target}' is not a module"):
        sam2_config.build_model(config)


@pytest.mark.parametrize("text", ["model: 3", "[1, 2]", "model: {a: ${nowhere}}", "{"])
def test_a_broken_configuration(tmp_path, text):
    config = tmp_path / "broken.yaml"
    config.write_text(text)
    with pytest.raises(ValueError, match=r"broken\.yaml: "):
        sam2_config.build_model(config)


def test_a_missing_configuration_names_the_packaged_ones(tiny_folder):
    assert sam2_config.check_config(tiny_folder / "sam2.yaml") == tiny_folder / "sam2.yaml"
    with pytest.raises(ValueError, match=r"(?s)sam2\.1_hiera_x\.yaml: no such file.*sam2\.1/sam2\.1_hiera_l\.yaml"):
        sam2_config.check_config(Path("sam2.1_hiera_x.yaml"))


def test_the_packaged_configuration_builds_what_build_sam2_builds():
    from sam2.build_sam import build_sam2

    name = "configs/sam2.1/sam2.1_hiera_t.yaml"
    packaged = Path(importlib.util.find_spec("sam2").submodule_search_locations[0]) / name
    ours = sam2_config.build_model(packaged)
    theirs = build_sam2(name, None, device="cpu")
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    assert vars(ours.sam_mask_decoder)["dynamic_multimask_stability_thresh"] == 0.98
