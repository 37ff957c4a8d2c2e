"""A sparse registry on loopback: real HTTP, with answers that a test scripts."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from support import crates


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """What it is told; ``promised`` is a Content-Length that the body does not keep."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int | None = None


Answer = Reply | Callable[[Request], Reply]


class Server:
    """Answers by path; of several answers each is given once and the last for ever.  404 for the rest."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._answers: dict[str, list[Answer]] = {}
        self._lines: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                reply = server.reply(Request(self.path, dict(self.headers)))
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                length = len(reply.body) if reply.promised is None else reply.promised
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None:
                pass

        class Listener(http.server.ThreadingHTTPServer):
            request_queue_size = 128  # else the sixth client at once waits a second for the kernel

        self._http = Listener(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening: whoever connects from now on is refused."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        """The address of the server, with the last slash."""
        return f"http://127.0.0.1:{self._http.server_port}/"

    @property
    def index(self) -> str:
        """The address of the index as patchbot.toml spells it."""
        return f"sparse+{self.url}index/"

    def answer(self, path: str, *answers: Answer) -> None:
        """Say what is answered for a path."""
        with self._lock:
            self._answers[path] = list(answers)

    def reply(self, request: Request) -> Reply:
        """Return the next answer for a request."""
        with self._lock:
            self.requests.append(request)
            answers = self._answers.get(request.path, [Reply(404)])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer if isinstance(answer, Reply) else answer(request)

    def asked(self, path: str) -> list[Request]:
        """Return the requests for a path."""
        with self._lock:
            return [request for request in self.requests if request.path == path]

    def config(self, **keys: object) -> None:
        """Answer ``config.json`` with the usual download address; ``keys`` adds or replaces."""
        data = {"dl": f"{self.url}dl", **keys}
        self.answer("/index/config.json", Reply(body=json.dumps(data).encode()))

    def publish(
        self,
        name: str,
        version: str,
        dependencies: list[dict[str, Any]] | None = None,
        *,
        path: str | None = None,
        **line: Any,  # noqa: ANN401 - any key of an index line
    ) -> bytes:
        """Publish a crate as crates.io does; return its bytes."""
        data = crates.crate(name, version, {"src/lib.rs": f"// {name} {version}\n"}, path=path)
        lines = self._lines.setdefault(name, [])
        lines.append(crates.index_line(name, version, data, dependencies, **line))
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.answer(index_address(name), tagged(body))
        self.answer(f"/dl/{name}/{version}/download", Reply(body=data))
        return data


def tagged(body: bytes) -> Answer:
    """Answer with an ``ETag``, and 304 to whoever has the body already."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'

    def answer(request: Request) -> Reply:
        if request.headers.get("If-None-Match") == etag:
            return Reply(304, headers={"ETag": etag})
        return Reply(body=body, headers={"ETag": etag})

    return answer


def index_address(name: str) -> str:
    """Return the path of a crate of four letters or more."""
    return f"/index/{name[:2]}/{name[2:4]}/{name}"
