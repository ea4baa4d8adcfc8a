import pytest
from choosing_example import server_params
from multimodal_server import KEY, KEY_NAME
from pydantic import TypeAdapter, ValidationError
from recordings import write_recordings

from tgs_pipeline.backends.multimodal import build
from tgs_pipeline.backends.multimodal.openai_server import OpenAIServer
from tgs_pipeline.backends.multimodal.replay import Replay
from tgs_pipeline.params_multimodal import MultimodalParams, ReplayParams

SERVER = server_params("http://localhost/v1")


def replay(folder):
    return ReplayParams(provider="replay", recordings=str(folder))


def test_params_name_the_model(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_NAME, KEY)
    assert isinstance(build.make(SERVER, section="selector"), OpenAIServer)
    assert isinstance(build.make(replay(write_recordings(tmp_path)), section="selector"), Replay)


def test_what_a_model_adds_to_keys(tmp_path):
    assert build.identity(SERVER) == {"model": "test", "sampling": {"temperature": 0.0}}
    assert build.identity(server_params("http://other/v1", picture_detail="low"))["picture_detail"] == "low"
    one, moved = (build.identity(replay(write_recordings(tmp_path / name))) for name in "ab")
    assert one == moved != build.identity(replay(write_recordings(tmp_path / "c", boxes={})))


def test_recordings_are_asked_once_and_misses_do_not_end_a_run(tmp_path):
    assert build.manners(replay(tmp_path)).max_attempts == 1
    assert build.manners(replay(tmp_path)).give_up_after > 10**9
    assert build.manners(SERVER).concurrency == 2


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"provider": "replay"}, "recordings"),
        ({"provider": "other"}, "does not match any of the expected tags"),
        (SERVER.model_dump() | {"base_url": "https://me:sk-secret@host/v1"}, "without user, password or query"),
        (SERVER.model_dump() | {"api_key_env": "sk-secret"}, "expected the NAME of an environment variable"),
        (SERVER.model_dump() | {"picture_detail": "highest"}, "picture_detail"),
        (SERVER.model_dump() | {"recordings": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_mistakes_in_the_section(section, reason):
    with pytest.raises(ValidationError, match=reason):
        TypeAdapter(MultimodalParams).validate_python(section)
