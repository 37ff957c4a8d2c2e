"""A registry on loopback that keeps crates in memory, counts what it is sent, and fails as it is told to.

Real HTTP: a sparse index, downloads, and cargo's web API.  Faults are given once each, to the requests that
they are for; ``stored`` counts how often each crate was taken, and nothing may be taken twice.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from patchbot.model import IndexEntry, index_path
from patchbot.registry.remote import resolving
from patchbot.registry.remote.pacing import RealClock

NOW = 1_700_000_000.0
JSON = {"Content-Type": "application/json"}


class Scaled(RealClock):
    """A clock on which waiting takes a thousandth of its time, and which shows as if it took all.

    What else takes time takes no more of it: a machine that is busy makes no difference.
    """

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._skipped = 0.0
        self._lock = threading.Lock()
        self.waits: list[float] = []

    def now(self) -> float:
        return NOW + time.monotonic() - self._start + self._skipped

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.waits.append(seconds)
        until = self.now() + seconds
        stopped = stop.wait(seconds / 1000)
        with self._lock:
            self._skipped += max(0.0, until - self.now())
        return stopped


class Still:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.time += seconds
        return stop.is_set()


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    ``stored`` does what was asked all the same, ``half`` stores the bytes and lists nothing; ``reply`` False says
    nothing and closes the connection; ``read`` is how much of the body is read before the connection is reset,
    None for all of it.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stored: bool = False
    half: bool = False
    reply: bool = True
    read: int | None = None
    cut: int | None = None  # bytes of a longer body that are served
    change: Callable[[bytes], bytes] | None = None  # of a download


def errors(*details: str) -> bytes:
    return json.dumps({"errors": [{"detail": detail} for detail in details]}).encode()


@dataclass
class _Version:
    line: dict[str, Any]
    data: bytes
    since: float  # when it was taken, by the clock


class Faulty:
    """The registry.  ``lag`` is how many seconds of the clock its index takes to show something."""

    def __init__(self, *, clock: RealClock | None = None) -> None:
        self.clock = clock or RealClock()
        self.token: str | None = "secret-token-of-the-test"  # noqa: S105 - a test's
        self.auth_required = False
        self.lag = 0.0
        self.overwrites = False
        self.mixes_up = False  # the name of a dependency, and what its crate calls it
        self.checks_dependencies = True
        self.forgets = ""  # a key of index lines
        self.keeps_halves = False  # says that it has what it has stored and does not list
        self.stored: Counter[str] = Counter()
        self.puts: Counter[str] = Counter()
        self.uploads: list[tuple[dict[str, Any], bytes, dict[str, str]]] = []  # JSON, crate, headers
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.order: list[str] = []  # names, as they were taken
        self.most_at_once = 0
        self.delay = 0.0  # real seconds that an upload takes
        self.on_step: Callable[[str], None] = lambda _: None
        self._faults: dict[tuple[str, str], list[Fault]] = defaultdict(list)
        self._crates: dict[str, dict[str, _Version]] = {}
        self._halves: dict[tuple[str, str], bytes] = {}
        self._at_once = 0
        self._lock = threading.RLock()
        handler = type("Handler", (_Handler,), {"registry": self})
        self._http = _Listener(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def index(self) -> str:
        return f"sparse+{self.url}/index/"

    def fault(self, what: str, name: str, *faults: Fault) -> None:
        """Let requests fail: ``what`` is upload, index, download, yank or config; ``*`` is any crate."""
        self._faults[what, name] += faults

    def take(self, what: str, name: str) -> Fault | None:
        with self._lock:
            for key in ((what, name), (what, "*")):
                if self._faults[key]:
                    return self._faults[key].pop(0)
            return None

    def left(self) -> list[tuple[str, str]]:
        """Return what no request has met."""
        return [key for key, faults in self._faults.items() if faults]

    def add(self, entry: IndexEntry, data: bytes, **line: Any) -> None:  # noqa: ANN401 - any key
        """Hold a crate, however it came."""
        version = _Version({**entry.to_json(), **line}, data, 0.0)
        self._crates.setdefault(entry.name.lower(), {})[entry.version] = version

    def forget(self) -> None:
        """Lose everything."""
        self._crates.clear()
        self.stored.clear()

    def lines(self, name: str) -> list[dict[str, Any]]:
        with self._lock:
            return [version.line for version in self._crates.get(name.lower(), {}).values()]

    # -- what it does ---------------------------------------------------------------------------------

    def store(self, metadata: dict[str, Any], data: bytes) -> tuple[int, bytes]:
        name, version = metadata["name"], metadata["vers"]
        with self._lock:
            known = self._crates.setdefault(name.lower(), {})
            if version in known and not self.overwrites:
                return 200, errors(f"crate version `{version}` is already uploaded")
            if (name, version) in self._halves and self.keeps_halves:
                return 200, errors(f"crate {name} {version} exists")
            lacking = [
                d["name"] for d in metadata["deps"] if "registry" not in d and not self._visible(d["name"])
            ]
            if lacking and self.checks_dependencies:
                return 200, errors(f"no known crate named `{lacking[0]}`")
            self.stored[f"{name} {version}"] += 1
            self.order.append(name)
            line = index_line(metadata, hashlib.sha256(data).hexdigest())
            if self.mixes_up:
                line["deps"] = [
                    {**d, "name": d.get("package", d["name"]), "package": d["name"]} for d in line["deps"]
                ]
            if self.forgets:
                line[self.forgets] = None
            known[version] = _Version(line, data, self.clock.now())
        return 200, json.dumps(
            {"warnings": {"invalid_categories": [], "invalid_badges": [], "other": []}}
        ).encode()

    def store_half(self, metadata: dict[str, Any], data: bytes) -> None:
        with self._lock:
            self._halves[metadata["name"], metadata["vers"]] = data

    def _visible(self, name: str) -> dict[str, _Version]:
        now = self.clock.now()
        crate = self._crates.get(name.lower(), {})
        return {
            key: version
            for key, version in crate.items()
            if not version.since or now >= version.since + self.lag
        }

    def index_file(self, path: str) -> bytes | None:
        with self._lock:
            name = path.rpartition("/")[2]
            found = self._visible(name)
            if not found or path != index_path(name):
                return None
            return b"".join(json.dumps(v.line).encode() + b"\n" for v in found.values())

    def download(self, name: str, version: str) -> bytes | None:
        with self._lock:
            found = self._crates.get(name.lower(), {}).get(version)
            return found.data if found else self._halves.get((name, version))

    def set_yanked(self, name: str, version: str, *, yanked: bool) -> tuple[int, bytes]:
        with self._lock:
            found = self._crates.get(name.lower(), {}).get(version)
            if found is None:
                return 404, errors("no such version")
            found.line["yanked"] = yanked
            self.order.append(f"{'yank' if yanked else 'unyank'} {name}")
        return 200, b'{"ok": true}'

    def enter(self) -> None:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)

    def leave(self) -> None:
        with self._lock:
            self._at_once -= 1


def known_to_cargo(registry: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let cargo know a registry as mine, and be no cargo that would ask crates.io for third parties."""
    monkeypatch.setenv("CARGO_REGISTRIES_MINE_INDEX", registry.index)
    monkeypatch.setenv("CARGO_REGISTRIES_MINE_TOKEN", registry.token or "")
    monkeypatch.setattr(resolving, "available", lambda: False)


def index_line(metadata: dict[str, Any], sha256: str) -> dict[str, Any]:
    """Make an index line of an upload, as the cargo book describes it ("Web API", Publish)."""
    deps = []
    for dep in metadata["deps"]:
        alias = dep.get("explicit_name_in_toml")
        line = {
            "name": alias or dep["name"],
            "req": dep["version_req"],
            **{key: dep[key] for key in ("features", "optional", "default_features", "target", "kind")},
        }
        if alias:
            line["package"] = dep["name"]
        if dep.get("registry"):
            line["registry"] = dep["registry"]
        deps.append(line)
    return {
        "name": metadata["name"],
        "vers": metadata["vers"],
        "deps": deps,
        "cksum": sha256,
        "features": metadata["features"],
        "yanked": False,
        "links": metadata["links"],
        "rust_version": metadata["rust_version"],
        "v": 2,
    }


class _Listener(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that are killed leave broken connections; that is what the tests are about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    registry: Faulty
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._note("GET")
        parts = self.path.strip("/").split("/")
        if self.registry.auth_required and not self._authorized():
            return self._reply(401, errors("token needed"))
        if parts[0] == "index":
            path = "/".join(parts[1:])
            what, name = ("config", "*") if path == "config.json" else ("index", parts[-1])
            body = self._config() if what == "config" else self.registry.index_file(path)
        else:
            what, name = "download", parts[1]
            body = self.registry.download(name, parts[2])
        fault = self.registry.take(what, name)
        if fault is None:
            return self._reply(200 if body is not None else 404, body or b"")
        if not fault.reply:
            return self._reset()
        if fault.change is not None and body is not None:
            return self._reply(200, fault.change(body))
        if fault.cut is not None and body is not None:
            return self._reply(200, body[: fault.cut], promised=len(body))
        return self._reply(fault.status, fault.body, fault.headers)

    def _config(self) -> bytes:
        config = {"dl": f"{self.registry.url}/dl", "api": self.registry.url}
        return json.dumps({**config, "auth-required": self.registry.auth_required}).encode()

    def do_PUT(self) -> None:
        if self.path.endswith("/unyank"):
            return self._yank(yanked=False)
        self._note("PUT")
        self.registry.enter()
        try:
            self._upload()
        finally:
            self.registry.leave()

    def do_DELETE(self) -> None:
        self._yank(yanked=True)

    def _upload(self) -> None:
        length = int(self.headers["Content-Length"])
        head = self.rfile.read(4)
        size = struct.unpack("<I", head)[0]
        metadata = json.loads(self.rfile.read(size))
        name = metadata["name"]
        self.registry.puts[f"{name} {metadata['vers']}"] += 1
        fault = self.registry.take("upload", name)
        if fault is not None and fault.read is not None:
            self.rfile.read(fault.read)
            return self._reset()
        rest = self.rfile.read(length - 4 - size)
        data = rest[4:]
        assert struct.unpack("<I", rest[:4])[0] == len(data)
        self.registry.uploads.append((metadata, data, dict(self.headers)))
        time.sleep(self.registry.delay)
        self.registry.on_step("received")
        if not self._authorized():
            return self._reply(403, errors("the token is invalid or has expired"))
        if fault is None:
            status, body = self.registry.store(metadata, data)
            self.registry.on_step("stored")
            return self._reply(status, body)
        if fault.stored:
            self.registry.store(metadata, data)
        if fault.half:
            self.registry.store_half(metadata, data)
        if not fault.reply:
            return self._reset()
        return self._reply(fault.status, fault.body, fault.headers)

    def _yank(self, *, yanked: bool) -> None:
        self._note("DELETE" if yanked else "PUT")
        *_, name, version, _ = self.path.split("/")
        if not self._authorized():
            return self._reply(403, errors("no"))
        fault = self.registry.take("yank", name)
        if fault is None or fault.stored:
            status, body = self.registry.set_yanked(name, version, yanked=yanked)
            if fault is None:
                return self._reply(status, body)
        if not fault.reply:
            return self._reset()
        return self._reply(fault.status, fault.body, fault.headers)

    def _authorized(self) -> bool:
        return self.registry.token is None or self.headers["Authorization"] == self.registry.token

    def _note(self, method: str) -> None:
        self.registry.requests.append((method, self.path, dict(self.headers)))
        self.registry.on_step("asked")

    def _reply(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, promised: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**JSON, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        if promised is not None:
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        self.registry.on_step("replied")

    def _reset(self) -> None:
        """Close the connection so that the client sees it reset (SO_LINGER with no time)."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
