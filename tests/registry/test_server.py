from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from registry import sent
from registry.test_local import assert_whole, made

from patchbot.errors import EnvironmentProblem, UsageError
from patchbot.registry.local import LocalRegistry
from patchbot.registry.serving import server, web
from patchbot.registry.serving.exchange import Reply
from patchbot.registry.serving.server import Server, is_loopback

NEW = "/api/v1/crates/new"
TOKEN = "sesame"  # noqa: S105 - of a test


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    registry = LocalRegistry(tmp_path / "registry")
    registry.publish([made("other")])
    return registry


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def running(registry: LocalRegistry, log: list[str]) -> Iterator[Server]:
    with serving(registry, log) as server:
        yield server


def serving(
    registry: LocalRegistry, log: list[str], *, host: str = "127.0.0.1", most: int = 100_000
) -> Server:
    def site(address: str) -> web.Site:
        return web.Site(registry=registry, base=address, index=sent.OWN[0], unpack=sent.unpack, token=TOKEN)

    return Server(host, 0, site, max_upload=most, log=log.append)


def connection(running: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(running.address.removeprefix("http://"), timeout=10)


def ask(
    running: Server, method: str, target: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    client = connection(running)
    try:
        client.request(method, target, body, headers)
        reply = client.getresponse()
        return reply.status, reply.read()
    finally:
        client.close()


def raw(running: Server, *parts: bytes, half_close: bool = False) -> bytes:
    """Say exactly these bytes and return all that is answered."""
    host, _, port = running.address.removeprefix("http://").rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), 10) as client:
        for part in parts:
            client.sendall(part)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def upload(name: str = "small") -> bytes:
    return sent.body(sent.metadata(name), sent.crate(name))


def test_a_crate_goes_in_and_out(running: Server) -> None:
    assert ask(running, "PUT", NEW, upload(), Authorization=TOKEN)[0] == 200
    assert ask(running, "GET", "/crates/small/small-1.0.0.crate") == (200, sent.crate())
    assert json.loads(ask(running, "GET", "/index/config.json")[1])["api"] == running.address


def test_one_connection_serves_many_requests(running: Server) -> None:
    client = connection(running)
    client.connect()
    first = client.sock
    for target, wanted in (("/index/ot/he/other", 200), ("/index/no/bo/nobody", 404), ("/me", 200)):
        client.request("GET", target)
        reply = client.getresponse()
        assert (reply.status, reply.version) == (wanted, 11)
        reply.read()
    client.request("PUT", NEW, upload(), {"Authorization": TOKEN})
    assert client.getresponse().read()
    client.request("GET", "/index/ot/he/other")
    etag = client.getresponse()
    etag.read()
    client.request("GET", "/index/ot/he/other", headers={"If-None-Match": str(etag.headers["ETag"])})
    fresh = client.getresponse()
    assert (fresh.status, fresh.read()) == (304, b"")
    assert client.sock is first
    client.close()


def test_a_head_has_a_length_and_no_body(running: Server) -> None:
    both = b"".join(
        f"{line} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode()
        for line, more in (("HEAD /crates/other/other-1.0.0.crate", ""), ("GET /me", "Connection: close\r\n"))
    )
    first, second = raw(running, both).split(b"\r\n\r\n", 1)
    assert f"Content-Length: {len(made('other').data)}".encode() in first
    assert second.startswith(b"HTTP/1.1 200 ")


def test_the_log_has_every_request_and_no_token(running: Server, log: list[str]) -> None:
    ask(running, "PUT", NEW, upload(), Authorization=TOKEN)
    ask(running, "PUT", NEW, upload("more"), Authorization="wrong-one")
    assert [line.split()[:2] for line in log] == [["200", "PUT"], ["401", "PUT"]]
    assert not any(TOKEN in line or "wrong-one" in line for line in log)


# -- bad clients -------------------------------------------------------------------------------------


def head(*lines: str, target: str = NEW, method: str = "PUT") -> bytes:
    return "\r\n".join(
        [f"{method} {target} HTTP/1.1", "Host: x", f"Authorization: {TOKEN}", *lines, "", ""]
    ).encode()


def test_a_body_that_ends_early_is_told_and_leaves_nothing(running: Server, registry: LocalRegistry) -> None:
    body = upload()
    answer = raw(running, head(f"Content-Length: {len(body)}"), body[:-5], half_close=True)
    assert status(answer) == 400
    assert b"5 bytes of the request are missing" in answer
    assert set(registry.everything()) == {("other", "1.0.0")}
    assert not list(registry.folder.rglob(".new-*"))


def test_a_body_that_is_longer_than_it_says_is_not_believed(running: Server, registry: LocalRegistry) -> None:
    body = upload()
    answer = raw(running, head(f"Content-Length: {len(body) - 5}", "Connection: close"), body)
    assert status(answer) == 400
    assert set(registry.everything()) == {("other", "1.0.0")}


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["Content-Length: 100001"], 413), (["Content-Length: 99999999999999999999"], 400),
        (["Content-Length: -1"], 400), (["Content-Length: ten"], 400), (["Content-Length: +4"], 400),
        (["Content-Length: 4", "Content-Length: 5"], 400), (["Transfer-Encoding: chunked"], 411),
        (["Transfer-Encoding: chunked", "Content-Length: 4"], 411), ([], 400),
    ],
)  # fmt: skip
def test_a_length_that_cannot_be_is_refused_and_the_connection_closed(
    running: Server, lines: list[str], wanted: int
) -> None:
    extra = ["Connection: close"] if lines == [] else []  # that one is merely an empty upload
    assert status(raw(running, head(*lines, *extra), half_close=False)) == wanted


def test_only_an_upload_may_be_long(registry: LocalRegistry, log: list[str]) -> None:
    most = 2 * 1024 * 1024
    long = f"Content-Length: {most}"
    with serving(registry, log, most=most) as running:
        assert status(raw(running, head(long, target="/api/v1/crates/other/owners"))) == 413
        assert status(raw(running, f"GET /me HTTP/1.1\r\nHost: x\r\n{long}\r\n\r\n".encode())) == 413
        assert ask(running, "PUT", NEW, b"x" * most, Authorization=TOKEN)[0] == 400


def test_a_client_that_sends_everything_gets_its_refusal(running: Server) -> None:
    """Closing while bytes arrive would reset the connection and destroy the answer."""
    code, body = ask(running, "PUT", NEW, b"x" * 90_000, Authorization="wrong")
    assert code == 401
    assert b"the token is not the right one" in body
    code, _ = ask(running, "PUT", NEW, b"x" * 5_000_000, Authorization=TOKEN)
    assert code == 413


def test_a_client_that_asks_first_is_told_before_it_sends(running: Server) -> None:
    body = upload()
    expects = ("Expect: 100-continue", "Connection: close", f"Content-Length: {len(body)}")
    answer = raw(running, head(*expects), body)
    assert answer.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 200 " in answer
    refused = raw(running, head("Expect: 100-continue", "Content-Length: 100001"))
    assert status(refused) == 413


@pytest.mark.parametrize(
    "words",
    [b"\r\n\r\n", b"GET\r\n\r\n", b"nonsense and more of it\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
     b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
     b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"\x16\x03\x01\x02\x00"],
    ids=range(8),
)  # fmt: skip
def test_what_is_no_http_harms_nobody(running: Server, words: bytes) -> None:
    raw(running, words, half_close=True)
    assert ask(running, "GET", "/me")[0] == 200


def test_a_bug_answers_one_request_and_the_server_lives(
    running: Server, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Reply:
        raise RuntimeError("oh no")

    with monkeypatch.context() as patch:
        patch.setattr(web, "answer", broken)
        code, body = ask(running, "GET", "/me")
    assert code == 500
    assert b"oh no" not in body
    assert "bug: GET /me: RuntimeError('oh no')" in log
    assert ask(running, "GET", "/me")[0] == 200


# -- many at once, start and end ---------------------------------------------------------------------


def test_many_clients_publish_and_read_at_once(running: Server, registry: LocalRegistry) -> None:
    codes: dict[str, list[int]] = {}

    def client(number: int) -> None:
        name = f"crate{number % 10}"
        code, _ = ask(running, "PUT", NEW, upload(name), Authorization=TOKEN)
        if ask(running, "GET", f"/crates/{name}/{name}-1.0.0.crate") == (200, sent.crate(name)):
            codes.setdefault(name, []).append(code)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {name: sorted(got) for name, got in codes.items()} == {
        f"crate{n}": [200, 409, 409] for n in range(10)
    }
    assert_whole(registry, tuple(made(f"crate{n}") for n in range(10)))


def test_an_upload_on_its_way_is_finished_before_the_server_stops(
    registry: LocalRegistry, log: list[str]
) -> None:
    body = upload()
    with serving(registry, log) as running:
        host, _, port = running.address.removeprefix("http://").rpartition(":")
        client = socket.create_connection((host, int(port)), 10)
        client.sendall(head(f"Content-Length: {len(body)}") + body[:-5])
        until = time.monotonic() + 5
        while not running._http.work._count and time.monotonic() < until:
            time.sleep(0.01)
        rest = threading.Timer(0.3, lambda: client.sendall(body[-5:]))
        rest.start()
    assert ("small", "1.0.0") in registry.everything()
    assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    client.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 1)


def test_an_idle_client_does_not_keep_the_server(registry: LocalRegistry, log: list[str]) -> None:
    with serving(registry, log) as running:
        client = connection(running)
        client.request("GET", "/me")
        client.getresponse().read()
        started = time.monotonic()
    assert time.monotonic() - started < 5
    client.request("GET", "/me")
    assert client.getresponse().status == 503
    client.close()


def test_a_port_that_is_taken_is_told(running: Server, registry: LocalRegistry) -> None:
    port = int(running.address.rpartition(":")[2])
    with pytest.raises(EnvironmentProblem, match="cannot listen") as told:
        Server("127.0.0.1", port, lambda _: running.site)
    assert "--port 0" in str(told.value.hint)


def test_addresses_of_both_kinds(registry: LocalRegistry, log: list[str]) -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("localhost")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")  # noqa: S104 - asked, not bound
    assert not is_loopback("::")
    with pytest.raises(UsageError, match="is no address"):
        is_loopback("example.com")
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with serving(registry, log, host="::1") as running:
            assert running.address.startswith("http://[::1]:")
            assert ask(running, "GET", "/me")[0] == 200
    except EnvironmentProblem:
        pytest.skip("no IPv6 loopback here")


def test_without_a_token_a_foreign_name_is_refused(registry: LocalRegistry) -> None:
    def site(address: str) -> web.Site:
        return web.Site(registry=registry, base=address, index=sent.OWN[0], unpack=sent.unpack)

    with server.Server("127.0.0.1", 0, site) as running:
        assert ask(running, "GET", "/me", Host="evil.example")[0] == 403
        assert ask(running, "GET", "/me")[0] == 200
        assert replace(running.site, token=TOKEN).token == TOKEN
