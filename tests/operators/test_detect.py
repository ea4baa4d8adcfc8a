import numpy as np
import pytest
from asked_example import chain, sample, workspace_in, write, write_frame
from project import ROOT

from tgs_pipeline import params as params_file
from tgs_pipeline.artifacts import candidates, table
from tgs_pipeline.execution import WHOLE, Execution, Shard, StageError
from tgs_pipeline.operators import detect
from tgs_pipeline.tinyworld.models import grounding_dino

pytestmark = pytest.mark.usefixtures("content_is_the_name")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "grounding_dino"
    grounding_dino.write(folder, seed=0)
    return folder


@pytest.fixture
def params(weights):
    params = params_file.load(ROOT / "params.yaml")
    changes = {"weights": str(weights), "captions": ["s_object", "f_object"], "floor": 0.05, "shortest_edge_px": 64,
               "longest_edge_px": 128}  # fmt: skip
    return params.model_copy(update={"detect": params.detect.model_copy(update=changes)})


@pytest.fixture
def workspace(tmp_path):
    """Two references to one clip of two frames, one of which says "guitar" like the other."""
    workspace = workspace_in(tmp_path)
    for name in ("f0", "f1", "f2"):
        write_frame(workspace, name, size=(64, 96) if name != "f2" else (96, 64))
    write(
        workspace,
        [
            (sample("a", 0, frames=["f0", "f1"]), chain("a", 0, "Guitar")),
            (sample("b", 1, frames=["f0", "f1"]), chain("b", 1, "guitar.", f_object=None)),
            (sample("c", 2, frames=["f0"]), chain("c", 2, "guitar", status="malformed", reason="no tag")),
            (sample("d", 3, frames=[], status="failed", reason="no frames"), chain("d", 3, "dog")),
            (sample("e", 4, frames=["f2"], size=(96, 64)), chain("e", 4, "dog", f_object="Dog")),
        ],
    )
    return workspace


def execution(workspace, *, batch_size=8, shard=WHOLE, max_failure_rate=0.0):
    return Execution(
        cache=workspace.artifacts / "rows", batch_size=batch_size, num_loaders=2, flush_rows=4, flush_sec=9,
        device="cpu", max_failure_rate=max_failure_rate, shard=shard,
    )  # fmt: skip


def rows(workspace) -> list[dict]:
    return list(table.read_rows(workspace.candidates, candidates.SCHEMA))


def test_each_frame_and_caption_once_in_the_order_of_first_use(params, workspace):
    detect.run(params, workspace, execution(workspace))
    found = rows(workspace)
    assert [(row["frame_hash"], row["caption"]) for row in found] == [
        ("f0", "guitar."),
        ("f0", "the brown guitar."),
        ("f1", "guitar."),
        ("f1", "the brown guitar."),
        ("f2", "dog."),
    ]
    assert len({row["key"] for row in found}) == 5
    for row in found:
        num = len(row["scores"])
        assert row["status"] == "ok"
        assert num > 0
        assert min(row["scores"]) > np.float32(0.05)
        assert len(row["boxes_xyxy"]) == 4 * num
        assert sorted(set(row["query_index"])) == row["query_index"]
        assert row["tokens"][0] == "[CLS]"
        by_token = np.reshape(row["token_scores"], (num, len(row["tokens"])))
        np.testing.assert_array_equal(by_token.max(1), row["scores"])


def test_batches_do_not_change_results(params, workspace, tmp_path):
    detect.run(params, workspace, execution(workspace))
    together = rows(workspace)
    other = execution(workspace, batch_size=1)
    detect.run(params, workspace, Execution(**{**vars(other), "cache": tmp_path / "other"}))
    for one, two in zip(rows(workspace), together, strict=True):
        assert one["query_index"] == two["query_index"]
        for name in ("boxes_xyxy", "token_scores"):
            np.testing.assert_allclose(one[name], two[name], atol=1e-5)


def test_a_second_run_computes_nothing_and_writes_the_same_bytes(params, workspace, monkeypatch):
    detect.run(params, workspace, execution(workspace))
    first = workspace.candidates.read_bytes()

    def no_detector(*_: object, **__: object) -> None:
        raise AssertionError("the detector was loaded")

    monkeypatch.setattr(detect, "make_detector", no_detector)
    detect.run(params, workspace, execution(workspace))
    assert workspace.candidates.read_bytes() == first


def test_shards_publish_nothing_until_a_whole_run_joins_them(params, workspace, monkeypatch):
    for index in range(2):
        detect.run(params, workspace, execution(workspace, shard=Shard(index, 2)))
    assert not workspace.candidates.exists()
    monkeypatch.setattr(detect, "make_detector", None)
    detect.run(params, workspace, execution(workspace))
    assert len(rows(workspace)) == 5


def test_a_broken_frame_is_a_failed_row(params, workspace):
    frame = workspace.dataset / "f1.png"
    frame.write_bytes(frame.read_bytes()[:60])
    with pytest.raises(StageError, match=r"detect: 2 of 5 units failed[\s\S]*f1\.png: the image is truncated"):
        detect.run(params, workspace, execution(workspace))
    assert not workspace.candidates.exists()
    detect.run(params, workspace, execution(workspace, max_failure_rate=0.5))
    failed = [row for row in rows(workspace) if row["status"] == "failed"]
    assert [row["frame_hash"] for row in failed] == ["f1", "f1"]
    assert all("f1.png" in row["reason"] and row["scores"] == [] and row["tokens"] == [] for row in failed)


def test_the_key_holds_what_decides_and_nothing_else(params):
    def key(**changes: object) -> str:
        return detect.make_recipe(params.detect.model_copy(update=changes)).key("hash", "dog.")

    assert key() == key(captions=["reference"])
    assert len({key(), key(floor=0.06), key(shortest_edge_px=65), key(longest_edge_px=129),
                key(backend="groundingdino"), key(dtype="bfloat16")}) == 6  # fmt: skip


def test_missing_weights_are_named(params, workspace):
    gone = params.model_copy(update={"detect": params.detect.model_copy(update={"weights": "nowhere"})})
    with pytest.raises(ValueError, match="weights nowhere are missing"):
        detect.run(gone, workspace, execution(workspace))


def test_verbatim_captions_share_the_rows_of_the_cleaned_ones(params):
    settings = params.detect
    verbatim = settings.model_copy(update={"caption_text": "verbatim"})
    assert detect.make_recipe(settings).key("hash", "dog.") == detect.make_recipe(verbatim).key("hash", "dog.")
