"""Real cargo against ``patchbot serve`` and an export: one lockfile for all, publishing, yanks, tokens.

No network but loopback: the crates have no third parties, and the registry's own address does not exist.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from fork import small
from registry import tiny

from patchbot import files
from patchbot.registry import consumer
from patchbot.registry.local import LocalRegistry

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no cargo"),
]

TOKEN = "sesame-42"  # noqa: S105 - of a test
RELEASES = [tiny.forks("1.2.3"), tiny.forks("1.2.4")]
SERVED = f"{small.REGISTRY}-served"


@dataclass(frozen=True)
class Served:
    """A running server: its address, and what it has logged so far."""

    url: str
    log: Path

    def codes(self, method: str) -> list[str]:
        """The status of every request with that method."""
        rows = [line.split() for line in self.log.read_text().splitlines()]
        return [row[0] for row in rows if row[1:2] == [method]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    files.write(
        folder / "patchbot.toml",
        f'[registry]\nname = "{small.REGISTRY}"\nindex = "{small.INDEX}"\ndirectory = "crates"\n'.encode(),
    )
    return folder


@pytest.fixture
def registry(project: Path) -> LocalRegistry:
    registry = LocalRegistry(project / "crates")
    for release in RELEASES:
        registry.publish(release.crates)
    return registry


@contextmanager
def serving(project: Path, *options: str, **environ: str) -> Iterator[Served]:
    log = project / "serve.log"
    with log.open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "patchbot", "serve", "--port", "0", "--json", *options],
            cwd=project,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
    try:
        assert process.stdout is not None
        yield Served(json.loads(process.stdout.readline())["url"], log)
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


@contextmanager
def static_host(folder: Path) -> Iterator[str]:
    """Serve a folder with Python's own server; yield its address, which stands in what is exported there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder.mkdir()
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def cargo(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run cargo with a home of its own, where nothing is known of other tests' registries."""
    env = {**os.environ, "CARGO_HOME": str(folder / "home"), "CARGO_NET_RETRY": "0", **environ}
    return subprocess.run(["cargo", *words], cwd=folder, env=env, check=False, capture_output=True, text=True)


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def program(folder: Path, config: str, *, lock: bytes | None = None, dependencies: str | None = None) -> Path:
    """A program of a user, made of the lines that ``patchbot consumer`` prints."""
    tells = "".join(f'    println!("{{}}", {r.crate("tiny").library}::tell());\n' for r in RELEASES)
    wanted = consumer.manifest_lines(RELEASES, small.REGISTRY, ["tiny"])
    texts = {
        "Cargo.toml": '[package]\nname = "user"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n\n'
        + (dependencies or wanted),
        ".cargo/config.toml": config,
        "src/main.rs": f"fn main() {{\n{'' if dependencies else tells}}}\n",
    }
    for path, text in texts.items():
        files.write(folder / path, text.encode())
    if lock is not None:
        files.write(folder / "Cargo.lock", lock)
    return folder


def at(url: str) -> str:
    return consumer.served_config(small.REGISTRY, small.INDEX, consumer.served_index(url))


def crate(folder: Path, name: str, version: str = "1.0.0", more: str = "", source: str = "") -> Path:
    """A throw-away crate."""
    manifest = (
        f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\nlicense = "MIT"\n'
        f'description = "thrown away"\nrust-version = "1.70"\n{more}\n[workspace]\n'
    )
    files.write(folder / "Cargo.toml", manifest.encode())
    files.write(folder / "src/lib.rs", (source or "pub fn one() -> u32 { 1 }\n").encode())
    return folder


def publish(
    folder: Path, url: str, *options: str, token: str | None = TOKEN
) -> subprocess.CompletedProcess[str]:
    files.write(folder / ".cargo/config.toml", at(url).encode())
    environ = {} if token is None else {"CARGO_REGISTRIES_PATCHBOT_SERVED_TOKEN": token}
    return cargo(folder, "publish", "--registry", SERVED, "--allow-dirty", *options, **environ)


# -- reading -----------------------------------------------------------------------------------------


def test_one_lockfile_serves_the_directory_the_server_and_the_export(
    project: Path, registry: LocalRegistry, tmp_path: Path
) -> None:
    wanted = "boom 42 1.2.3\nboom 42 1.2.4\n"
    directory = program(
        tmp_path / "directory", consumer.cargo_config(small.REGISTRY, small.INDEX, registry.folder)
    )
    assert done(cargo(directory, "run", "--quiet")) == wanted
    lock = (directory / "Cargo.lock").read_bytes()
    assert small.INDEX.encode() in lock
    with serving(project) as served:
        user = program(tmp_path / "served", at(served.url), lock=lock)
        assert done(cargo(user, "run", "--quiet", "--locked")) == wanted
        assert (user / "Cargo.lock").read_bytes() == lock
        fresh = program(tmp_path / "fresh", at(served.url))
        done(cargo(fresh, "generate-lockfile"))
        assert (fresh / "Cargo.lock").read_bytes() == lock
        done(cargo(fresh, "update"))
        assert "304" in served.codes("GET")
    with static_host(tmp_path / "public") as url:
        argv = [
            sys.executable,
            "-m",
            "patchbot",
            "registry",
            "export",
            str(tmp_path / "public"),
            "--url",
            url,
        ]
        subprocess.run(argv, cwd=project, check=True, capture_output=True)
        user = program(tmp_path / "static", at(url), lock=lock)
        assert done(cargo(user, "run", "--quiet", "--locked")) == wanted
        assert (user / "Cargo.lock").read_bytes() == lock
        # The twin that must fail: the same folder with one byte changed.
        file = next((tmp_path / "public" / "crates").rglob("tiny-core-v1-2-3-*.crate"))
        file.write_bytes(file.read_bytes().replace(b"boom", b"doom"))
        refused = cargo(program(tmp_path / "changed", at(url), lock=lock), "build", "--locked")
        assert refused.returncode != 0
        assert "checksum" in refused.stderr


def test_what_is_not_there_is_no_failure_of_the_registry(
    project: Path, registry: LocalRegistry, tmp_path: Path
) -> None:
    nobody = f'[dependencies]\nnobody = {{ version = "1", registry = "{small.REGISTRY}" }}\n'
    with serving(project) as served:
        asked = cargo(program(tmp_path / "user", at(served.url), dependencies=nobody), "generate-lockfile")
    assert asked.returncode != 0
    assert "no matching package named `nobody` found" in asked.stderr


# -- publishing --------------------------------------------------------------------------------------

TOP = f"""
[features]
weak = ["base?/loud"]
with-base = ["dep:base"]
[dependencies]
base = {{ package = "throw-base", version = "1", registry = "{small.REGISTRY}", optional = true }}
[target.'cfg(unix)'.build-dependencies]
throw-tool = {{ version = "=1.0.0", registry = "{SERVED}" }}
"""


def test_cargo_publishes_what_a_consumer_then_builds(
    project: Path, registry: LocalRegistry, tmp_path: Path
) -> None:
    with serving(project, PATCHBOT_SERVE_TOKEN=TOKEN) as served:
        base = crate(tmp_path / "base", "throw-base", more="[features]\nloud = []\n")
        done(publish(base, served.url))
        done(publish(crate(tmp_path / "tool", "throw-tool"), served.url))
        source = "pub fn two() -> u32 { 1 + base::one() }\n"
        top = crate(tmp_path / "top", "throw-top", more=f'build = "build.rs"\n{TOP}', source=source)
        files.write(top / "build.rs", b"fn main() { assert_eq!(throw_tool::one(), 1); }\n")
        done(publish(top, served.url, "--features", "with-base,weak"))
        wanted = (
            '[dependencies]\nthrow-top = { version = "1", features = ["with-base"], '
            f'registry = "{small.REGISTRY}" }}\n'
        )
        user = program(tmp_path / "user", at(served.url), dependencies=wanted)
        files.write(user / "src/main.rs", b'fn main() { println!("{}", throw_top::two()); }\n')
        assert done(cargo(user, "run", "--quiet")) == "2\n"
        assert served.url.encode() not in (user / "Cargo.lock").read_bytes()
        again = publish(base, served.url)
        assert again.returncode != 0
        assert "already exists" in again.stderr
    line = json.loads(registry.index_file("throw-top").read_bytes())
    data = registry.crate_file("throw-top", "1.0.0").read_bytes()
    assert line["cksum"] == hashlib.sha256(data).hexdigest()
    assert line["rust_version"] == "1.70"
    assert (line["v"], line["features"]) == (2, {})
    assert line["features2"] == {"weak": ["base?/loud"], "with-base": ["dep:base"]}
    plain = {"features": [], "default_features": True}
    assert line["deps"] == [
        {"name": "base", "req": "^1", **plain, "optional": True, "target": None, "kind": "normal",
         "package": "throw-base"},
        {"name": "throw-tool", "req": "=1.0.0", **plain, "optional": False, "target": "cfg(unix)", "kind": "build"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("token", "said"), [("wrong", "the token is not the right one"), (None, "no token found")]
)
def test_nothing_is_published_without_the_right_token(
    project: Path, registry: LocalRegistry, tmp_path: Path, token: str | None, said: str
) -> None:
    before = set(registry.everything())
    with serving(project, PATCHBOT_SERVE_TOKEN=TOKEN) as served:
        folder = crate(tmp_path / "base", "throw-base")
        refused = publish(folder, served.url, token=token)
        assert refused.returncode != 0
        assert said in refused.stderr
        assert set(registry.everything()) == before
        done(publish(folder, served.url))
    assert set(registry.everything()) == {*before, ("throw-base", "1.0.0")}
    assert TOKEN not in served.log.read_text()


def test_a_registry_that_asks_readers_for_the_token_is_read_with_it(
    project: Path, registry: LocalRegistry, tmp_path: Path
) -> None:
    with serving(project, "--auth-required", PATCHBOT_SERVE_TOKEN=TOKEN) as served:
        user = program(tmp_path / "user", at(served.url))
        refused = cargo(user, "generate-lockfile", CARGO_REGISTRIES_PATCHBOT_SERVED_TOKEN="wrong")  # noqa: S106
        assert refused.returncode != 0
        assert "token rejected" in refused.stderr
        with_token = {"CARGO_REGISTRIES_PATCHBOT_SERVED_TOKEN": TOKEN}
        assert done(cargo(user, "run", "--quiet", **with_token)) == "boom 42 1.2.3\nboom 42 1.2.4\n"


def test_cargo_yanks_and_locked_users_go_on_building(
    project: Path, registry: LocalRegistry, tmp_path: Path
) -> None:
    wanted = f'[dependencies]\nthrow-base = {{ version = "1", registry = "{small.REGISTRY}" }}\n'
    with serving(project, PATCHBOT_SERVE_TOKEN=TOKEN) as served:
        folder = crate(tmp_path / "base", "throw-base")
        done(publish(folder, served.url))
        user = program(tmp_path / "user", at(served.url), dependencies=wanted)
        done(cargo(user, "generate-lockfile"))
        lock = (user / "Cargo.lock").read_bytes()

        def yank(*words: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
            argv = ("yank", "--registry", SERVED, "throw-base@1.0.0", *words)
            return cargo(folder, *argv, CARGO_REGISTRIES_PATCHBOT_SERVED_TOKEN=token)

        refused = yank(token="wrong")  # noqa: S106 - of a test
        assert refused.returncode != 0
        assert not registry.entries("throw-base")["1.0.0"].yanked
        done(yank())
        assert registry.entries("throw-base")["1.0.0"].yanked
        locked = program(tmp_path / "locked", at(served.url), dependencies=wanted, lock=lock)
        done(cargo(locked, "build", "--locked"))
        late = program(tmp_path / "late", at(served.url), dependencies=wanted)
        anew = cargo(late, "generate-lockfile")
        assert anew.returncode != 0
        assert "is yanked" in anew.stderr
        done(yank("--undo"))
        done(cargo(late, "generate-lockfile"))
        assert (late / "Cargo.lock").read_bytes() == lock


def test_cargo_is_told_why_its_upload_is_refused(
    project: Path, registry: LocalRegistry, tmp_path: Path
) -> None:
    """Cargo looks into the index first; where a yank hides a version from it, the server has the last word."""
    with serving(project, PATCHBOT_SERVE_TOKEN=TOKEN) as served:
        folder = crate(tmp_path / "base", "throw-base")
        done(publish(folder, served.url))
        registry.set_yanked([("throw-base", "1.0.0")], yanked=True)
        same = publish(folder, served.url)
        assert same.returncode != 0
        assert "already uploaded, with the same bytes" in same.stderr
        other = publish(crate(folder, "throw-base", source="pub fn three() {}\n"), served.url)
        assert other.returncode != 0
        assert "is published as" in other.stderr
        twin = publish(crate(tmp_path / "twin", "throw_base"), served.url)
        assert twin.returncode != 0
        assert "is the same name to cargo" in twin.stderr
    with serving(project, "--read-only") as served:
        closed = publish(crate(tmp_path / "more", "throw-more"), served.url)
        assert closed.returncode != 0
        assert "this registry is served for reading only" in closed.stderr
