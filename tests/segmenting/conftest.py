import pytest
from propagation_example import FakePropagator

from tgs_pipeline.operators import segment


@pytest.fixture
def fake(monkeypatch) -> FakePropagator:
    made = FakePropagator()
    monkeypatch.setattr(segment, "make_propagator", lambda *_, **__: made)
    return made
