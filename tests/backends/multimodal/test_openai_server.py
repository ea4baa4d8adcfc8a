import base64
import io
import logging
import threading
import time
from email.utils import formatdate

import numpy as np
import pytest
from multimodal_server import KEY, KEY_NAME, Cut, Fail, Garbage, Say, Slow, pictures_of, serve, text_of
from PIL import Image

from tgs_pipeline.backends.multimodal.base import (
    Answer,
    BadRequestError,
    Message,
    NoAnswerError,
    Picture,
    UnreachableError,
    UnusableError,
    make_picture,
)
from tgs_pipeline.backends.multimodal.openai_server import OpenAIServer

QUESTION = [Message("user", ("What is this?",))]


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY_NAME, KEY)


def teacher(server, **changes):
    settings = {
        "section": "teacher", "picture_detail": None,
        "model": "test", "api_key_env": KEY_NAME, "sampling": {"temperature": 0.5, "max_tokens": 9}, "timeout_sec": 5,
        "max_retries": 2, "first_wait_sec": 0.01, "max_wait_sec": 2, "concurrency": 2, "max_picture_bytes": 100_000,
    }  # fmt: skip
    return OpenAIServer(changes.pop("base_url", server.base_url), **settings | changes)


def test_a_question_with_pictures_arrives_as_it_was_asked(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    image = np.zeros((40, 80, 3), np.uint8)
    picture = make_picture(image, name="0.jpg", longest_edge_px=20, jpeg_quality=90)
    conversation = [Message("system", ("Be short.",)), Message("user", ("Frame 0:", picture, "What is it?"))]
    with serve(lambda request: "  a dog\n") as server:
        reply = teacher(server).ask(conversation)
    assert reply == Answer("a dog", prompt_tokens=11, completion_tokens=7)
    (request,) = server.requests
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("test", 0.5, 9)
    assert request["messages"][0] == {"role": "system", "content": "Be short."}
    assert [part["type"] for part in request["messages"][1]["content"]] == ["text", "image_url", "text"]
    assert text_of(request) == "Frame 0:\nWhat is it?"
    data = base64.b64decode(pictures_of(request)[0].removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(data)).size == (20, 10)
    assert server.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize("fault", [Fail(429), Fail(500), Fail(503), Cut(), Garbage()])
def test_passing_faults_are_asked_again(fault):
    with serve(script=[fault, fault]) as server:
        assert teacher(server).ask(QUESTION).text == "hello"
    assert len(server.requests) == 3


def test_a_timeout_is_asked_again():
    with serve(script=[Slow(0.6)]) as server:
        assert teacher(server, timeout_sec=0.2).ask(QUESTION).text == "hello"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fail(500), "the server answered 500.*; gave up after 3 requests"),
        (Fail(429), "the server answered 429"),
        (Cut(), "the connection failed"),
        (Garbage(), "the reply is not JSON; gave up"),
        (Slow(0.4), "the server did not answer in time"),
    ],
)
def test_retries_are_bounded(fault, reason):
    with serve(lambda request: fault) as server, pytest.raises(UnreachableError, match=reason) as raised:
        teacher(server, timeout_sec=0.1 if isinstance(fault, Slow) else 5).ask(QUESTION)
    assert len(server.requests) == 3 and KEY not in str(raised.value)


def test_waits_double():
    with serve(lambda request: Fail(500)) as server, pytest.raises(UnreachableError):
        teacher(server, first_wait_sec=0.2).ask(QUESTION)
    first, second = np.diff(server.times)
    assert 0.15 <= first < 0.4 and 0.3 <= second < 0.8


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(form):
    def first_fail(request):
        if len(server.requests) > 1:
            return "hello"
        date = formatdate(time.time() + 2, usegmt=True)  # whole seconds: 1 to 2 from now
        return Fail(429, {"Retry-After": "1" if form == "seconds" else date})

    with serve(first_fail) as server:
        assert teacher(server, max_wait_sec=3).ask(QUESTION).text == "hello"
    assert server.times[1] - server.times[0] >= 0.95


def test_a_server_that_asks_for_a_very_long_wait_is_given_up():
    with (
        serve(script=[Fail(429, {"Retry-After": "3600"})]) as server,
        pytest.raises(UnreachableError, match="it asks to wait 3600 s, the limit is 2 s"),
    ):
        teacher(server).ask(QUESTION)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_accepts_nothing_is_not_asked_again(status):
    with serve(lambda request: Fail(status)) as server, pytest.raises(UnusableError, match="check base_url, model"):
        teacher(server).ask(QUESTION)
    assert len(server.requests) == 1


def test_a_bad_request_is_not_asked_again():
    with serve(lambda request: Fail(413)) as server, pytest.raises(BadRequestError, match="the server answered 413"):
        teacher(server).ask(QUESTION)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "reason", "text"),
    [
        (Say("I will not", refusal="I cannot help with that."), "the model refuses: I cannot help", "I will not"),
        (Say(None, refusal="No."), "the model refuses: No.", "No."),
        (Say("Half an", finish_reason="length"), "cut at the token limit", "Half an"),
        (Say("", finish_reason="content_filter"), "content filter", ""),
        (Say(choices=False), "has no choices", ""),
        (Say(None), "the reply is empty", ""),
        (Say("  \n"), "the reply is empty", ""),
        (Fail(400, code="content_filter"), "refuses the request", ""),
    ],
)
def test_replies_without_an_answer(reply, reason, text):
    with serve(lambda request: reply) as server, pytest.raises(NoAnswerError, match=reason) as raised:
        teacher(server).ask(QUESTION)
    assert len(server.requests) == 1 and raised.value.text == text


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "7",
        '{"choices": 3}',
        '{"error": "x"}',
        "[" * 100_000,
        '{"choices": ' + "9" * 5000 + "}",
        "\x00",
    ],
)
def test_bodies_of_no_protocol_are_passing_faults(body):
    with serve(script=[Garbage(body)]) as server:
        assert teacher(server).ask(QUESTION).text == "hello"
    assert len(server.requests) == 2


@pytest.mark.parametrize("count", [-1, 1e9, "7", True, None, 10**30, [1]])
def test_counts_that_are_none_are_not_counted(count):
    with serve(lambda request: Say("yes", prompt_tokens=count)) as server:
        assert teacher(server).ask(QUESTION).prompt_tokens == 0


def test_text_that_no_file_can_hold_is_replaced():
    with serve(lambda request: Say("[2] \ud800")) as server:
        assert teacher(server).ask(QUESTION).text == "[2] ?"


@pytest.mark.parametrize(("detail", "sent"), [("high", {"detail": "high"}), (None, {})])
def test_how_closely_pictures_are_looked_at(detail, sent):
    with serve() as server:
        teacher(server, picture_detail=detail).ask([Message("user", (Picture("0.jpg", b"x"), "Look"))])
    (part, _) = server.requests[0]["messages"][0]["content"]
    assert part["image_url"] == {"url": "data:image/jpeg;base64,eA=="} | sent


def test_a_picture_over_the_limit_is_named_and_not_sent():
    picture = Picture("frames/3.jpg", b"x" * 101)
    with (
        serve() as server,
        pytest.raises(BadRequestError, match=r"frames/3.jpg: 101 bytes as JPEG, the limit .* is 100"),
    ):
        teacher(server, max_picture_bytes=100).ask([Message("user", ("Look", picture))])
    assert not server.requests


def test_no_more_requests_at_once_than_allowed():
    with serve(hold_sec=0.05) as server:
        shared = teacher(server, concurrency=3)
        threads = [threading.Thread(target=shared.ask, args=(QUESTION,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(server.requests) == 12 and server.most_at_once == 3


def test_the_key_is_in_no_log_message_and_no_repr(caplog):
    caplog.set_level(logging.DEBUG)
    texts = []
    for fault in (Fail(401), Fail(500), Fail(400)):
        with serve(lambda request, fault=fault: fault) as server:
            asked = teacher(server, max_retries=1)
            with pytest.raises(ValueError, match=r"\[key\]") as raised:
                asked.ask(QUESTION)
        texts += [str(raised.value), repr(raised.value), repr(asked), str(raised.value.__cause__)]
    with serve(lambda request: f"my key is {KEY}") as server:
        texts.append(teacher(server).ask(QUESTION).text)
    assert texts[-1] == "my key is [key]"
    assert caplog.records and KEY not in caplog.text
    assert not any(KEY in text for text in texts)


def test_the_key_comes_from_the_environment_only(monkeypatch):
    monkeypatch.delenv(KEY_NAME)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-service")
    with serve() as server:
        with pytest.raises(UnusableError, match=f"{KEY_NAME} .* holds no key"):
            teacher(server)
        teacher(server, api_key_env=None).ask(QUESTION)
    assert server.keys == ["Bearer none"]


def test_a_placeholder_for_a_key_does_not_change_answers(monkeypatch):
    monkeypatch.setenv(KEY_NAME, "none")
    with serve(lambda request: "none of them") as server:
        assert teacher(server).ask(QUESTION).text == "none of them"


def test_nobody_listens():
    with serve() as server:
        pass
    with pytest.raises(UnreachableError, match="the connection failed"):
        teacher(server).ask(QUESTION)
