import pytest
from choosing_example import frames, questions, server_params
from multimodal_server import KEY, KEY_NAME, Fail, serve, text_of
from recordings import write_recordings

from tgs_pipeline.backends.thinker.lbru import HeardClip, Lbru
from tgs_pipeline.params_multimodal import ReplayParams
from tgs_pipeline.prompts.listed import NamedFrame


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY_NAME, KEY)


def clip(folder, vid="v1", labels=("Speech", "Bark")):
    files = tuple((frame.path, frame.content_hash) for frame in frames(folder, vid, num_frames=5))
    return HeardClip(vid, labels, files)


def lbru(cache, settings, *, compat="corrected", single=False, max_failure_rate=0.0):
    asked = questions(cache, settings, max_failure_rate=max_failure_rate)
    return Lbru(asked, categories=["dog", "man"], single=single, compat=compat)


def test_objects_and_frames_come_back_and_the_order_of_labels_does_not_matter(tmp_path):
    with serve(lambda request: "['dog': 2, 'man': 1]") as server:
        settings = server_params(server.base_url)
        (sounding,) = lbru(tmp_path / "cache", settings).objects([clip(tmp_path)])
        assert lbru(tmp_path / "cache", settings).objects([clip(tmp_path, labels=("Bark", "Speech"))]) == [sounding]
    assert sounding.objects == (NamedFrame("dog", 2), NamedFrame("man", 1)) and sounding.status == "ok"
    (request,) = server.requests
    assert "sorted by name: Bark, Speech." in text_of(request)
    assert [message["role"] for message in request["messages"]] == ["user"]


@pytest.mark.parametrize(
    ("reply", "corrected", "parity"),
    [
        ("[]", "none", "none"),
        ("I hear a dog: ['dog': 2]", "unusable", "ok"),
        ("['dog': 2, 'dog': 3]", "unusable", "ok"),
        ("no idea", "unusable", "none"),
        (Fail(500), "failed", "failed"),
    ],
)
def test_replies_are_taken_strictly_or_as_published(tmp_path, reply, corrected, parity):
    for compat, status in (("corrected", corrected), ("parity", parity)):
        with serve(lambda request: reply) as server:
            settings = server_params(server.base_url, max_retries=0)
            chooser = lbru(tmp_path / compat, settings, compat=compat, max_failure_rate=1.0)
            (sounding,) = chooser.objects([clip(tmp_path)])
        assert (sounding.status, bool(sounding.objects)) == (status, status == "ok"), compat


def test_recorded_objects(tmp_path):
    settings = ReplayParams(provider="replay", recordings=str(write_recordings(tmp_path / "recorded")))
    chooser = lbru(tmp_path / "cache", settings, compat="parity", single=True)
    first, empty, repeated = chooser.objects([clip(tmp_path, vid) for vid in ("v1", "v3", "v4")])
    assert first.objects == (NamedFrame("dog", 2),) and empty.status == "none"
    assert repeated.objects == (NamedFrame("emergency-car", 4),)
