"""The HTTP edge of ``web``: sockets, threads and limits, and nothing that knows what a crate is.

HTTP/1.1 with connections that stay open.  There is no TLS: whoever needs it puts a proxy in front.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from patchbot.errors import EnvironmentProblem, UsageError
from patchbot.registry.serving import web
from patchbot.registry.serving.exchange import Reply, Request

MAX_UPLOAD = 64 * 1024 * 1024  # crates.io takes 10 MB; forks are stored without compression
_MAX_BODY = 1024 * 1024  # of anything but an upload
_UPLOADS = 4  # in memory at once; others wait
_PATIENCE = 60  # seconds for a client to say something
_FAREWELL = 10  # seconds for answers that are on their way when the server stops

Log = Callable[[str], None]


class Server:
    """A registry on a socket, from ``with`` to its end.  ``site`` is made of the address that it got."""

    def __init__(
        self,
        host: str,
        port: int,
        site: Callable[[str], web.Site],
        *,
        max_upload: int = MAX_UPLOAD,
        log: Log = lambda _: None,
    ) -> None:
        address = _address(host)
        try:
            self._http = _Listener(address, port)
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot listen: {error.strerror}",
                where=f"{host}:{port}",
                hint="is another server there?  --port 0 takes a port that is free",
            ) from None
        bracketed = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
        self.address = f"http://{bracketed}:{self._http.server_port}"
        self._http.site = site(self.address)
        self._http.max_upload = max_upload
        self._http.log = log
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="registry")

    @property
    def site(self) -> web.Site:
        """What is served."""
        return self._http.site

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; answers that are on their way are given before connections are closed."""
        self._http.closing = True
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._http.work.wait_until_done(_FAREWELL)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise UsageError(
            f"{host!r} is no address", hint="127.0.0.1, ::1, or 0.0.0.0 for everybody who has the token"
        ) from None


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone; raise ``UsageError`` if it is none."""
    return _address(host).is_loopback


def is_unspecified(host: str) -> bool:
    """Whether an address means all that this machine has, so that nobody can be sent to it."""
    return _address(host).is_unspecified


class _Work:
    """Counts the requests that are being answered."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait_until_done(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0, seconds)


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128  # else the sixth client at once waits a second for the kernel
    daemon_threads = True  # a client that keeps its connection open does not keep the server alive

    closing = False
    site: web.Site
    max_upload: int
    log: Log

    def __init__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
        self.address_family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004 - IPv6
        self.work = _Work()
        self.uploads = threading.BoundedSemaphore(_UPLOADS)
        super().__init__((str(address), port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking the network what this machine is called, as the base class does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away; ``_Handler`` answers for what is ours."""


class _Refused(Exception):  # noqa: N818 - carries a reply
    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    server_version = "patchbot"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_PUT = do_DELETE = do_POST = do_PATCH = do_OPTIONS = do_GET  # noqa: N815 - the base class's names

    def handle_expect_100(self) -> bool:
        """Say "go on" only once the head has been judged."""
        return True

    def _answer(self) -> None:
        refused = False
        with self.server.work:
            try:
                reply = self._judged()
            except _Refused as told:
                reply, refused = told.reply, True
                self.close_connection = True  # what stands in the pipe was not read to its end
            self._send(reply)
        if refused:
            self._drain()

    def _judged(self) -> Reply:
        if self.server.closing:
            raise _Refused(web.failed(503, "the registry is being stopped"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers)
        length = self._length(self.server.max_upload if web.is_upload(request) else _MAX_BODY)
        refused = web.refuse(self.server.site, request)
        if refused is not None:
            if length:
                raise _Refused(refused)
            return refused
        if length <= _MAX_BODY:
            return self._heard(request, length)
        with self.server.uploads:
            return self._heard(request, length)

    def _heard(self, request: Request, length: int) -> Reply:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()
            self.wfile.flush()
        body = self.rfile.read(length) if length else b""
        if len(body) < length:
            raise _Refused(web.failed(400, f"{length - len(body)} bytes of the request are missing"))
        try:
            return web.answer(
                self.server.site, Request(request.method, request.target, request.headers, body)
            )
        except Exception as error:  # noqa: BLE001 - one request must not take the server with it
            self.server.log(f"bug: {request.method} {request.target}: {error!r}")
            return web.failed(500, "a bug in patchbot; its output says more")

    def _length(self, most: int) -> int:
        """Return how long the body is; a length that two readers could understand in two ways is refused."""
        said = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers:
            raise _Refused(web.failed(411, "the length of the request must be said"))
        if not said:
            return 0
        if len(said) > 1 or re.fullmatch("[0-9]{1,15}", said[0]) is None:
            raise _Refused(web.failed(400, "Content-Length is no length"))
        length = int(said[0])
        if length > most:
            detail = f"the request has {length} bytes, and this registry takes {most}"
            raise _Refused(web.failed(413, detail))
        return length

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()

    def _drain(self) -> None:
        """Read what a refused client still sends: closing at once would destroy the answer on its way to it."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(1)
        until = time.monotonic() + 5
        try:
            while time.monotonic() < until and self.rfile.read1(65536):
                pass
        except OSError:
            pass  # the client has gone

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - the base class has it
        """Tell what is no HTTP in the words of all other answers."""
        self.close_connection = True
        self.command = getattr(self, "command", None) or "GET"
        self._send(web.failed(code, message or HTTPStatus(code).phrase))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002 - likewise
        """Log a line per request: never a header, since one of them is the token."""
        self.server.log(f"{int(code)} {self.requestline}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        self.server.log(format % args)
