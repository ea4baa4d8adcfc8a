import json

import numpy as np
import pytest
from training_example import write_corpus, write_features

from tgs_pipeline.artifacts import samples, table
from tgs_pipeline.prompts.ref_thinker import inference_prompt, training_prompt
from tgs_pipeline.tinyworld.chains import write_chain
from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.training import corpus
from tgs_pipeline.training.corpus import part_of
from tgs_pipeline.training.examples import SCHEMA, Examples
from tgs_pipeline.training.instructions import instructions, read_chains
from tgs_pipeline.training.params import TrainingParams
from tgs_pipeline.training.workspace import TrainingWorkspace
from tgs_pipeline.workspace import Workspace

OUTPUT = "<think>\na\n</think>\n<answer>\n<f_object> b </f_object>\n<s_object> c </s_object>\n</answer>"


def write_samples(path, entries):
    """entries: (uid, vid, split, reference, status)."""
    lists = ["frame_indices", "frame_paths", "frame_hashes", "mask_paths", "mask_hashes"]
    rows = [
        dict.fromkeys(samples.SCHEMA.names)
        | {name: [] for name in lists}
        | {"uid": uid, "row": row, "vid": vid, "split": split, "reference": reference, "status": status}
        | {"is_null": False, "height": 1, "width": 1, "num_frames": 10}
        for row, (uid, vid, split, reference, status) in enumerate(entries)
    ]
    table.write(path, samples.SCHEMA, [table.from_rows(rows, samples.SCHEMA)])
    return path


@pytest.fixture
def chains(tmp_path):
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"v_dog_1": {"output": OUTPUT, "else": 1}, "v_cat_1": {"output": "no tags"}}))
    return path


def test_instructions_are_joined_with_the_references_of_train(chains, tmp_path, caplog):
    path = write_samples(
        tmp_path / "samples.parquet",
        [
            ("v_dog_1", "v", "train", "The DOG ", "ok"),
            ("v_dog_1", "v", "train", "Another.", "ok"),  # uids repeat (trap T6)
            ("v_cat_1", "v", "test_s", "a", "ok"),
            ("v_cat_1", "v", "train", "b", "failed"),
            ("v_cat_1", "v", "train", "c", "ok"),
        ],
    )
    rows = list(instructions(chains, samples_path=path, prompt="training"))
    assert rows[0] == {
        "name": "v_dog_1", "vid": "v", "prompt": training_prompt("The DOG "), "target": OUTPUT + "</s>",
    }  # fmt: skip
    assert "expression: 'the dog ', analyze" in rows[0]["prompt"]
    assert [row["prompt"] for row in rows[1:]] == [training_prompt("Another."), training_prompt("c")]
    assert "1 chains cannot be read as a reply" in caplog.text
    [first, *_] = instructions(chains, samples_path=path, prompt="inference")
    assert first["prompt"] == inference_prompt("The DOG ")


def test_a_sample_without_a_chain_is_an_error(chains, tmp_path):
    """Upstream needs a chain for every row of train (UPSTREAM_FACTS 1.4)."""
    path = write_samples(tmp_path / "samples.parquet", [("v_cow_1", "v", "train", "a", "ok")])
    with pytest.raises(ValueError, match=r"set.json: no chain for 1 samples of split train, first \['v_cow_1'\]"):
        list(instructions(chains, samples_path=path, prompt="training"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected an object of uids, found list"),
        ("{", "not a JSON file"),
        ('{"a_b_1": "text"}', "uid 'a_b_1': expected an object with a text 'output'"),
        ('{"a_b_1": {"output": ""}}', "uid 'a_b_1': expected an object with a text 'output'"),
    ],
)
def test_ill_formed_chains(tmp_path, text, message):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=rf"x.json.*{message}"):
        read_chains(tmp_path / "x.json")
    with pytest.raises(ValueError, match=r"no such file; check corpus\.instructions"):
        read_chains(tmp_path / "y.json")


def test_parts_are_told_apart_by_medium():
    parts = [part_of(f"clip{number}", held_out=0.25) for number in range(400)]
    assert 70 < parts.count("held_out") < 130
    assert {part_of(f"clip{number}", held_out=0.0) for number in range(40)} == {"train"}
    assert [part_of(f"clip{number}", held_out=0.25) for number in range(400)] == parts


def test_the_stage_writes_three_corpora(settings, tmp_path):
    plan = plan_clip(7, "train", 0)
    artifacts = tmp_path / "artifacts"
    write_samples(artifacts / "samples/samples.parquet", [("v_dog_1", plan.vid, "train", "the dog", "ok")])
    (tmp_path / "set.json").write_text(json.dumps({"v_dog_1": {"output": OUTPUT}}))
    (tmp_path / "caps.json").write_text(json.dumps([{"audiocap_id": 5, "start_time": 1, "caption": "Rain"}]))
    settings["corpus"] |= {
        "instructions": str(tmp_path / "set.json"),
        "audio": {"format": "audiocaps", "annotations": [str(tmp_path / "caps.json")]},
        "held_out": 0.0,
    }
    workspace = TrainingWorkspace(Workspace(artifacts=artifacts, dataset=tmp_path), cache=tmp_path / "cache")
    corpus.run(TrainingParams.model_validate(settings), workspace)
    found = {name: list(table.read_rows(workspace.examples(name), SCHEMA)) for name in
             ("audio", "visual", "instructions")}  # fmt: skip
    assert [(row["vid"], row["target"], row["part"]) for row in found["audio"]] == [("5", "Rain </s>", "train")]
    assert [row["vid"] for row in found["visual"]] == [plan.vid]  # other clips of the world have no reference here
    assert plan.scene.objects[0].category in found["visual"][0]["target"]
    assert [row["name"] for row in found["instructions"]] == ["v_dog_1"]


def test_given_descriptions_are_added_with_the_media_of_another_clip(settings, tmp_path):
    """From samples and chains of the tiny world; without the setting the corpus has the samples alone."""
    plans = [plan_clip(7, "train", index) for index in range(3)]
    entries, chains = [], {}
    for plan in plans:
        for number, reference in enumerate(plan.references):
            uid = f"{plan.vid}_{number}"
            entries.append((uid, plan.vid, "train", reference.text, "ok"))
            chains[uid] = {"output": write_chain(np.random.default_rng(number), plan.scene, reference)}
    artifacts = tmp_path / "artifacts"
    write_samples(artifacts / "samples/samples.parquet", entries)
    (tmp_path / "set.json").write_text(json.dumps(chains))
    settings["corpus"] |= {"instructions": str(tmp_path / "set.json"), "held_out": 0.0}
    openings = tuple(settings["corpus"]["given"]["ends_before"])
    workspace = TrainingWorkspace(Workspace(artifacts=artifacts, dataset=tmp_path), cache=tmp_path / "cache")
    found = {}
    for share in (1.0, None):
        settings["corpus"]["given"] = share and settings["corpus"]["given"] | {"share": share}
        corpus.run(TrainingParams.model_validate(settings), workspace)
        found[share] = list(table.read_rows(workspace.examples("instructions"), SCHEMA))
    assert sorted(row["name"] for row in found[None]) == sorted(chains)
    whole = {row["name"]: row for row in found[1.0] if not row["name"].endswith("+given")}
    given = [row for row in found[1.0] if row["name"].endswith("+given")]
    assert list(whole.values()) == found[None]
    first = found[None][0]["vid"]
    assert len(given) == sum(row["vid"] != first for row in found[None])
    for row in given:
        original = whole[row["name"].removesuffix("+given")]
        assert row["prompt"] + row["target"] == original["prompt"] + original["target"]
        assert row["target"].startswith(openings)
        assert row["prompt"].startswith(original["prompt"]) and "<think>" in row["prompt"][len(original["prompt"]) :]
        assert row["vid"] != original["vid"]


def test_examples_leave_out_and_count_what_has_no_features(tmp_path):
    sound = np.ones((1, 2, 4))
    features = write_features(tmp_path / "features", {"a": (sound, sound * 2), "b": (sound, None), "c": None})
    rows = [{"name": vid, "vid": vid, "prompt": "p", "target": "t", "part": "train"} for vid in "abc"]
    path = write_corpus(tmp_path / "x.parquet", rows)
    both = Examples(path, part="train", features=features, modalities=["visual", "audio"])
    assert [one.name for one in both] == ["a"] and both.unusable == 2
    assert both[0].audio.tolist() == [[[2.0] * 4] * 2]
    visual = Examples(path, part="train", features=features, modalities=["visual"])
    assert [one.name for one in visual] == ["a", "b"] and visual[0].audio is None
    assert len(Examples(path, part="held_out", features=features, modalities=["audio"])) == 0
    with pytest.raises(ValueError, match=r"features holds no features of 1 media of .*x.parquet, first \['d'\]"):
        Examples(write_corpus(path, [rows[0] | {"vid": "d"}]), part="train", features=features, modalities=["audio"])
    with pytest.raises(ValueError, match="no row of part train has features"):
        Examples(write_corpus(path, [rows[0] | {"vid": "c"}]), part="train", features=features, modalities=["audio"])
