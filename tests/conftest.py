"""Every test runs in a sealed world: its own home, caches and git settings, and no network beyond loopback."""

from __future__ import annotations

import os
import signal
import socket
import sys
from itertools import count
from pathlib import Path

import pytest
from support.commands import Run
from support.upstream import Upstream

from patchbot import cli

REAL_HOME = Path.home()

# Where a rustup proxy finds its toolchains; without them `cargo` in a sealed home would find none.
# pytest finds a number for a folder by reading all those beside it: 6,000 homes there take longer than some tests.
HOMES = count()

RUSTUP_HOME = os.environ.get("RUSTUP_HOME") or str(REAL_HOME / ".rustup")


@pytest.fixture(autouse=True)
def hermetic_seal(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Replace everything that a machine could bring into a test."""
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(HOMES))
    home.mkdir(parents=True)
    for name in list(os.environ):
        if name.startswith(("GIT_", "PATCHBOT_", "CARGO_", "RUSTFLAGS", "XDG_")):
            monkeypatch.delenv(name)
    # the command line silences it for the rest of its process when it is interrupted
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    # What started the tests in the background left SIGINT ignored, and children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("CARGO_HOME", str(home / "cargo"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    if Path(RUSTUP_HOME).is_dir():
        monkeypatch.setenv("RUSTUP_HOME", RUSTUP_HOME)
    if request.node.get_closest_marker("integration") is None:
        monkeypatch.setattr(socket.socket, "connect", _loopback_only(socket.socket.connect))


def _loopback_only(connect: object) -> object:
    def checked(self: socket.socket, address: object) -> object:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = address[0] if isinstance(address, tuple) else address
            assert host in {"127.0.0.1", "::1", "localhost"}, f"a unit test reaches for {address}"
        return connect(self, address)  # type: ignore[operator]

    return checked


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; return exit code, stdout and stderr."""

    def call(*argv: str) -> tuple[int, str, str]:
        code = cli.run_cli(argv)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    """A small registry in the shape of upstream's, on disk."""
    return Upstream(tmp_path / "upstream")


@pytest.fixture
def project(tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder that follows the releases of ``upstream``; the test's working folder."""
    folder = tmp_path / "project"
    upstream.project(folder)
    monkeypatch.chdir(folder)
    return folder
