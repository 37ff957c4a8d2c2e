"""`doctor --target --install` with the real apt and dpkg, a real Rust of their packages, a cross gcc and qemu.

It takes the packages although rustup may have all: those are what is prepared on machines without it.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patchbot.errors import EnvironmentProblem
from patchbot.proof import debian
from patchbot.proof.cross import system
from patchbot.targets import KNOWN

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

TRIPLE = "s390x-unknown-linux-gnu"
DOCTOR = (sys.executable, "-m", "patchbot", "doctor", "--target", TRIPLE)
INSTALL = (*DOCTOR, "--install", "--yes", "--rust", "packages", "--json")


@pytest.fixture
def toolchains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of private toolchains in a cache of its own; the system is the same before and after."""
    try:
        system.distribution()
    except EnvironmentProblem as error:
        pytest.skip(str(error))
    names = (*debian.compilers(KNOWN[TRIPLE]), *debian.EMULATORS)
    lacking = set(names) - system.installed(names)
    if lacking and not system.may():
        pytest.skip(f"{', '.join(sorted(lacking))} are missing, and root's to install")
    monkeypatch.setenv("PATCHBOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    before = None if lacking else settings()
    yield tmp_path / "cache" / "toolchains"
    assert before is None or settings() == before, (
        "the system's packages, lists and architectures are not ours"
    )


def settings() -> list[str]:
    """What apt and dpkg know, and what they are told."""
    foreign = subprocess.run(
        ["dpkg", "--print-foreign-architectures"], capture_output=True, text=True, check=True
    )
    found = [foreign.stdout, hashlib.sha256(Path("/var/lib/dpkg/status").read_bytes()).hexdigest()]
    for folder in (Path("/etc/apt"), Path("/var/lib/apt/lists"), Path("/var/cache/apt/archives")):
        found += sorted(f"{file} {file.lstat().st_mtime_ns}" for file in folder.rglob("*") if file.is_file())
    return found


def install() -> tuple[dict[str, object], str, float]:
    started = time.monotonic()
    done = subprocess.run(INSTALL, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr
    data: dict[str, object] = json.loads(done.stdout)
    return data, done.stderr, time.monotonic() - started


def kill_when(ready: Callable[[], bool]) -> None:
    """Start an installation and end it as a power cut would, at some moment; what it started lives on."""
    child = subprocess.Popen(INSTALL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not ready():
            assert child.poll() is None, "it was over before that moment"
            time.sleep(0.01)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()


def judge() -> dict[str, dict[str, object]]:
    done = subprocess.run((*DOCTOR, "--json"), capture_output=True, text=True, timeout=300, check=False)
    return {row["question"]: row for row in json.loads(done.stdout)["findings"]}


def test_a_toolchain_is_prepared_used_and_removed(toolchains: Path) -> None:
    folder, room = toolchains / TRIPLE, toolchains / f"{TRIPLE}.new"

    data, err, seconds = install()
    steps = data["steps"]
    assert isinstance(steps, list)
    assert [(step["step"], step["done"]) for step in steps][-1] == ("private", True)
    assert "-dev:s390x=" in steps[-1]["command"]
    toolchain = data["toolchain"]
    assert isinstance(toolchain, dict)
    assert toolchain["rustc"].startswith(str(folder))
    assert sorted(entry.name for entry in toolchains.iterdir()) == [TRIPLE, f"{TRIPLE}.lock"]
    assert not list(folder.glob("apt-*")), "lists and packages are not kept"

    found = judge()
    assert str(folder) in str(found["private Rust"]["answer"])
    assert found["trial"]["ok"] is True

    again, err, seconds = install()
    assert again["steps"] == []
    assert again["toolchain"] == toolchain
    assert "downloading" not in err
    assert seconds < 30, "it takes two where nobody else is at work"

    out = subprocess.run(
        (*DOCTOR, "--remove"), capture_output=True, text=True, timeout=300, check=True
    ).stdout
    assert out.startswith(f"removed {folder}\n")
    assert "apt-get remove" in out
    assert not folder.exists()
    assert not room.exists()


def test_killed_runs_leave_nothing_that_is_taken_and_two_at_once_make_one(toolchains: Path) -> None:
    folder, room = toolchains / TRIPLE, toolchains / f"{TRIPLE}.new"
    moments: list[Callable[[], bool]] = [
        lambda: any(room.glob("apt-*/lists/partial/*")),  # apt-get update
        (room / "usr" / "bin" / "cargo").exists,  # dpkg -x, with more to come
    ]
    for moment in moments:
        kill_when(moment)
        assert room.exists()
        assert not folder.exists()
        assert "only a part" in str(judge()["private Rust"]["answer"])

    children = [
        subprocess.Popen(INSTALL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    ended = [child.communicate(timeout=1500) for child in children]
    assert [child.returncode for child in children] == [0, 0], ended
    assert sorted(len(json.loads(out)["steps"]) for out, _ in ended) == [0, 1]
    assert sum("waiting for another patchbot" in err for _, err in ended) == 1
    assert sorted(entry.name for entry in toolchains.iterdir()) == [TRIPLE, f"{TRIPLE}.lock"]
    assert not list(folder.glob("apt-*"))
    assert judge()["trial"]["ok"] is True
