"""Fixtures shared by all tests."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: threads that wait for each other waste cores

import pytest
from project import ROOT

SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the checkout; tests that need it are skipped elsewhere."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared/data with real clips and metadata is not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def recorded_replies(shared_data) -> Path:
    """The replies that AL-Ref-SAM 2 published, a folder for each benchmark."""
    folder = shared_data / "al_ref_sam2/gpt_results"
    if not folder.is_dir():
        pytest.skip("the recorded replies of AL-Ref-SAM 2 are not among the shared data")
    return folder


@pytest.fixture
def content_is_the_name(monkeypatch):
    """Frame hashes are the names of the files, so that they can be read."""
    monkeypatch.setattr("tgs_pipeline.data.media.content_hash", lambda path: path.stem)
