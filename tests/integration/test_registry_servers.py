"""Real registry servers: a whole release published, interrupted, resumed, used, and yanked where they can do that.

With authentication on kellnr (``cargo install --locked kellnr@6.6.0``) where it is on PATH, and patchbot's own.
cargo-http-registry (``cargo install --locked cargo-http-registry@0.1.8``), where it is on PATH, has neither tokens
nor yanks, and a git index.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from integration.conftest import Done, Project

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no cargo"),
]

RELEASE = "8.0.1"
# the git inside cargo (libgit2) cannot read a repository that is plain files over HTTP
WITH_CLI = {"CARGO_NET_GIT_FETCH_WITH_CLI": "true"}
TOKEN = "CARGO_REGISTRIES_REAL_TOKEN"  # noqa: S105 - a variable's name


@dataclass(frozen=True)
class Kind:
    """How a server is started, where its index is, and what it can do.

    ``repository`` is the folder of a git index; ``halves`` is where crates stay of which the index says nothing and
    that nobody can send again.
    """

    index: str
    settings: dict[str, str]
    argv: list[str]
    ready: str
    yanks: bool = True
    repository: Path | None = None
    halves: Path | None = None


@dataclass
class Server:
    """A server of this test, and a project that publishes to it."""

    kind: Kind
    token: str
    project: Project

    @property
    def index(self) -> str:
        return self.kind.index

    @property
    def environment(self) -> dict[str, str]:
        named = {"CARGO_REGISTRIES_REAL_INDEX": self.index, TOKEN: self.token}
        return {**self.project.environment(), **named, **WITH_CLI}

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "patchbot", *argv],
            cwd=self.project.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *argv: str, code: int = 0) -> Done:
        """Run patchbot; its words never have the token in them."""
        process = self.start(*argv)
        out, err = process.communicate(timeout=900)
        assert self.token not in out + err
        assert process.returncode == code, err
        return Done(process.returncode, out, err)

    def line(self, name: str) -> dict[str, object] | None:
        """Return what the index says of a fork, None if it says nothing."""
        path = f"{name[:2]}/{name[2:4]}/{name}"
        if self.kind.repository is not None:
            found = subprocess.run(
                ["git", "show", f"HEAD:{path}"], cwd=self.kind.repository, capture_output=True, check=False
            )
            (line,) = found.stdout.splitlines() or [b"null"]  # a second line would be a second upload
            return json.loads(line)  # type: ignore[no-any-return]
        url = self.index.removeprefix("sparse+") + path
        request = urllib.request.Request(url, headers={"Authorization": self.token})  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - loopback
                return json.loads(reply.read().splitlines()[-1])  # type: ignore[no-any-return]
        except urllib.error.HTTPError:
            return None


def kellnr(folder: Path, token: str) -> Kind:
    """A kellnr that wants a token for everything."""
    if shutil.which("kellnr") is None:
        pytest.skip("kellnr is not on PATH")
    port = free_port()
    settings = {
        "KELLNR_REGISTRY__DATA_DIR": str(folder / "data"),
        "KELLNR_LOCAL__IP": "127.0.0.1",
        "KELLNR_LOCAL__PORT": str(port),
        "KELLNR_ORIGIN__HOSTNAME": "127.0.0.1",
        "KELLNR_ORIGIN__PORT": str(port),
        "KELLNR_SETUP__ADMIN_TOKEN": token,
        "KELLNR_REGISTRY__AUTH_REQUIRED": "true",
    }
    index = f"http://127.0.0.1:{port}/api/v1/crates/"
    # of an upload whose connection ends in the middle, 6.6.0 may keep the file and refuse it from then on
    halves = folder / "data" / "crates"
    return Kind(f"sparse+{index}", settings, ["kellnr", "start"], f"{index}config.json", halves=halves)


def own(folder: Path, token: str) -> Kind:
    """``patchbot serve``, with the same."""
    port = free_port()
    (folder / "patchbot.toml").write_text("")
    words = ["serve", "--project", str(folder), "--port", str(port), "--auth-required"]
    argv = [sys.executable, "-m", "patchbot", *words]
    index = f"http://127.0.0.1:{port}/index/"
    return Kind(f"sparse+{index}", {"PATCHBOT_SERVE_TOKEN": token}, argv, f"{index}config.json")


def git_index(folder: Path, token: str) -> Kind:
    """A cargo-http-registry, which takes any token."""
    if shutil.which("cargo-http-registry") is None:
        pytest.skip("cargo-http-registry is not on PATH")
    port = free_port()
    argv = ["cargo-http-registry", "data", "--addr", f"127.0.0.1:{port}"]
    url = f"http://127.0.0.1:{port}/git"
    return Kind(url, {}, argv, f"{url}/info/refs", yanks=False, repository=folder / "data")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


GUARDED = [pytest.param(kellnr, id="kellnr"), pytest.param(own, id="patchbot serve")]
GIT = pytest.param(git_index, id="cargo-http-registry")


@pytest.fixture(params=[*GUARDED, GIT])
def server(real: Project, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    token = secrets.token_hex(16)
    kind: Kind = request.param(tmp_path, token)
    with (
        (tmp_path / "server.log").open("wb") as log,
        subprocess.Popen(
            kind.argv, env={**os.environ, **kind.settings}, cwd=tmp_path, stdout=log, stderr=log
        ) as process,
    ):
        try:
            _until_ready(kind.ready, token)
            yield Server(kind, token, real)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _until_ready(url: str, token: str) -> None:
    until = time.monotonic() + 60
    while True:
        request = urllib.request.Request(url, headers={"Authorization": token})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - loopback
                return
        except OSError:
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.2)


def consumer(server: Server, folder: Path, canonical: str) -> Path:
    """A user's program, whose registry is said to be this server."""
    (folder / "src").mkdir(parents=True)
    (folder / ".cargo").mkdir()
    (folder / "Cargo.toml").write_text(
        '[package]\nname = "user"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n\n[dependencies]\n'
        f'wasmtime-v8-0-1 = {{ version = "{RELEASE}", registry = "patchbot", default-features = false }}\n'
    )
    (folder / "src" / "main.rs").write_text(
        'fn main() {\n    println!("{:?}", wasmtime_v8_0_1::ValType::I32);\n}\n'
    )
    (folder / ".cargo" / "config.toml").write_text(
        f'[registries.patchbot]\nindex = "{canonical}"\n'
        f'[source.patchbot]\nregistry = "{canonical}"\nreplace-with = "real"\n'
        f'[registries.real]\nindex = "{server.index}"\ncredential-provider = ["cargo:token"]\n'
    )
    return folder


def cargo(server: Server, folder: Path, *words: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["cargo", *words],
        cwd=folder,
        env={**os.environ, TOKEN: server.token, "CARGO_HOME": str(home), **WITH_CLI},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def test_a_release_goes_there_and_back(server: Server, tmp_path: Path) -> None:
    plan = json.loads(server.run("publish", RELEASE, "--registry", "real", "--dry-run", "--json").out)
    names = [row["name"] for row in plan["crates"]]
    assert len(names) > 5
    assert {row["action"] for row in plan["crates"]} == {"upload"}
    assert not any(map(server.line, names))

    # killed as soon as the first crate is there
    child = server.start("publish", RELEASE, "--registry", "real")
    until = time.monotonic() + 120
    while not any(map(server.line, names)):
        assert child.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    there = [name for name in names if server.line(name)]
    assert 0 < len(there) < len(names), "it was killed in the middle"
    if server.kind.halves is not None:
        time.sleep(2)  # it may be at work on one yet
        for name in names:
            if server.line(name) is None:
                (server.kind.halves / f"{name}-{RELEASE}.crate").unlink(missing_ok=True)

    done = json.loads(server.run("publish", RELEASE, "--registry", "real", "--json").out)["done"]
    assert done["resolved_by_cargo"] is True
    assert done["uploaded"] + done["kept"] == len(names)
    assert done["kept"] >= len(there)
    for row in plan["crates"]:
        line = server.line(row["name"])
        assert line is not None
        assert line["cksum"] == row["sha256"]
    started = time.monotonic()
    again = server.run("publish", RELEASE, "--registry", "real")
    assert again.out == f"real: all {len(names)} crates are there already, with the same bytes; 0 uploads\n"
    assert time.monotonic() - started < 10, "a second or two, on a machine that does nothing else"

    user = consumer(server, tmp_path / "user", plan_index(server))
    built = cargo(server, user, "check", "--quiet", home=tmp_path / "home")
    assert built.returncode == 0, built.stderr

    if not server.kind.yanks:
        refused = server.run("yank", RELEASE, "--registry", "real", code=8)
        assert f"refuses to yank wasmtime-v8-0-1 {RELEASE} (" in refused.err
        return
    server.run("yank", RELEASE, "--registry", "real")
    assert all((line := server.line(name)) and line["yanked"] for name in names)
    locked = cargo(server, user, "fetch", "--locked", home=tmp_path / "home-2")
    assert locked.returncode == 0, locked.stderr
    (user / "Cargo.lock").unlink()
    fresh = cargo(server, user, "generate-lockfile", home=tmp_path / "home-2")
    assert "yanked" in fresh.stderr
    assert fresh.returncode != 0
    server.run("yank", RELEASE, "--undo", "--registry", "real")
    assert not any((line := server.line(name)) and line["yanked"] for name in names)
    assert cargo(server, user, "generate-lockfile", home=tmp_path / "home-2").returncode == 0


def plan_index(server: Server) -> str:
    """Return the address that stands in the crates."""
    from patchbot import config as configs

    return configs.load(server.project.folder).registry.index


def test_other_bytes_are_refused(server: Server) -> None:
    server.run("publish", RELEASE, "--registry", "real")
    folder = server.project.folder
    (folder / "patches" / "published.toml").unlink()
    settings = folder / "patchbot.toml"
    before = settings.read_text()
    try:
        settings.write_text(before.replace('mark = "pb"', 'mark = "other"'))
        done = server.run("publish", RELEASE, "--registry", "real", code=8)
        assert "is published as" in done.err
    finally:
        settings.write_text(before)


@pytest.mark.parametrize("server", GUARDED, indirect=True)
def test_a_wrong_token_publishes_nothing(server: Server) -> None:
    right, server.token = server.token, "0" * 32
    done = server.run("publish", RELEASE, "--registry", "real", code=8)
    assert "token" in done.err
    server.token = right
    assert server.line("wasmtime-runtime-v8-0-1") is None


def doctor(server: Server) -> dict[str, dict[str, object]]:
    process = server.start("doctor", "--registry", "real", "--write", "probe", "--json")
    out, err = process.communicate(timeout=300)
    assert server.token not in out + err
    return {row["question"]: row for row in json.loads(out)["findings"]}


@pytest.mark.parametrize("server", GUARDED, indirect=True)
def test_the_doctor_finds_it_well(server: Server) -> None:
    found = doctor(server)
    for question in ("renamed dependencies", "target dependencies", "build dependencies", "yank", "un-yank",
                     "optional and weak dependencies", "the same bytes again", "a wrong token", "publishing"):  # fmt: skip
        assert found[question]["ok"] is True, found[question]
    assert found["reading takes a token"]["answer"] == "yes"


@pytest.mark.parametrize("server", [GIT], indirect=True)
def test_the_doctor_finds_what_a_server_with_a_git_index_lacks(server: Server) -> None:
    found = doctor(server)
    for question in ("git index", "web API", "publishing", "renamed dependencies", "target dependencies",
                     "build dependencies", "optional and weak dependencies", "links keys"):  # fmt: skip
        assert found[question]["ok"] is True, found[question]
    for question in ("the same bytes again", "other bytes under a version", "a wrong token", "yank"):
        assert found[question]["ok"] is False, found[question]
    assert "git-fetch-with-cli" in str(found["what is fetched of the index"]["answer"])
    assert found["reading takes a token"]["answer"] == "no"
