"""`tgs train instruct` against a real HTTP server on this machine."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from multimodal_server import KEY, KEY_NAME, Cut, Fail, Garbage, Say, Slow, pictures_of, serve, text_of
from project import ROOT
from teaching_example import CLIPS, rows_of, write_chain, write_params, write_project
from typer.testing import CliRunner

from tgs_pipeline.cli import app

OUT = "artifacts/instruct"
COMMAND = ["train", "instruct", "--params", "training.yaml"]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY_NAME, KEY)
    monkeypatch.delenv("TGS_CACHE", raising=False)
    return tmp_path


def answer(request):
    return write_chain(text_of(request).split("This reply cannot be used")[0])


def instruct():
    return CliRunner().invoke(app, COMMAND)


def results(folder):
    chains = json.loads((folder / OUT / "RefThinker_instruction_tuning_set.json").read_text())
    rejects = [json.loads(line) for line in (folder / OUT / "rejects.jsonl").read_text().splitlines()]
    return chains, rejects


def assert_no_key_below(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_every_sample_gets_its_chain_and_a_second_run_asks_nothing(project):
    with serve(answer, hold_sec=0.02) as server:
        write_project(project, server.base_url)
        done = instruct()
        assert done.exit_code == 0, done.stderr
        chains, rejects = results(project)
        assert list(chains) == [uid for _, uid, *_ in rows_of()] and rejects == []
        assert len(server.requests) == 12 and server.most_at_once == 3
        first = (project / OUT / "RefThinker_instruction_tuning_set.json").read_bytes()
        assert instruct().exit_code == 0
        assert len(server.requests) == 12
    assert (project / OUT / "RefThinker_instruction_tuning_set.json").read_bytes() == first
    dog, null = chains[f"{CLIPS[0]}_dog_1"], chains[f"null_m-{CLIPS[0]}_null_1"]
    assert dog["output"].endswith(
        "<answer>\n<f_object> the small dog </f_object>\n<s_object> dog </s_object>\n"
        "The corresponding bbox is: <frame> 0 <box> 0,8,7,15 </box> </frame>\n</answer>"
    )
    assert "<s_object> null </s_object>" in null["output"] and "<frame> null" in null["output"]


def test_what_the_teacher_is_told(project):
    with serve(answer) as server:
        write_project(project, server.base_url, teacher={"concurrency": 1})
        instruct()
    request = server.requests[2]
    assert text_of(request).splitlines() == [
        "Frame 0:",
        "Frame 9:",
        f"Expression: What blows in {CLIPS[0]}.",
        "Sounds heard, likeliest first: barking (0.75), speech (0.25)",
        "Object, by its simple name: hair dryer",
        "Its place: in frame 0 from 0 % to 25 % of the width and from 25 % to 50 % of the height",
        "Box line, to be copied: The corresponding bbox is: <frame> 0 <box> 0,8,7,15 </box> </frame>",
    ]
    assert len(pictures_of(request)) == 2 and "5 to 40 words" in text_of(request, "system")
    null = text_of(server.requests[3])
    assert "Object: null" in null and "Its place" not in null and "Sounds heard, likeliest first: not known" in null


def test_only_what_changed_is_asked_again(project):
    with serve(answer) as server:
        write_project(project, server.base_url)
        instruct()
        rows = rows_of()
        rows[0] = (*rows[0][:4], "The dog that barks.")
        (project / "dataset").rename(project / "old")
        write_project(project, server.base_url, rows=rows)
        assert instruct().exit_code == 0
    assert len(server.requests) == 13 and "The dog that barks." in text_of(server.requests[-1])


def test_wrong_replies_are_corrected_or_rejected_with_reasons(project):
    """One sample is corrected at the second attempt, one keeps naming the wrong object, one is refused."""
    corrected, wrong, refused = (f"The dog number 1 of {vid}." for vid in CLIPS)

    def reply(request):
        question = text_of(request)
        if corrected in question and "cannot be used" not in question:
            return answer(request).replace("</think>", "")
        if wrong in question:
            return write_chain(question.split("This reply")[0], s_object="cat")
        return Say(None, refusal="I do not look at dogs.") if refused in question else answer(request)

    with serve(reply) as server:
        write_project(project, server.base_url)
        done = instruct()
        assert done.exit_code == 0, done.stderr
        again = len(server.requests)
        assert instruct().exit_code == 0
        assert len(server.requests) == again == 12 + 3  # rejected rows are results: they are not asked again
    chains, rejects = results(project)
    assert len(chains) == 10 and f"{CLIPS[0]}_dog_1" in chains
    assert [(one["uid"], one["status"]) for one in rejects] == [(f"{vid}_dog_1", "rejected") for vid in CLIPS[1:]]
    assert rejects[0]["reason"] == "s_object is 'cat', expected 'dog'" and "<s_object> cat" in rejects[0]["replies"][1]
    assert rejects[1]["reason"] == "the model refuses: I do not look at dogs."
    feedback = [text for request in server.requests if "cannot be used" in (text := text_of(request))]
    assert any("</think> stands there 0 times, expected once" in text for text in feedback)


def test_every_fault_of_a_server_is_survived(project, caplog):
    """Faults that pass cost a retry; nothing is lost, nothing asked twice that was answered, and no key is written."""
    caplog.set_level(logging.DEBUG)
    faults = [Fail(429, {"Retry-After": "0.1"}), Fail(500), Cut(), Garbage(), Slow(0.5), Fail(503)]
    with serve(answer, script=list(faults)) as server:
        write_project(project, server.base_url, teacher={"concurrency": 1, "max_retries": 6, "timeout_sec": 0.25})
        done = instruct()
        assert done.exit_code == 0, done.stderr
    chains, rejects = results(project)
    assert len(chains) == 12 and rejects == [] and len(server.requests) == 12 + len(faults)
    assert set(server.keys) == {f"Bearer {KEY}"}
    assert KEY not in caplog.text + done.output + done.stderr
    assert_no_key_below(project)


def test_a_server_that_stays_away_loses_nothing(project):
    """What was answered is kept; what failed is asked by the next run, and only that."""
    lost = f"What blows in {CLIPS[1]}."
    with serve(lambda request: Fail(500) if lost in text_of(request) else answer(request)) as server:
        write_project(project, server.base_url)
        failed = instruct()
        assert failed.exit_code == 1
        assert "1 of 12 units failed" in failed.stderr and f"{CLIPS[1]}_hair-dryer_1 (row 6)" in failed.stderr
        assert "the server answered 500: no luck with Bearer [key]" in failed.stderr
        assert not (project / OUT).exists()
        before = len(server.requests)
        server.answer = answer
        assert instruct().exit_code == 0
        assert len(server.requests) == before + 1
    assert len(results(project)[0]) == 12
    assert KEY not in failed.stderr
    assert_no_key_below(project)


def test_a_wrong_key_ends_the_run_at_once(project):
    with serve(lambda request: Fail(401)) as server:
        write_project(project, server.base_url, teacher={"concurrency": 1})
        done = instruct()
    assert (
        done.exit_code == 1
        and "12 of 12 units failed" in done.stderr
        and "not asked: the server answered 401" in done.stderr
    )
    assert len(server.requests) == 1 and KEY not in done.stderr
    assert_no_key_below(project)


def test_a_picture_over_the_limit_is_a_failed_row_that_says_so(project):
    with serve(answer) as server:
        write_project(project, server.base_url, teacher={"max_picture_bytes": 100, "concurrency": 1})
        done = instruct()
    assert done.exit_code == 1 and not server.requests
    assert f"{CLIPS[0]}_dog_1 (row 0): Frame 0: " in done.stderr
    assert "bytes as JPEG, the limit teacher.max_picture_bytes is 100" in done.stderr


def test_a_killed_run_goes_on_where_it_was(project):
    """kill -9 in the middle: what was stored is not asked again, and the end is that of an undisturbed run."""
    with serve(answer, hold_sec=0.3) as server:
        write_project(project, server.base_url, teacher={"concurrency": 2, "replies_per_flush": 2})
        command = [sys.executable, "-c", "from tgs_pipeline.cli import app; app()", *COMMAND]
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        child = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": paths}, stderr=subprocess.PIPE)
        while len(server.requests) < 7 and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        child.stderr.close()
        time.sleep(0.4)
        asked_before = len(server.requests)
        (journal,) = (project / ".tgs_cache/instruct").glob("journal-*.jsonl")  # holds what is in segments too
        num_kept = journal.read_bytes().count(b"\n")
        assert 4 <= num_kept <= asked_before < 12 and asked_before - num_kept <= 2  # the questions under way
        server.hold_sec = 0
        assert instruct().exit_code == 0
        asked = Counter(text_of(request).split("Frame 9:")[1] for request in server.requests)
    chains, _ = results(project)
    assert list(chains) == [uid for _, uid, *_ in rows_of()]
    assert len(asked) == 12 and sum(asked.values()) == asked_before + 12 - num_kept
    assert_no_key_below(project)


def test_uids_that_repeat_are_refused_before_anything_is_asked(project):
    rows = rows_of()
    rows.append((*rows[0][:4], "Another expression."))
    with serve(answer) as server:
        write_project(project, server.base_url, rows=rows)
        done = instruct()
    assert done.exit_code == 1 and f"1 uids stand there more than once ({CLIPS[0]}_dog_1)" in done.stderr
    assert not server.requests


def test_settings_that_cannot_work_are_told_before_anything_is_asked(project, monkeypatch):
    with serve(answer) as server:
        write_project(project, server.base_url, instruct={"splits": ["val"]})
        assert "no sample of splits ['val']" in instruct().stderr
        write_params(project, server.base_url, instruct={"sound_names": "names.csv"})
        (project / "names.csv").write_text("index,mid,display_name\n0,/m/05tny_,Bark\n")
        monkeypatch.delenv(KEY_NAME)
        done = instruct()
        assert done.exit_code == 1 and f"{KEY_NAME} (teacher.api_key_env) holds no key" in done.stderr
    assert not server.requests
