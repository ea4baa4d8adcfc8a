import json
import logging
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from faithfulness.thinking_example import Reader, Stubborn, Told, answer_with, make_sample, write_workspace
from project import ROOT

from tgs_pipeline import params as params_file
from tgs_pipeline.artifacts import faithfulness as artifact
from tgs_pipeline.artifacts.features_reader import FeatureReader
from tgs_pipeline.execution import Execution, Shard, StageError
from tgs_pipeline.faithfulness.described import situations
from tgs_pipeline.metrics.faithfulness import FORCED, SWAPPED
from tgs_pipeline.operators import faithfulness
from tgs_pipeline.params import NumClips
from tgs_pipeline.tinyworld.models.ref_thinker import write
from tgs_pipeline.workspace import Workspace

NAMES = ["dog", "cat", "null", "red car"]
SAMPLES = [make_sample(row, f"v{row // 2}", NAMES[row % 4], reference=f"thing {row}") for row in range(16)]
NUM_CLIPS = NumClips(train=0, val=0, test_s=3, test_u=2, test_n=2)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "ref_thinker"
    write(folder, seed=0)
    return folder


@pytest.fixture
def workspace(tmp_path):
    return Workspace(artifacts=tmp_path / "artifacts", dataset=tmp_path / "dataset")


def make_params(weights, *, world=False, think=None, **changes):
    """Params of a dataset that is not the tiny world, or of a small one."""
    params = params_file.load(ROOT / "params.yaml")
    tinyworld = params.dataset.tinyworld.model_copy(update={"num_clips": NUM_CLIPS}) if world else None
    return params.model_copy(
        update={
            "dataset": params.dataset.model_copy(update={"tinyworld": tinyworld}),
            "think": params.think.model_copy(update={"weights": str(weights), "max_new_tokens": 24, **(think or {})}),
            "faithfulness": params.faithfulness.model_copy(update=changes),
        }
    )


def make_execution(workspace, **changes):
    settings = {"batch_size": 5, "num_loaders": 1, "flush_rows": 8, "flush_sec": 60.0, "max_failure_rate": 0.0}
    return Execution(cache=workspace.artifacts / "rows", device="cpu", **settings | changes)


def world_samples(params):
    """The samples of the small world, each answered rightly."""
    found = {
        (uid, text): (situation, split)
        for split in ("test_s", "test_u", "test_n")
        for (uid, text), situation in situations(params.dataset.tinyworld, splits=[split]).items()
    }
    return [
        make_sample(row, uid.rsplit("_", 2)[0], situation.truth, reference=text, uid=uid, split=split)
        for row, ((uid, text), (situation, split)) in enumerate(found.items())
    ]


@pytest.fixture
def use(monkeypatch):
    """Let the stage ask this thinker instead of loading one."""

    def use(thinker):
        monkeypatch.setattr(faithfulness, "make_thinker", lambda params, *, device: thinker)
        return thinker

    return use


def run(params, workspace, **changes):
    faithfulness.run(params, workspace, make_execution(workspace, **changes))
    file = pq.read_table(workspace.faithfulness)
    assert file.schema.equals(artifact.SCHEMA, check_metadata=True)
    return json.loads(workspace.faithfulness_metrics.read_text()), file.to_pylist()


def rates(metrics):
    return {
        (intervention, name): (rate["rate"], rate["cases"])
        for intervention, measures in metrics["rates"].items()
        for name, rate in measures.items()
    }


def test_a_thinker_that_reads_its_chain_and_clip_follows_always(workspace, weights, use):
    write_workspace(workspace, SAMPLES)
    reader = use(Reader())
    metrics, rows = run(make_params(weights), workspace)
    assert rates(metrics) == {
        ("edited_chain", "follows"): (1.0, 12),  # the others have concluded nothing
        ("foreign_chain", "follows"): (1.0, 16),
        ("swapped_sound", "changes"): (1.0, 16),
        ("swapped_frames", "changes"): (1.0, 16),
    }
    assert (metrics["num_samples"], metrics["failed"]) == (16, 0)
    for row in rows:
        seen, heard = row["answer"].split()[-2:] if row["intervention"].startswith("swapped") else (None, None)
        if row["intervention"] == "swapped_sound":
            assert f"v{seen}" == row["visual_vid"] == row["vid"] and f"v{heard}" == row["audio_vid"] != row["vid"]
        elif row["intervention"] == "swapped_frames":
            assert f"v{seen}" == row["visual_vid"] != row["vid"] and f"v{heard}" == row["audio_vid"] == row["vid"]
        else:
            assert row["answer"] == row["expected"] and row["raw"].startswith(row["forced"])
    asked = [(request.reference, request.forced, request.visual.flat[0]) for request in reader.asked]
    forced = [request for request in asked if request[1]]
    assert len(set(forced)) == len(forced) < 28, "what two interventions have in common is asked once"


def test_a_thinker_that_does_not_care_follows_never(workspace, weights, use):
    write_workspace(workspace, SAMPLES)
    use(Stubborn(SAMPLES))
    metrics, rows = run(make_params(weights), workspace)
    assert {rate for rate, _ in rates(metrics).values()} == {0.0} and len(rows) == 60
    assert not any(row["changes"] for row in rows)


def test_interventions_on_the_tiny_world(workspace, weights, use):
    params = make_params(weights, world=True, num_samples=6)
    samples = world_samples(params)
    numbers = write_workspace(workspace, samples)
    cases = faithfulness.plan(params, samples)

    use(Told(cases, numbers, choose=lambda case: case.expected))
    faithful, rows = run(params, workspace)
    swaps = {(name, "changes_where_it_should"): (1.0, 3) for name in SWAPPED}
    swaps |= {(name, "changes_where_it_should_not"): (0.0, 3) for name in SWAPPED}
    assert rates(faithful) == {(name, "follows"): (1.0, 6) for name in FORCED} | swaps
    assert [row["row"] for row in rows if row["intervention"] == "foreign_chain"] == sorted(
        row["row"] for row in rows if row["intervention"] == "foreign_chain"
    )

    for file in (workspace.artifacts / "rows").rglob("*.parquet"):
        file.unlink()
    use(Told(cases, numbers, choose=lambda case: case.sample.answer))  # which is right
    stubborn, _ = run(params, workspace)
    controls = ("true_description", "irrelevant_edit")
    assert rates(stubborn) == {(name, "follows"): (float(name in controls), 6) for name in FORCED} | {
        key: (0.0, 3) for key in swaps
    }

    for file in (workspace.artifacts / "rows").rglob("*.parquet"):
        file.unlink()
    use(Told(cases, numbers, choose=lambda case: "nobody"))
    random, _ = run(params, workspace)
    assert {rate for key, (rate, _) in rates(random).items() if key not in swaps} == {0.0}
    assert {rate for key, (rate, _) in rates(random).items() if key in swaps} == {1.0}


def test_samples_of_another_dataset_get_the_general_interventions_alone(workspace, weights, use):
    write_workspace(workspace, SAMPLES)
    use(Reader())
    metrics, _ = run(make_params(weights, world=True, num_samples=2), workspace)
    assert list(metrics["rates"]) == ["edited_chain", "foreign_chain", "swapped_sound", "swapped_frames"]


def test_the_whole_stage_with_a_real_model_and_its_bytes(workspace, weights):
    params = make_params(weights, world=True, num_samples=3)
    write_workspace(workspace, world_samples(params))
    metrics, rows = run(params, workspace)
    assert metrics["failed"] == 0 and len(rows) == 24
    for row in rows:
        assert row["status"] == "ok" and row["answer"]
        assert row["raw"].startswith(row["forced"].lower()), "the reply goes on from what is forced"
        assert row["raw"].count("<think>") == row["raw"].count("</s_object>") == 1
    before = workspace.faithfulness.read_bytes(), workspace.faithfulness_metrics.read_bytes()
    for file in (workspace.artifacts / "rows").rglob("*.parquet"):
        file.unlink()
    run(params, workspace, batch_size=2)
    assert (workspace.faithfulness.read_bytes(), workspace.faithfulness_metrics.read_bytes()) == before


def test_nothing_is_asked_twice_and_shards_publish_nothing(workspace, weights, use):
    write_workspace(workspace, SAMPLES)
    reader = use(Reader())
    params = make_params(weights, num_samples=4)
    for index in range(2):
        faithfulness.run(params, workspace, make_execution(workspace, shard=Shard(index, 2)))
    assert len(reader.asked) == 16 and not workspace.faithfulness.exists()
    metrics, _ = run(params, workspace)
    assert len(reader.asked) == 16 and metrics["failed"] == 0
    run(make_params(weights, num_samples=5), workspace)
    assert len(reader.asked) == 20, "more samples keep those that were drawn before"
    run(make_params(weights, num_samples=4, think={"reply_format": "free"}), workspace)
    assert len(reader.asked) == 36


def test_unread_and_failed_replies(workspace, weights, use):
    write_workspace(workspace, SAMPLES)
    thinker = use(Reader())
    empty = replace(answer_with("x"), f_object=None, s_object=None)
    thinker._answer = lambda request: (
        replace(empty, status="failed", reason="too long")
        if "A null" in request.forced
        else replace(empty, status="malformed", reason="no <s_object>")
    )
    params = make_params(weights, num_samples=16)
    with pytest.raises(StageError, match=r"(?s)max_failure_rate is 0.0.*too long"):
        run(params, workspace)
    assert not workspace.faithfulness.exists()
    metrics, rows = run(params, workspace, max_failure_rate=0.5)
    failed = [row for row in rows if row["status"] == "failed"]
    assert failed and metrics["failed"] == len(failed) and all("A null" in row["forced"] for row in failed)
    rate = metrics["rates"]["foreign_chain"]["follows"]
    assert rate["cases"] == rate["unreadable"] == 16 - len(failed) and rate["hits"] == 0
    assert {row["answer"] for row in rows} == {None}
    assert metrics["rates"]["swapped_sound"]["changes"]["hits"] == 0


def test_only_samples_with_a_chain_that_was_read_and_a_clip_that_was_heard_take_part(workspace, weights):
    changes = {0: {"status": "malformed", "s_object": None}, 1: {"status": "failed", "raw": None}, 2: {"raw": None},
               3: {"split": "val"}}  # fmt: skip
    write_workspace(workspace, SAMPLES[:6], changes=changes)
    reader = FeatureReader(workspace.features)
    samples = faithfulness.read_samples(workspace.chains, splits=["test_s"], reader=reader)
    assert [(sample.row, sample.answer, sample.raw) for sample in samples] == [
        (2, "null", ""), (4, "dog", SAMPLES[4].raw), (5, "cat", SAMPLES[5].raw),
    ]  # fmt: skip
    everywhere = faithfulness.read_samples(workspace.chains, splits=None, reader=reader)
    assert [sample.row for sample in everywhere] == [2, 3, 4, 5]


def test_switched_off_nothing_is_read_or_loaded(workspace, caplog):
    caplog.set_level(logging.INFO, logger="tgs_pipeline")
    metrics, rows = run(make_params("nowhere", num_samples=0, think={"backend": "reference"}), workspace)
    assert metrics == {"num_samples": 0, "failed": 0, "rates": {}} and rows == []
    assert "faithfulness: switched off, nothing is measured" in caplog.messages


def test_no_case_where_there_is_nothing_to_take_from(workspace, weights, caplog):
    caplog.set_level(logging.INFO, logger="tgs_pipeline")
    write_workspace(workspace, SAMPLES[:1])
    metrics, rows = run(make_params(weights), workspace)
    assert metrics == {"num_samples": 16, "failed": 0, "rates": {}} and rows == []
    assert "faithfulness: no case found" in caplog.messages


def test_the_pass_through_has_nothing_to_follow(workspace):
    with pytest.raises(
        ValueError, match=r"think.backend is 'reference', which writes no chain: set faithfulness.num_s"
    ):
        run(make_params("nowhere", think={"backend": "reference"}), workspace)


def test_missing_inputs_say_what_to_run(workspace, weights):
    with pytest.raises(ValueError, match="features is missing: run `dvc repro features`"):
        run(make_params(weights), workspace)
    write_workspace(workspace, SAMPLES)
    workspace.chains.unlink()
    with pytest.raises(ValueError, match=r"chains.parquet is missing: run `dvc repro` to make chains"):
        run(make_params(weights), workspace)
