import pytest
from project import ROOT
from pydantic import ValidationError

from tgs_pipeline.catalogue.sets import ALONE, File, catalogue, chosen, named_by, weight_paths
from tgs_pipeline.params import load

PAPER = ["paper", "paper-f-object", "paper-r2", "paper-raw-reference"]


def test_every_file_has_one_source_and_a_place_of_its_own():
    for name, one in catalogue().items():
        assert one.path == name and one.licence and one.what
        paths = [file.path for file in one.files]
        assert len(set(paths)) == len(paths)
        assert paths == [ALONE] or ALONE not in paths
    with pytest.raises(ValidationError, match="expected one of repo, by_hand, package, content"):
        File(path="a", size_bytes=1)
    with pytest.raises(ValidationError, match="outside the folder of its set"):
        File(path="../a", repo="x/y", size_bytes=1)


@pytest.mark.parametrize("profile", PAPER)
def test_paper_profiles_name_what_the_catalogue_knows_or_what_is_in_the_repository(profile):
    params = load(ROOT / f"profiles/{profile}.yaml")
    named = {one.section for one in named_by(params)}
    others = {section: path for section, path in weight_paths(params).items() if section not in named}
    assert all((ROOT / path).exists() for path in others.values())
    assert {"detect.weights", "segment.weights", "segment.config"} <= named
    assert ("think.weights" in named) == (profile != "paper-raw-reference")
    assert params.runtime.devices == ["cuda:0"]


def test_paper_profiles_have_upstreams_settings():
    paper, fine, r2, raw = (load(ROOT / f"profiles/{name}.yaml") for name in PAPER)
    for params in (paper, fine, r2, raw):
        assert (params.ground.box_select, params.ground.box_threshold) == ("first", 0.1)
        assert (params.segment.input_size_px, params.segment.swap_channels) == (224, True)
        assert (params.detect.shortest_edge_px, params.detect.longest_edge_px) == (800, 1333)
        assert (params.score.protocol, params.score.gt_resize) == ("tgs", "bicubic_bool")
    for params in (paper, fine, r2):
        assert (params.think.dtype, params.features.dtype, params.detect.dtype) == ("bfloat16", "bfloat16", "float32")
        assert (params.think.max_new_tokens, params.think.reply_format) == (256, "free")
        assert (params.features.visual.layer, params.runtime.batch_size.think) == (23, 8)
    prompts = [(one.ground.prompt, one.detect.captions) for one in (paper, fine, r2, raw)]
    assert prompts == [
        ("s_object", ["s_object"]), ("f_object", ["f_object"]), ("s_object", ["s_object"]),
        ("reference", ["reference"]),
    ]  # fmt: skip
    assert (r2.dataset.metadata, r2.dataset.splits) == ("R2AVSBench_metadata.csv", ["test_s", "test_u"])


def test_tiny_weights_are_no_published_ones(tmp_path):
    assert list(named_by(load(ROOT / "profiles/tiny.yaml"))) == []
    (one,) = chosen(["sam2_hiera_large.pt"], root=tmp_path)
    assert one.place(one.set.files[0]) == tmp_path / "sam2_hiera_large.pt"
    assert one.missing == [tmp_path / "sam2_hiera_large.pt"]
    with pytest.raises(ValueError, match=r"no set 'sam3' in the catalogue; there are: clip-vit-large-patch14"):
        chosen(["sam3"], root=tmp_path)
