import pickle

import pytest
import torch
from safetensors.torch import save_file

from tgs_pipeline.weights import digest, load_state, loading


def test_digest_depends_on_names_and_bytes_only(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.bin").write_bytes(b"1")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    (tmp_path / "b" / "x.bin").rename(tmp_path / "b" / "y.bin")
    assert digest(tmp_path / "a") != digest(tmp_path / "b")
    before = digest(tmp_path / "a")
    (tmp_path / "a" / "x.bin").write_bytes(b"22")
    assert digest(tmp_path / "a") != before


def test_missing_weights_say_how_to_get_them(tmp_path):
    for call in (digest, load_state):
        with pytest.raises(ValueError, match=r"absent\.pt are missing: `make weights`"):
            call(tmp_path / "absent.pt")


def test_tensors_load_from_both_formats(tmp_path):
    torch.save({"model": {"w": torch.ones(2)}, "cfg": {"layers": 2}}, tmp_path / "m.pt")
    assert load_state(tmp_path / "m.pt")["model"]["w"].tolist() == [1, 1]
    save_file({"w": torch.ones(2)}, tmp_path / "m.safetensors")
    assert load_state(tmp_path / "m.safetensors")["w"].tolist() == [1, 1]


class Evil:
    def __reduce__(self):
        return eval, ("open('pwned', 'w')",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_in_place_of_a_checkpoint_is_refused_and_not_run(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.pt").write_bytes(pickle.dumps(Evil(), protocol=protocol))
    with pytest.raises(ValueError, match=r"m\.pt: refused"):
        load_state(tmp_path / "m.pt")
    torch.save({"model": Evil()}, tmp_path / "n.pt")
    with pytest.raises(ValueError, match=r"n\.pt: refused"):
        load_state(tmp_path / "n.pt")
    assert not (tmp_path / "pwned").exists()


def test_truncated_and_odd_files_are_named(tmp_path):
    torch.save({"w": torch.ones(1000)}, tmp_path / "m.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "m.pt").read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"cut\.pt: not a whole PyTorch checkpoint"):
        load_state(tmp_path / "cut.pt")
    (tmp_path / "empty.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.pt: not a whole"):
        load_state(tmp_path / "empty.pt")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00")
    with pytest.raises(ValueError, match=r"cut\.safetensors: not a whole safetensors"):
        load_state(tmp_path / "cut.safetensors")
    (tmp_path / "page.pt").write_text("<!DOCTYPE html><html>404</html>")
    with pytest.raises(ValueError, match=r"page\.pt: a web page or a Git LFS pointer"):
        load_state(tmp_path / "page.pt")
    torch.save([torch.ones(1)], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="expected a dict"):
        load_state(tmp_path / "list.pt")


def test_whatever_a_library_raises_names_the_files(tmp_path):
    with (
        pytest.raises(ValueError, match=r"clip: cannot be loaded \(KeyError: 'hidden_size'\)"),
        loading(tmp_path / "clip", device="cpu"),
    ):
        raise KeyError("hidden_size")
    with pytest.raises(ValueError, match=r"clip: bad layer"), loading(tmp_path / "clip", device="cpu"):
        raise ValueError("bad layer")
    with (
        pytest.raises(ValueError, match=r"runtime\.devices: 'banana' cannot be used here"),
        loading(tmp_path, device="banana"),
    ):
        pass
