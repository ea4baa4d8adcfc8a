import hashlib
import json

import pytest
from hub_server import COMMIT, Hub, serving
from huggingface_hub import constants, file_download

from tgs_pipeline.catalogue import pull as pulling
from tgs_pipeline.catalogue.pull import matches, pull, records
from tgs_pipeline.catalogue.sets import Placed, WeightSet

CONTENT = b"weights " * 50_000
REPO = "someone/model"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)  # between its tries
    changes = {"HF_HUB_DISABLE_XET": True, "HF_TOKEN_PATH": str(tmp_path / "token"), "DOWNLOAD_CHUNK_SIZE": 10_000}
    for name, value in changes.items():
        monkeypatch.setattr(constants, name, value)
    with serving(Hub({(REPO, "config.json"): b"{}", (REPO, "checkpoint-551/model.bin"): CONTENT})) as one:
        monkeypatch.setattr(constants, "ENDPOINT", one.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", one.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield one


def make(root, *files, gated=False):
    entries = [{"size_bytes": 10} | file for file in files]
    kind = {"path": "model", "what": "a model", "licence": "its licence", "gated": gated, "files": entries}
    return Placed(WeightSet.model_validate(kind), root=root)


CONFIG = {"path": "config.json", "repo": REPO}
WEIGHTS = {"path": "model.bin", "repo": REPO}


def test_what_is_missing_is_fetched_checked_and_remembered(hub, tmp_path):
    placed = make(tmp_path, CONFIG, WEIGHTS, {"path": "sizes.json", "content": {"a": [1]}})
    assert pull([placed]) == []
    assert (tmp_path / "model/model.bin").read_bytes() == CONTENT  # found in the one folder that holds it
    assert json.loads((tmp_path / "model/sizes.json").read_text()) == {"a": [1]}
    known = records(tmp_path)
    assert sorted(known) == ["model/config.json", "model/model.bin"]
    expected = (REPO, COMMIT, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    assert tuple(vars(known["model/model.bin"]).values()) == expected
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.bin", "sizes.json"]
    hub.asked.clear()
    assert pull([placed]) == [] and not hub.asked


def test_an_unfinished_download_is_gone_on_with(hub, tmp_path):
    hub.cuts = [50_000] + [0] * 6  # its client tries again five times
    (problem,) = pull([make(tmp_path, WEIGHTS)])
    assert "the model hub cannot be reached, or broke off" in problem
    assert not (tmp_path / "model/model.bin").exists()
    hub.cuts.clear()
    hub.asked.clear()
    assert pull([make(tmp_path, WEIGHTS)]) == []
    assert (tmp_path / "model/model.bin").read_bytes() == CONTENT
    (wanted,) = [one for method, path, one in hub.asked if method == "GET" and "resolve" in path]
    assert wanted == "bytes=50000-"


def test_a_file_that_arrives_damaged_is_removed_and_told(hub, tmp_path):
    hub.wrong_checksum.add("config.json")
    (problem,) = pull([make(tmp_path, CONFIG)])
    assert "config.json: arrived damaged" in problem and "pull again" in problem
    assert not (tmp_path / "model/config.json").exists()


def test_another_file_than_the_published_one_is_refused(hub, tmp_path):
    (problem,) = pull([make(tmp_path, CONFIG | {"sha256": "a" * 64})])
    assert f"{REPO} now holds another file" in problem and "a" * 64 in problem


def test_gated_missing_and_unknown_each_say_what_to_do(hub, tmp_path):
    hub.gated.add("meta/llama")
    hub.files["meta/llama", "config.json"] = b"{}"
    files = [
        {"path": "a/config.json", "repo": "meta/llama"},
        {"path": "b/config.json", "repo": "no/where"},
        {"path": "nothing.bin", "repo": REPO},
        {"path": "hand.pt", "by_hand": "the page of its authors"},
        {"path": "x.yaml", "package": "sam2", "name": "absent.yaml"},
        CONFIG,
    ]
    gated, unknown, absent, hand, package = pull([make(tmp_path, *files, gated=True)])
    assert "meta/llama is gated: accept its licence (its licence)" in gated and "hf auth login" in gated
    assert "the hub has no no/where for you" in unknown
    assert f"{REPO} holds no nothing.bin" in absent
    assert "hand.pt: is not on the hub; get it by hand from the page of its authors" in hand
    assert "the package sam2 is not installed, or lacks absent.yaml" in package
    assert (tmp_path / "model/config.json").is_file()  # one that fails stops no other


def test_a_file_in_two_folders_is_not_guessed(hub, tmp_path):
    hub.files[REPO, "checkpoint-660/model.bin"] = b"other"
    (problem,) = pull([make(tmp_path, WEIGHTS)])
    assert "in several places" in problem and "checkpoint-660/model.bin" in problem


def test_offline_and_unreachable_are_told_once(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}")
    (problem,) = pull([make(tmp_path, CONFIG, WEIGHTS)])
    assert "the model hub cannot be reached" in problem and "copy the files of someone/model" in problem
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (problem,) = pull([make(tmp_path, CONFIG, WEIGHTS, {"path": "sizes.json", "content": {}})])
    assert "HF_HUB_OFFLINE is set" in problem
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["sizes.json"]  # what needs no hub is written


def test_a_disk_that_is_too_small_is_told_first(tmp_path):
    with pytest.raises(ValueError, match=r"1000000\.0 GB are to be fetched, but only .* GB are free"):
        pull([make(tmp_path, CONFIG | {"size_bytes": 10**15})])


def test_packaged_files_are_copied(tmp_path):
    file = {"path": "x.yaml", "package": "sam2", "name": "configs/sam2.1/sam2.1_hiera_l.yaml"}
    assert pull([make(tmp_path, file)]) == []
    assert "_target_: sam2.modeling.sam2_base.SAM2Base" in (tmp_path / "model/x.yaml").read_text()


def test_checksums_of_both_kinds(tmp_path):
    (tmp_path / "a").write_bytes(b"hello\n")
    assert matches(tmp_path / "a", "ce013625030ba8dba906f756967f9e9ca394464a")  # git hash-object
    assert matches(tmp_path / "a", "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")
    assert not matches(tmp_path / "a", "0" * 64)


def test_a_broken_record_is_named(tmp_path):
    (tmp_path / pulling.RECORD).write_text("[1]")
    with pytest.raises(ValueError, match=r"pulled\.json: not a record of fetched files"):
        records(tmp_path)
