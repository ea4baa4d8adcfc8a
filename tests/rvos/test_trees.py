import pytest

from tgs_pipeline.rvos import trees


def test_folders_of_expressions():
    assert str(trees.folder_of("mevis", "a_b_12", vid="a_b")) == "a_b/12"
    assert str(trees.folder_of("ref_youtube_vos", "ab_0", vid="ab")) == "Annotations/ab/0"


def test_palette_of_davis():
    palette = trees.davis_palette()
    assert len(palette) == 768
    assert palette[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
    assert palette[-3:] == [224, 224, 192]


def test_other_adapters_are_refused():
    with pytest.raises(ValueError, match=r"dataset\.adapter is 'ref_avsbench'; .* use `tgs evaluate`"):
        trees.benchmark_of("ref_avsbench")
