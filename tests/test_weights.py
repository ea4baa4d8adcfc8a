import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tgs_pipeline.weights import (
    assign,
    cast_parameters,
    digest,
    load_folder_state,
    load_state,
    loading,
    mismatches,
    refuse,
    shapes_of,
    without_memory,
)


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
        with pytest.raises(ValueError, match=r"absent\.pt are missing: `git checkout weights/tiny`"):
            call(tmp_path / "absent.pt")


def test_tensors_load_from_both_formats(tmp_path):
    torch.save({"model": {"w": torch.ones(2)}, "cfg": {"layers": 2}}, tmp_path / "m.pt")
    assert load_state(tmp_path / "m.pt")["model"]["w"].tolist() == [1, 1]
    torch.save({"w": torch.ones(2)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)  # before torch 1.6
    assert load_state(tmp_path / "old.pt")["w"].tolist() == [1, 1]
    save_file({"w": torch.ones(2)}, tmp_path / "m.safetensors")
    assert load_state(tmp_path / "m.safetensors")["w"].tolist() == [1, 1]


@pytest.mark.parametrize("name", ["m.pt", "m.safetensors"])
def test_files_are_mapped_and_copied_once(tmp_path, name):
    state = {"weight": torch.ones(3, 2, dtype=torch.float16), "bias": torch.ones(3, dtype=torch.float16)}
    torch.save(state, tmp_path / "m.pt")
    save_file(state, tmp_path / "m.safetensors")
    mapped = load_state(tmp_path / name)
    assert str(tmp_path / name) in Path("/proc/self/maps").read_text()
    with without_memory():
        model = torch.nn.Linear(2, 3)
        model.register_buffer("frequencies", torch.tensor([0.1]), persistent=False)
    assert model.weight.is_meta and not model.frequencies.is_meta
    assign(model, mapped, device="cpu", dtype=torch.bfloat16)
    assert model.weight.dtype == torch.bfloat16 and model.weight.tolist() == [[1, 1]] * 3
    assert model.frequencies.dtype == torch.float32
    del mapped
    assert str(tmp_path / name) not in Path("/proc/self/maps").read_text()
    cast_parameters(model, torch.float16)
    assert (model.weight.dtype, model.frequencies.dtype) == (torch.float16, torch.float32)


def test_folders_in_one_file_or_in_shards(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors")
    torch.save({"b": torch.ones(2)}, tmp_path / "y.bin")
    index = tmp_path / "model.safetensors.index.json"

    def write(**places):
        index.write_text(json.dumps({"weight_map": places}))

    write(a="x.safetensors", b="y.bin")
    assert shapes_of(load_folder_state(tmp_path)) == {"a": (1,), "b": (2,)}
    write(a="x.safetensors", b="x.safetensors")
    with pytest.raises(ValueError, match=r"x\.safetensors: b stands in only one of it and model\.safetensors\.index"):
        load_folder_state(tmp_path)
    write(a="../x.safetensors")
    with pytest.raises(ValueError, match=r"the shard '\.\./x\.safetensors' lies outside the folder"):
        load_folder_state(tmp_path)
    write(a="z.safetensors")
    with pytest.raises(ValueError, match=r"z\.safetensors are missing"):
        load_folder_state(tmp_path)
    index.write_text("[]")
    with pytest.raises(ValueError, match=r"index\.json: not an index of shards"):
        load_folder_state(tmp_path)
    index.unlink()
    with pytest.raises(ValueError, match=r"holds none of model\.safetensors, pytorch_model\.bin and no index"):
        load_folder_state(tmp_path)


def test_every_mismatch_is_named():
    found = {"extra": torch.ones(1), "turned": torch.ones(2, 3), "dead": torch.ones(9), "text": "no tensor"}
    expected = {"absent": (1,), "turned": (3, 2), "text": (1,)}
    problems = mismatches(found, expected, dead=["dead", "also dead"])
    assert problems == [
        "missing key absent",
        "unexpected key extra",
        "text has shape [], expected [1]",
        "turned has shape [2, 3], expected [3, 2] (transposed)",
    ]
    refuse([], what="nothing")
    with pytest.raises(ValueError, match=r"^m\.pt does not fit: missing key absent; .*\(transposed\); a; and 2 more$"):
        refuse([*problems, "a", "b", "c"], what="m.pt does not fit")


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
