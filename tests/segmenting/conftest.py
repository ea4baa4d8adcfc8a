import pytest
from propagation_example import FakePropagator

from tgs_pipeline.operators import segment


@pytest.fixture
def content_is_the_name(monkeypatch):
    """Frame hashes of these tests are the names of the files, so that they can be read."""
    monkeypatch.setattr("tgs_pipeline.data.media.content_hash", lambda path: path.stem)


@pytest.fixture
def fake(monkeypatch) -> FakePropagator:
    made = FakePropagator()
    monkeypatch.setattr(segment, "make_propagator", lambda *_, **__: made)
    return made
