"""Fixtures shared by all tests."""

from pathlib import Path

import pytest

from project import ROOT
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the checkout; tests that need it are skipped elsewhere."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared/data with real clips and metadata is not on this machine")
    return SHARED
