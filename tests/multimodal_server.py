"""A real HTTP server on this machine that speaks OpenAI's chat completions protocol, with scripted faults."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY_NAME = "TGS_TEST_TEACHER_KEY"
KEY = "sk-secret-0123456789abcdef"


@dataclass
class Say:
    """An answer of the model, or with `refusal`, `finish_reason`, `choices` something that is none."""

    text: str | None = None
    refusal: str | None = None
    finish_reason: str = "stop"
    choices: bool = True
    prompt_tokens: object = 11


@dataclass
class Fail:
    """An HTTP error status; the body repeats the key it was sent, as careless servers do."""

    status: int
    headers: dict = field(default_factory=dict)
    code: str | None = None


class Cut:
    """The connection is reset in the middle of the reply."""


@dataclass
class Garbage:
    """Status 200 with a body that is no JSON, or none of the protocol."""

    body: str = '{"choices": [{"mess'


@dataclass
class Slow:
    """An answer that comes after `sec`."""

    sec: float
    text: str = "late"


@dataclass
class MultimodalServer:
    """What the server is to say (`script` in order, then `answer(request)`), and what it was asked."""

    answer: Callable[[dict], object]
    script: list = field(default_factory=list)
    requests: list[dict] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0
    hold_sec: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    base_url: str = ""

    def next(self, request: dict) -> object:
        with self.lock:
            self.requests.append(request)
            self.times.append(time.monotonic())
            return self.script.pop(0) if self.script else self.answer(request)


@contextmanager
def serve(answer: Callable[[dict], object] = lambda request: "hello", **settings):
    state = MultimodalServer(answer, **settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            with state.lock:
                state.at_once += 1
                state.most_at_once = max(state.most_at_once, state.at_once)
                state.keys.append(self.headers["Authorization"])
            try:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/chat/completions"
                what = state.next(json.loads(body))
                time.sleep(state.hold_sec)
                self.act(what)
            finally:
                with state.lock:
                    state.at_once -= 1

        def act(self, what):
            match what:
                case str():
                    self.reply(200, completion(Say(what)))
                case Say():
                    self.reply(200, completion(what))
                case Fail():
                    message = f"no luck with {self.headers['Authorization']}"
                    error = {"error": {"message": message, "code": what.code, "type": "x"}}
                    self.reply(what.status, json.dumps(error), headers=what.headers)
                case Garbage():
                    self.reply(200, what.body)
                case Slow():
                    time.sleep(what.sec)
                    self.reply(200, completion(Say(what.text)))
                case Cut():
                    self.wfile.write(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
                    )
                    self.wfile.flush()
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True

        def reply(self, status, text, headers=None):
            data = text.encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *arguments: None  # a client that gave up is part of the script
    state.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def completion(say: Say) -> str:
    message = {"role": "assistant", "content": say.text, "refusal": say.refusal}
    choice = {"index": 0, "message": message, "finish_reason": say.finish_reason}
    return json.dumps(
        {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "test",
            "choices": [choice] if say.choices else [],
            "usage": {"prompt_tokens": say.prompt_tokens, "completion_tokens": 7, "total_tokens": 18},
        }
    )  # fmt: skip


def text_of(request: dict, role: str = "user") -> str:
    """All text of the turns of a role in a request."""
    texts = []
    for message in request["messages"]:
        if message["role"] == role:
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            texts += [part["text"] for part in parts if part["type"] == "text"]
    return "\n".join(texts)


def pictures_of(request: dict) -> list[str]:
    """The data URLs of all pictures in a request."""
    contents = [message["content"] for message in request["messages"] if isinstance(message["content"], list)]
    return [part["image_url"]["url"] for parts in contents for part in parts if part["type"] == "image_url"]
