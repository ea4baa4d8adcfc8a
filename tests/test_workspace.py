from pathlib import Path

import pytest

from tgs_pipeline.workspace import Workspace, cache_folder


def test_every_artifact_has_a_place_of_its_own_below_artifacts():
    workspace = Workspace(artifacts=Path("a"), dataset=Path("d"))
    names = [name for name, value in vars(Workspace).items() if isinstance(value, property)]
    places = [getattr(workspace, name) for name in names]
    assert len(set(places)) == len(places) > 10
    assert all(place.is_relative_to("a") for place in places)
    assert workspace.boxes == Path("a/boxes/boxes.parquet")


def test_the_environment_overrides_the_configured_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("TGS_CACHE", raising=False)
    assert cache_folder(".tgs_cache") == Path(".tgs_cache")
    monkeypatch.setenv("TGS_CACHE", "")
    assert cache_folder(".tgs_cache") == Path(".tgs_cache")
    monkeypatch.setenv("TGS_CACHE", str(tmp_path))
    assert cache_folder(".tgs_cache") == tmp_path


def test_a_relative_override_is_refused(monkeypatch):
    monkeypatch.setenv("TGS_CACHE", "rows")
    with pytest.raises(ValueError, match="TGS_CACHE is 'rows': it must be an absolute path"):
        cache_folder(".tgs_cache")
