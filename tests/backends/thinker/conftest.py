import shutil

import pytest

from tgs_pipeline.tinyworld.models.ref_thinker import write_untrained

WORDS = ["guitar", "red", "the", "hair-dryer", "man", "null", "sounds", "a"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A tiny untrained Ref-Thinker; tests must not change it."""
    folder = tmp_path_factory.mktemp("weights") / "ref_thinker"
    write_untrained(folder, words=WORDS, seed=0)
    return folder


@pytest.fixture
def copy(tiny, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(tiny, tmp_path / "ref_thinker")
