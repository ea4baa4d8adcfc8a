import json

import pytest
import yaml
from asked_questions import NUM_CLIPS, Scripted, questions, truth
from project import ROOT
from typer.testing import CliRunner

from tgs_pipeline.cli import app
from tgs_pipeline.tinyworld.models import beats, clip, ref_thinker
from tgs_pipeline.training.evaluation.run import evaluate, fit_blind

SEEDS = (61, 62)
NULL = "<think>\nNone of them fits.\n</think>\n<f_object> null </f_object>\n<s_object> null </s_object>"


def run(say, *, seeds=SEEDS, num_clips=NUM_CLIPS, batch_size=7):
    thinker = Scripted(questions(seeds, num_clips), say)
    done = evaluate(
        thinker,
        encoder=None,
        seeds=seeds,
        num_clips=num_clips,
        batch_size=batch_size,
        description={"think": "scripted"},
        blind_clips=60,
    )
    return done, thinker


def shares(done):
    return {name: score["share"] for name, score in done.to_json()["scores"].items()}


def test_a_perfect_thinker_is_right_everywhere():
    done, thinker = run(truth)
    expected = {name: 1.0 if score["total"] else None for name, score in done.to_json()["scores"].items()}
    assert list(expected.values()).count(None) < 20  # of 35 kinds of references, in so few clips
    expected |= {"present called null": 0.0, "R2-style called null": 0.0, "no readable answer": 0.0}
    assert shares(done) == expected
    rates = done.to_json()["statements"]
    assert rates["unreadable"]["total"] == 0 and rates["all"]["share"] == rates["demand"]["share"] == 1
    assert rates["objects in view that are named"]["share"] == rates["sounds that are named"]["share"] == 1
    assert set(thinker.batch_sizes[:-1]) == {7}


def test_a_thinker_that_always_abstains_recognises_null_only():
    done, _ = run(lambda question: NULL)
    found = shares(done)
    assert found["kind: null (recognised)"] == found["present called null"] == found["R2-style called null"] == 1
    assert found["s_object, test_s"] == found["s_object, R2-style"] == found["f_object among twins"] == 0
    conclusions = done.to_json()["statements"]["conclusion"]
    assert conclusions["share"] == pytest.approx(done.to_json()["null_share"])


def told_by_the_words(*, split):
    """The share of plain references to objects that name the target's colour and category."""
    asked = [
        (question.target, question.reference.text.lower().strip(" .").split())
        for question in questions(SEEDS, NUM_CLIPS)
        if question.style == "plain" and question.target is not None and question.split == split
    ]
    return sum({target.color, target.category} <= set(words) for target, words in asked) / len(asked)


def test_the_blind_baseline_scores_as_a_thinker_that_answers_from_the_words():
    baseline = fit_blind(seed=max(SEEDS) + 1, num_clips=NUM_CLIPS, at_least=60)
    about_null = ("kind: null (recognised)", "null, absent object", "null, foreign sound")
    about_null += ("present called null", "R2-style called null")
    for field in ("s_object", "if_present"):

        def say(question, field=field):
            words = baseline.answer(question)
            s_object, f_object = getattr(words, field) or "null", words.name_if_present or "null"
            return f"<think> a </think> <f_object> {f_object} </f_object> <s_object> {s_object} </s_object>"

        scores = run(say)[0].to_json()["scores"]
        del scores["no readable answer"]
        names = about_null if field == "s_object" else set(scores) - set(about_null)
        assert {name: scores[name]["share"] for name in names} == {name: scores[name]["blind"] for name in names}
    told = told_by_the_words(split="test_s")
    blind = scores["f_object, test_s"]["blind"]
    assert blind < scores["s_object, test_s"]["blind"] < 0.6
    assert 0.05 < told <= blind < told + (1 - told) / 8, "else a guess among eight colours, if the category is told"
    assert scores["kind: audio"]["blind"] < scores["kind: visual"]["blind"]


def test_seeds_add_up():
    done, _ = run(lambda question: truth(question) if question.seed == 61 else NULL)
    score = done.to_json()["scores"]["s_object, test_s"]
    assert (score["seeds"]["61"]["share"], score["seeds"]["62"]["share"]) == (1, 0)
    assert score["num"] == score["seeds"]["61"]["num"]
    assert score["total"] == score["seeds"]["61"]["total"] + score["seeds"]["62"]["total"]


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(ValueError, match="clips must be >= 0 and not all 0"):
        run(truth, num_clips={"test_s": 0})
    with pytest.raises(ValueError, match=r"seeds must be different and at least one: got \[61, 61\]"):
        run(truth, seeds=[61, 61])


def test_results_are_written_answer_by_answer(tmp_path):
    done, _ = run(truth, seeds=(61,), num_clips={"test_s": 2, "test_n": 1})
    done.write(tmp_path / "out")
    assert json.loads((tmp_path / "out/evaluation.json").read_text()) == done.to_json()
    answers = [json.loads(line) for line in (tmp_path / "out/answers.jsonl").read_text().splitlines()]
    assert len(answers) == done.to_json()["questions"]
    assert all(answer["right"] and answer["false_claims"] == [] for answer in answers)
    table = (tmp_path / "out/evaluation.md").read_text()
    assert f"{len(answers)} references to clips of the seeds 61 (2 of test_s, 1 of test_n for each)" in table
    [row] = [line for line in table.splitlines() if line.startswith("| s_object, test_s ")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == ["8", "100.0"] and cells[3].endswith(" to 100.0") and cells[-1] == "100.0"
    assert len({len(line) for line in table.split("\n\n")[1].splitlines()}) == 1


def test_an_untrained_ref_thinker_is_evaluated(tmp_path):
    clip.write(tmp_path / "clip", seed=1)
    beats.write(tmp_path / "beats.safetensors", seed=1)
    ref_thinker.write(tmp_path / "ref_thinker", seed=1)
    settings = yaml.safe_load((ROOT / "profiles/tiny.yaml").read_text())
    settings["features"]["visual"]["weights"] = str(tmp_path / "clip")
    settings["features"]["audio"]["weights"] = str(tmp_path / "beats.safetensors")
    settings["think"] |= {"weights": str(tmp_path / "ref_thinker"), "max_new_tokens": 40}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))
    command = ["train", "evaluate", "--params", str(tmp_path / "params.yaml"), "--seed", "3", "--json"]
    done = CliRunner().invoke(app, [*command, "--clips", "1", "--null-clips", "1", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "out/evaluation.json").read_text())
    assert found["questions"] == len(questions([3], {"test_s": 1, "test_u": 1, "test_n": 1})) > 8
    assert found["scores"]["no readable answer"]["num"] == 0  # the reply format is enforced
    assert found["scores"]["s_object, test_s"]["share"] < 0.5
    assert found["statements"]["all"]["total"] > 0 and len(found["thinker"]["digest"]) > 20


def test_nothing_to_ask_ends_with_a_message():
    command = ["train", "evaluate", "--params", str(ROOT / "profiles/tiny.yaml"), "--clips", "0", "--null-clips", "0"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1 and "error:" in done.stderr and "Traceback" not in done.output
