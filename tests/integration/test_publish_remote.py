"""Real cargo beside patchbot: what it sends, what it finds; and kill -9 in the middle of everything."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry import parcels, publisher, tiny
from registry.faulty import Faulty, Scaled

from patchbot.errors import PublishError
from patchbot.model import ForkedRelease
from patchbot.registry.remote import resolving, upload
from patchbot.registry.remote.credentials import Secret
from patchbot.registry.remote.plan import Parcel
from patchbot.registry.remote.target import Target

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
needs_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no cargo")

RICH = """\
[package]
name = "rich"
version = "1.2.3"
edition = "2021"
rust-version = "1.70"
authors = ["A <a@example.invalid>", "B"]
build = "build.rs"
links = "rich_1_2_3_pb"
publish = ["{name}"]
description = "täglich"
homepage = "https://home.example.invalid/"
documentation = "https://docs.example.invalid/"
readme = {readme}
keywords = ["one", "two"]
categories = ["wasm"]
license = "MIT"
license-file = "LICENSE"
repository = "https://git.example.invalid/"

[package.metadata.patchbot]
upstream = "rich"

[lib]
name = "rich"
path = "src/lib.rs"

[badges.maintenance]
status = "experimental"

[features]
default = ["loud"]
loud = ["dep:never", "weak?/fast", "heart/loud"]
std = []

[dependencies.heart]
version = "=1.2.3"
package = "rich-core"
registry-index = "{index}"
default-features = false

[dependencies.never]
version = "1"
package = "rich-never"
optional = true
registry-index = "{index}"

[dependencies.weak]
version = ">= 1.2, < 2"
package = "rich-weak"
features = ["fast", "also"]
optional = true
registry-index = "{index}"

[dependencies.rich-same]
version = "~1.2"
registry-index = "{index}"

[build-dependencies.maker]
version = "1.*"
package = "rich-maker"
registry-index = "{index}"

[target.'cfg(unix)'.dependencies.rich-unix]
version = "1.2"
registry-index = "{index}"

[target.x86_64-unknown-linux-gnu.build-dependencies.rich-linux]
version = "*"
registry-index = "{index}"
"""
RICH_FEATURES: dict[str, list[str]] = {"loud": [], "fast": [], "also": []}


@pytest.fixture
def server() -> Iterator[Faulty]:
    with Faulty() as running:
        yield running


def rich(index: str, readme: str, files: dict[str, str]) -> bytes:
    manifest = RICH.format(index=index, name=parcels.NAME, readme=readme)
    if readme == "absent":
        manifest = manifest.replace("readme = absent\n", "")
    plain = {"src/lib.rs": "", "build.rs": "fn main() {}\n", "LICENSE": "MIT\n"}
    return parcels.archive("rich", "1.2.3", {"Cargo.toml": manifest, **plain, **files})


def hold(server: Faulty, *names: str) -> None:
    """Let the registry hold packages that cargo wants to see before it publishes."""
    for name in names:
        known = parcels.parcel(name)
        server.add(known.entry, known.data, features=RICH_FEATURES)


def sent_by_cargo(server: Faulty, data: bytes, folder: Path) -> dict[str, Any]:
    """Let the real cargo publish the source of a crate; return the JSON that it sends."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    (source / ".cargo").mkdir()
    (source / ".cargo" / "config.toml").write_text(f'[registries.{parcels.NAME}]\nindex = "{server.index}"\n')
    before = len(server.uploads)
    argv = ["cargo", "publish", "--no-verify", "--allow-dirty", "--registry", parcels.NAME]
    token = {"CARGO_REGISTRIES_TEST_REGISTRY_TOKEN": server.token or ""}
    done = subprocess.run(
        argv, cwd=source, env={**os.environ, **token}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(server.uploads) == before + 1
    return server.uploads[-1][0]


# -- what is sent -----------------------------------------------------------------------------------


@needs_cargo
@pytest.mark.parametrize(
    ("readme", "files"),
    [
        ('"docs/READ.md"', {"docs/READ.md": "# rich\n\nÄ\n"}),
        ("false", {"README.md": "not this\n"}),
        ("true", {"README.md": "this\n"}),
        ("absent", {"README.md": "found\n"}),
        ("absent", {"README.txt": "found, too\n"}),
        ("absent", {}),
    ],
)
def test_an_upload_says_what_the_real_cargo_says(
    server: Faulty, tmp_path: Path, readme: str, files: dict[str, str]
) -> None:
    hold(server, "rich-core", "rich-never", "rich-weak", "rich-same", "rich-maker", "rich-unix", "rich-linux")
    data = rich(server.index, readme, files)
    theirs = sent_by_cargo(server, data, tmp_path)
    ours = upload.metadata(data, own=(server.index,))
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert ours[key] == value, key
    assert len(theirs["deps"]) == 7
    assert json.dumps(ours, ensure_ascii=False) == json.dumps(theirs, ensure_ascii=False), (
        "the same order, too"
    )


@needs_cargo
def test_the_uploads_of_forks_are_those_of_the_real_cargo(server: Faulty, tmp_path: Path) -> None:
    forks = tiny.forks(index=server.index, registry=parcels.NAME)
    theirs: dict[str, Any] = {}
    for crate in forks.crates:
        theirs = sent_by_cargo(server, crate.data, tmp_path / crate.entry.name)
        assert upload.metadata(crate.data, own=(server.index,)) == theirs
    assert [d["name"] for d in theirs["deps"]] == ["tiny-core-v1-2-3", "tiny-maker-v1-2-3"]
    assert all("registry" not in d and "explicit_name_in_toml" in d for d in theirs["deps"])


def of(forks: ForkedRelease) -> list[Parcel]:
    return [Parcel(c.entry, c.data, str(forks.release), c.reason) for c in forks.crates]


# -- what cargo finds -------------------------------------------------------------------------------


@needs_cargo
@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("canonical", ["own", parcels.CANONICAL])
def test_cargo_resolves_what_was_published(
    server: Faulty,
    tmp_path: Path,
    private: bool,  # noqa: FBT001
    canonical: str,
) -> None:
    server.auth_required = private
    index = server.index if canonical == "own" else canonical
    release = of(tiny.forks(index=index, registry=parcels.NAME))
    to = parcels.client(server)
    parcels.run(server, tmp_path, release, to=to)
    token = Secret(server.token or "") if private else None
    target = Target(parcels.NAME, server.index)
    # a user's own words about the same registry do not get in the way
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text(f'[registries.mine]\nindex = "{server.index}"\n')
    assert resolving.resolve(release, target, index, token, tmp_path / "work") == 3
    assert list((tmp_path / "work").iterdir()) == []
    server.lines("tiny-core-v1-2-3")[0]["cksum"] = "0" * 64
    with pytest.raises(PublishError, match=r"cargo locks tiny-core-v1-2-3 1\.2\.3 as 0000"):
        resolving.resolve(release, target, index, token, tmp_path / "work")
    server.lines("tiny-core-v1-2-3")[0]["vers"] = "7.0.0"
    with pytest.raises(PublishError, match=r"cargo cannot resolve a program that uses 1\.2\.3") as caught:
        resolving.resolve(release, target, index, token, tmp_path / "work")
    assert "tiny-core-v1-2-3" in str(caught.value)
    assert (server.token or "") not in str(caught.value)


# -- kill -9 ----------------------------------------------------------------------------------------


class Killer:
    """Ends a process when a registry has come to its n-th step."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.met = ""
        self._count = 0
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def of(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._ready.set()

    def __call__(self, step: str) -> None:
        self._ready.wait(10)
        assert self._child is not None
        with self._lock:
            self._count += 1
            if self._count == self.at:
                self.met = step
                self._child.kill()


class Killed:
    """Publishes in a process that dies, and then in one that does not."""

    def __init__(self, server: Faulty, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.release = publisher.release()

    def run(self, after: int = 0, how: str = "", killer: Killer | None = None) -> int:
        """Return the exit code of a run that dies at its n-th write, or when ``killer`` says so."""
        words = [self.server.url, self.server.token or "", str(self.folder), str(after), how]
        path = os.pathsep.join(str(Path(__file__).parents[n]) for n in (1, 2))
        with subprocess.Popen(
            [sys.executable, "-c", "from registry.publisher import main; main()", *words],
            env={**os.environ, "PYTHONPATH": path},
        ) as child:
            if killer is not None:
                killer.of(child)
            return child.wait()

    def goes_on(self) -> None:
        """Run to the end what was killed, and once more."""
        self.server.on_step = lambda _: None
        parcels.run(self.server, self.folder, self.release)
        parcels.everything_once(self.server, self.release)
        parcels.nothing_the_second_time(self.server, self.folder, self.release)


@pytest.mark.parametrize("how", ["after", "torn"])
def test_killed_at_every_line_of_the_journal(tmp_path: Path, how: str) -> None:
    for number in range(1, 100):
        with Faulty(clock=Scaled()) as server:
            killed = Killed(server, tmp_path / str(number))
            code = killed.run(number, how)
            if code == 0:
                parcels.everything_once(server, killed.release)
                assert number > 12, "three crates have four lines each"
                return
            assert code == -signal.SIGKILL
            killed.goes_on()
    pytest.fail("no run came to its end")


def test_killed_at_every_step_of_every_request(tmp_path: Path) -> None:
    """The registry was asked, has the upload, has stored it, has replied: it kills whoever asked."""
    steps: Counter[str] = Counter()
    for number in range(1, 200):
        with Faulty(clock=Scaled()) as server:
            killed = Killed(server, tmp_path / str(number))
            killer = Killer(number)
            server.on_step = killer
            code = killed.run(killer=killer)
            if code == 0:
                parcels.everything_once(server, killed.release)
                assert set(steps) == {"asked", "received", "stored", "replied"}
                assert steps.total() > 25, "three crates are asked for three times, and sent"
                return
            assert code == -signal.SIGKILL
            steps[killer.met] += 1
            killed.goes_on()
    pytest.fail("no run came to its end")
