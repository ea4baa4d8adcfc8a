"""A small model hub on this machine: files of repositories, their checksums, ranges, gated and missing ones."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """files: (repository, path) -> content, served under a SHA-256; asked: (method, path, range) of each request.

    cuts: end as many downloads, each after so many bytes, as connections that break.
    """

    files: dict[tuple[str, str], bytes]
    gated: set[str] = field(default_factory=set)
    wrong_checksum: set[str] = field(default_factory=set)
    cuts: list[int] = field(default_factory=list)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def log_message(self, *_: object) -> None:
            pass

        def answer(self, *, with_body: bool) -> None:
            path = self.path.split("?")[0].lstrip("/")
            hub.asked.append((self.command, path, self.headers.get("Range")))
            if path.startswith("api/models/"):
                return self.list_files("/".join(path.split("/")[2:4]))
            repo, _, rest = path.partition("/resolve/")
            name = rest.partition("/")[2]
            if repo in hub.gated:
                return self.refuse(403, "GatedRepo")
            if not any(one == repo for one, _ in hub.files):
                return self.refuse(401, "RepoNotFound")
            if (repo, name) not in hub.files:
                return self.refuse(404, "EntryNotFound")
            self.send_file(hub.files[repo, name], name=name, with_body=with_body)

        def list_files(self, repo: str) -> None:
            found = [
                {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                for (one, name), content in hub.files.items()
                if one == repo
            ]
            self.send(200, {"Content-Type": "application/json"}, json.dumps(found).encode())

        def refuse(self, status: int, code: str) -> None:
            self.send(status, {"X-Error-Code": code, "X-Error-Message": code}, b"")

        def send_file(self, content: bytes, *, name: str, with_body: bool) -> None:
            checksum = hashlib.sha256(content + (b"?" if name in hub.wrong_checksum else b"")).hexdigest()
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{checksum}"', "Accept-Ranges": "bytes"}
            wanted = self.headers.get("Range")
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            body = content[start:]
            if wanted:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            headers["Content-Length"] = str(len(body))
            self.send_head(206 if wanted else 200, headers)
            if with_body:
                end = hub.cuts.pop(0) if hub.cuts else None
                self.wfile.write(body[:end])
                if end is not None:
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)

        def send_head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()

        def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_head(status, headers | {"Content-Length": str(len(body))})
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
